"""Tells an object that is corrupt from a store that does not answer.

Both show as exceptions out of the same reader, but the first sets an object aside and the second must stop
the round: a pool read through a failing network would otherwise look like a pool of corrupt objects.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from tasks.errors import LabelRoundsError, ServiceUnavailable
from tasks.pool.store import ObjectStore


class GuardedFile(io.RawIOBase):
    """Passes reads on to a file of the store and remembers the error when one fails."""

    def __init__(self, file: BinaryIO, uri: str) -> None:
        self._file = file
        self._uri = uri
        self.error: LabelRoundsError | None = None

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._file, method)(*arguments)
        except LabelRoundsError as error:
            self.error = error
            raise
        except Exception as error:
            self.error = ServiceUnavailable(f"{self._uri}: reading failed: {error}; try again")
            raise self.error from error

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes."""
        return cast(bytes, self._call("read", -1 if size is None else size))

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position."""
        return cast(int, self._call("seek", offset, whence))

    def tell(self) -> int:
        """Position in bytes."""
        return cast(int, self._call("tell"))

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read at any position."""
        return True


@contextmanager
def open_guarded(store: ObjectStore, uri: str, etag: str | None) -> Iterator[BinaryIO]:
    """Open an object; an error of the store inside the block comes out as what the store raised."""
    with store.open(uri, etag=etag) as file:
        guarded = GuardedFile(file, uri)
        try:
            yield cast(BinaryIO, guarded)
        except Exception as error:
            if guarded.error is None or guarded.error is error:
                raise
            raise guarded.error from error
