"""An object as a seekable file: one version of it, read in ranges."""

from __future__ import annotations

import io
from typing import Any, Protocol

from tasks.pool.store import StoredObject

READ_AHEAD = 8 * 1024 * 1024


class RangeSource(Protocol):
    """What reads a part of an object; `infra.storage.Storage` does."""

    def read_range(self, found: StoredObject, start: int, length: int) -> bytes:
        """Read `length` bytes from `start` on, of the version that was found."""


class RangeReader(io.RawIOBase):
    """One version of an object, read where and as far as it is asked for."""

    def __init__(self, storage: RangeSource, found: StoredObject) -> None:
        self._storage = storage
        self._found = found
        self._position = 0
        self.name = found.uri

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def tell(self) -> int:
        """Give the position, in bytes from the start."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position; nothing is read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._found.size}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}, before the start")
        self._position = base + offset
        return self._position

    def readall(self) -> bytes:
        """Read to the end, `READ_AHEAD` bytes a request."""
        # The inherited one reads 8 KiB at a time: a request each.
        pieces = []
        while (length := min(READ_AHEAD, self._found.size - self._position)) > 0:
            pieces.append(self._storage.read_range(self._found, self._position, length))
            self._position += length
        return b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the object goes, with one request."""
        length = min(len(buffer), self._found.size - self._position)
        if length <= 0:
            return 0
        data = self._storage.read_range(self._found, self._position, length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
