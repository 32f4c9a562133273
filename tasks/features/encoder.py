"""Texts to vectors by a neural network: the seam, and sentence-transformers behind it."""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.errors import DeviceUnavailable, UsageError

Floats = NDArray[np.float32]


class TextEncoder(Protocol):
    """What turns texts into vectors.

    Attributes
    ----------
    name : str
        Says all that the vectors depend on: two encoders of one name give the same vectors.
    dimension : int
        Numbers a vector.
    """

    @property
    def name(self) -> str:
        """Give what the vectors depend on."""

    @property
    def dimension(self) -> int:
        """Count the numbers of a vector."""

    def encode(self, texts: list[str]) -> Floats:
        """Encode texts, float32 (len(texts), dimension)."""


class SentenceEncoder:
    """A model of sentence-transformers, from a directory or the Hugging Face hub.

    Parameters
    ----------
    model : str
        A directory, or a name on the hub such as ``intfloat/multilingual-e5-small``.
    revision : str, optional
        Commit or tag on the hub. Name one: without it a model that changes there keeps its cached vectors.
    device : str
        ``cpu`` or ``cuda``.
    batch_size : int
        Texts that go through the network at a time.

    Raises
    ------
    UsageError
        sentence-transformers is not installed, or there is no such model.
    DeviceUnavailable
        The device does not work here.
    """

    def __init__(
        self, model: str, *, revision: str | None = None, device: str = "cpu", batch_size: int = 32
    ) -> None:
        try:
            package: Any = import_module("sentence_transformers")
        except ImportError as error:
            raise UsageError(
                f"The text model {model!r} needs sentence-transformers ({error}). "
                "Install it: pip install 'labelrounds[embeddings]'"
            ) from error
        try:
            self._model: Any = package.SentenceTransformer(model, device=device, revision=revision)
        except (OSError, ValueError) as error:
            where = f"the directory {model}" if Path(model).is_dir() else f"the hub's model {model!r}"
            raise UsageError(f"{where} cannot be loaded as a text model: {_line(error)}") from error
        except (RuntimeError, AssertionError) as error:  # torch's own words for a missing device
            raise DeviceUnavailable(
                f"The text model {model!r} does not start on {device}: {_line(error)}"
            ) from error
        self._batch_size = batch_size
        self.name = model_name(model, revision)
        self.dimension = int(self._encode(["."]).shape[1])

    def encode(self, texts: list[str]) -> Floats:
        """Encode texts as vectors of length 1, float32 (len(texts), dimension)."""
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        return self._encode(texts)

    def _encode(self, texts: list[str]) -> Floats:
        vectors = self._model.encode(
            texts,
            batch_size=self._batch_size,
            show_progress_bar=False,
            convert_to_numpy=True,
            normalize_embeddings=True,
        )
        return np.ascontiguousarray(vectors, dtype=np.float32)


class LaterEncoder:
    """A `SentenceEncoder` that is loaded when the first text is encoded: where all vectors are stored, it never is.

    Parameters
    ----------
    model, revision
        As for `SentenceEncoder`.
    device : {'auto', 'cpu', 'cuda'}
        ``auto`` is a GPU where torch finds one.
    """

    def __init__(self, model: str, *, revision: str | None = None, device: str = "auto") -> None:
        self._model, self._revision, self._device = model, revision, device
        self.name = model_name(model, revision)

    @cached_property
    def _loaded(self) -> SentenceEncoder:
        device = _torch_device() if self._device == "auto" else self._device
        return SentenceEncoder(self._model, revision=self._revision, device=device)

    @property
    def dimension(self) -> int:
        """Numbers a vector; loads the model."""
        return self._loaded.dimension

    def encode(self, texts: list[str]) -> Floats:
        """Encode texts as `SentenceEncoder` does."""
        return self._loaded.encode(texts)


def _torch_device() -> str:
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return "cpu"  # SentenceEncoder says what is missing
    return "cuda" if torch.cuda.is_available() else "cpu"


def model_name(model: str, revision: str | None) -> str:
    """Name a model by what its vectors depend on: a directory's content, or the hub's name and revision."""
    folder = Path(model)
    if not folder.is_dir():
        return f"{model}@{revision or 'main'}"
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}:{content}\n".encode())
    return f"{folder.name}@{digest.hexdigest()[:24]}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
