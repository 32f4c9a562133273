"""Small objects fetched ahead: a pool of many of them would otherwise spend its time waiting for the store."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import BinaryIO, Protocol

from tasks.errors import LabelRoundsError, ServiceUnavailable
from tasks.pool.store import ObjectStore, StoredObject

AT_ONCE = 8
SMALL = 1 << 20


class Sized(Protocol):
    """An object of a listing or of a manifest."""

    @property
    def uri(self) -> str:
        """Full address."""

    @property
    def etag(self) -> str:
        """Fingerprint of the content."""

    @property
    def size(self) -> int:
        """Bytes."""


class ReadAhead:
    """A store that is read object by object; while one is read, the next small ones are fetched.

    Memory is bounded by `AT_ONCE` objects of at most `SMALL` bytes. Larger objects are opened as ever.

    Parameters
    ----------
    store
        Safe to share between threads.
    objects
        In the order in which they will be opened, each once.
    """

    def __init__(self, store: ObjectStore, objects: Iterable[Sized]) -> None:
        self._store = store
        self._coming = iter([(one.uri, one.etag) for one in objects if one.size <= SMALL])
        self._fetched: dict[str, Future[bytes]] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="read-ahead")

    def __enter__(self) -> ReadAhead:
        self._order(AT_ONCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def list(self, uri: str) -> Iterator[StoredObject]:
        """List as the store does."""
        return self._store.list(uri)

    def open(self, uri: str, *, etag: str | None = None) -> BinaryIO:
        """Open an object as the store does; raises what the store raised when it was fetched."""
        fetched = self._fetched.pop(uri, None)
        if fetched is None:
            return self._store.open(uri, etag=etag)
        self._order(1)
        return io.BytesIO(fetched.result())

    def _order(self, more: int) -> None:
        for uri, etag in islice(self._coming, more):
            self._fetched[uri] = self._threads.submit(self._fetch, uri, etag)

    def _fetch(self, uri: str, etag: str) -> bytes:
        try:
            with self._store.open(uri, etag=etag) as file:
                return file.read()
        except LabelRoundsError:
            raise
        except Exception as error:
            # Whatever it is, the content was not looked at yet: the object is not corrupt for it.
            raise ServiceUnavailable(f"{uri}: reading failed: {error}; try again") from error
