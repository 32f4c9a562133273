"""A labelled data set as matrices, in one piece that travels to wherever a repeat runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features import FeatureSpace
from tasks.features.archive import pack, unpack

Floats = NDArray[np.float32]

MOST_CLASSES = 1_000
_FORMAT = 1


@dataclass(frozen=True)
class LabelledData:
    """Items with their true classes.

    Attributes
    ----------
    ids : object (n,)
        Strings, all different.
    X : float32 (n, d)
        `FeatureSpace.transform`.
    y : int64 (n,)
        Class codes.
    classes : tuple of str
    space : FeatureSpace
        That made `X`.

    Raises
    ------
    UsageError
        Arrays that do not fit together, fewer than two classes, or more than 1,000.
    """

    ids: NDArray[Any]
    X: Floats
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    space: FeatureSpace

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.X) == len(self.y):
            counts = f"{len(self.ids)} ids, {len(self.X)} rows, {len(self.y)} labels"
            raise UsageError(f"The parts of a labelled data set differ in length: {counts}.")
        if not 2 <= len(self.classes) <= MOST_CLASSES:
            raise UsageError(
                f"A simulation needs 2 to {MOST_CLASSES:,} classes, and the labels have {len(self.classes)}."
            )
        if len(self.y) and not 0 <= self.y.min() <= self.y.max() < len(self.classes):
            raise UsageError(f"Class codes must lie below {len(self.classes)}.")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Write all as an npz file without pickle; equal data give equal bytes."""
        encoded = [str(one).encode() for one in self.ids]
        arrays: dict[str, NDArray[Any]] = {
            "ids": np.frombuffer(b"".join(encoded), np.uint8),
            "lengths": np.array([len(one) for one in encoded], np.int64),
            "X": self.X,
            "y": self.y,
            "space": np.frombuffer(self.space.to_bytes(), np.uint8),
        }
        return pack({"format": _FORMAT, "classes": self.classes}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> LabelledData:
        """Read what `to_bytes` wrote.

        Raises
        ------
        UsageError
            The bytes are damaged, or of another version.
        """
        header, arrays = unpack(data, what="The labelled data set")
        if header.get("format") != _FORMAT:
            raise UsageError(f"The labelled data set has format {header.get('format')!r}, wanted {_FORMAT}.")
        ends = np.cumsum(arrays["lengths"]).tolist()
        text = arrays["ids"].tobytes()
        ids = np.empty(len(ends), object)
        ids[:] = [text[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
        space = FeatureSpace.from_bytes(arrays["space"].tobytes())
        return cls(ids, arrays["X"], arrays["y"], tuple(header["classes"]), space)
