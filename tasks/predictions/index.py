"""Predictions by id, for any number of items: a sorted file that is looked into, never loaded.

An id is kept as 128 bits, two keyed SipHashes of it: among a thousand million ids two share them with a chance of
2e-21. The file has 16 bytes and a float32 for each number an item; the operating system keeps the pages that are
looked at in memory for as long as it has some to spare.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids, purpose_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_MAGIC = b"labelrounds predictions 1\n".ljust(32, b"\0")
_HEAD = np.dtype([("magic", "S32"), ("rows", "<u8"), ("width", "<u8")])
_FIRST, _SECOND = purpose_key(0, "predictions"), purpose_key(0, "predictions, once more")
_PARTITIONS = 256
_SHIFT = np.uint64(64 - 8)
_BUFFERED_BYTES = 32 << 20


@dataclass(frozen=True)
class PredictionIndex:
    """A file of predictions, open for look-ups.

    Attributes
    ----------
    first, second : uint64 (n,)
        Hashes of the ids, rising.
    rows : float32 (n, w)
    """

    first: NDArray[np.uint64]
    second: NDArray[np.uint64]
    rows: Floats

    @classmethod
    def open(cls, path: Path) -> PredictionIndex:
        """Open what `IndexBuilder.write` wrote.

        Raises
        ------
        UsageError
            The file is no such index.
        """
        head = np.fromfile(path, _HEAD, count=1)
        if not len(head) or bytes(head["magic"][0]).ljust(32, b"\0") != _MAGIC:
            raise UsageError(f"{path} is no index of predictions of this version; open a new round")
        n, width = int(head["rows"][0]), int(head["width"][0])
        parts = _sections(n, width)
        if path.stat().st_size != parts[-1]:
            raise UsageError(f"{path} is cut short; open a new round")
        if n == 0:
            none = np.zeros(0, np.uint64)
            return cls(none, none, np.zeros((0, width), np.float32))
        return cls(
            np.memmap(path, "<u8", "r", parts[0], (n,)),
            np.memmap(path, "<u8", "r", parts[1], (n,)),
            np.memmap(path, "<f4", "r", parts[2], (n, width)),
        )

    @property
    def width(self) -> int:
        """Numbers an item."""
        return int(self.rows.shape[1])

    def __len__(self) -> int:
        return len(self.first)

    def find(self, ids: Any) -> Ints:
        """Give the place of each id, int64 (n,); -1 where it has no prediction."""
        found = np.full(len(ids), -1, np.int64)
        if not len(ids) or not len(self):
            return found
        first, second = hash_ids(ids, _FIRST), hash_ids(ids, _SECOND)
        # In order: what is looked at next lies near what was looked at last.
        order = np.argsort(first, kind="stable")
        places = np.searchsorted(self.first, first[order])
        while len(order):
            order, places = order[places < len(self)], places[places < len(self)]
            near = np.asarray(self.first[places]) == first[order]
            order, places = order[near], places[near]
            same = np.asarray(self.second[places]) == second[order]
            found[order[same]] = places[same]
            order, places = order[~same], places[~same] + 1
        return found

    def look_up(self, ids: Any) -> Floats:
        """Give each id's numbers, float32 (n, w); NaN where it has no prediction."""
        places = self.find(ids)
        known = places >= 0
        found = np.full((len(places), self.width), np.nan, np.float32)
        found[known] = self.rows[places[known]]
        return found


class IndexBuilder:
    """Collects predictions and writes them as an index, in memory that does not depend on their number.

    A context manager: the temporary files (28 bytes and a float32 for each number an item) vanish with it.

    Parameters
    ----------
    width : int
        Numbers an item.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.rows = 0
        self._record = np.dtype(
            [
                ("first", "<u8"),
                ("second", "<u8"),
                ("row_no", "<i8"),
                ("object_no", "<i4"),
                ("proba", "<f4", (width,)),
            ]
        )
        self._pending: list[NDArray[Any]] = []
        self._pending_bytes = 0

    def __enter__(self) -> IndexBuilder:
        self._folder = tempfile.TemporaryDirectory(prefix="labelrounds-predictions-")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, ids: Any, proba: Floats, object_no: int, row_no: int) -> None:
        """Add consecutive rows of one object; `row_no` is the first one's number."""
        records = np.empty(len(ids), self._record)
        records["first"], records["second"] = hash_ids(ids, _FIRST), hash_ids(ids, _SECOND)
        records["object_no"], records["row_no"] = object_no, row_no + np.arange(len(ids))
        records["proba"] = proba
        self._pending.append(records)
        self._pending_bytes += records.nbytes
        self.rows += len(records)
        if self._pending_bytes >= _BUFFERED_BYTES:
            self._spill()

    def write(self, path: Path) -> str:
        """Write the index; gives the SHA-256 of the file, the same whatever the order of rows and objects.

        Raises
        ------
        RepeatedId
            An id has two predictions.
        """
        self._spill()
        starts = _sections(self.rows, self.width)
        head = np.array([(_MAGIC, self.rows, self.width)], _HEAD)
        with path.open("wb") as file:
            file.write(head.tobytes())
            file.truncate(starts[-1])
            done = 0
            for partition in sorted(Path(self._folder.name).iterdir()):
                records = np.fromfile(partition, self._record)
                records = records[np.lexsort((records["second"], records["first"]))]
                _refuse_repeats(records)
                for start, name in zip(starts, ("first", "second", "proba"), strict=False):
                    section = np.ascontiguousarray(records[name])
                    file.seek(start + done * (section.nbytes // len(records)))
                    file.write(section.tobytes())
                done += len(records)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _spill(self) -> None:
        if not self._pending:
            return
        records = np.concatenate(self._pending)
        self._pending, self._pending_bytes = [], 0
        partitions = (records["first"] >> _SHIFT).astype(np.intp)
        order = np.argsort(partitions, kind="stable")
        bounds = np.searchsorted(partitions[order], np.arange(_PARTITIONS + 1))
        for partition in np.flatnonzero(np.diff(bounds)):
            part = records[order[bounds[partition] : bounds[partition + 1]]]
            with (Path(self._folder.name) / f"{partition:03d}").open("ab") as file:
                file.write(part.tobytes())


class RepeatedId(UsageError):
    """An id has two predictions.

    Parameters
    ----------
    earlier, later
        Number of the object and of the row in it, of both.
    """

    def __init__(self, earlier: tuple[int, int], later: tuple[int, int]) -> None:
        self.earlier, self.later = earlier, later
        super().__init__(f"row {later[1] + 1} of object {later[0] + 1} repeats an id")


def _refuse_repeats(records: NDArray[Any]) -> None:
    same = (records["first"][1:] == records["first"][:-1]) & (records["second"][1:] == records["second"][:-1])
    if same.any():
        pair = records[np.argmax(same) : np.argmax(same) + 2]
        one, other = sorted((int(row["object_no"]), int(row["row_no"])) for row in pair)
        raise RepeatedId(one, other)


def _sections(n: int, width: int) -> tuple[int, int, int, int]:
    """Give where hashes, second hashes and rows begin in the file, and where it ends."""
    start = _HEAD.itemsize
    return start, start + 8 * n, start + 16 * n, start + 16 * n + 4 * n * width
