"""Where objects come from: the seam that S3 storage implements, and a store over local directories."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from tasks.errors import NotFound, PoolChanged


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as a listing shows it.

    Attributes
    ----------
    uri
        Full address, ``s3://bucket/key``.
    etag
        The store's fingerprint of the content; equal ETags mean equal content.
    size
        Bytes.
    modified
        When it was written, in seconds since 1970 by the store's clock; 0 where that is not known.
    """

    uri: str
    etag: str
    size: int
    modified: float = field(default=0.0, compare=False)


class ObjectStore(Protocol):
    """What the pool needs of a store."""

    def list(self, uri: str) -> Iterator[StoredObject]:
        """All objects whose address begins with `uri`, sorted by address; none when there are none.

        Raises
        ------
        NotFound
            The bucket or directory does not exist.
        ServiceUnavailable
            The store does not answer.
        """
        ...

    def open(self, uri: str, *, etag: str | None = None) -> BinaryIO:
        """Open one object as a seekable binary file.

        Raises
        ------
        NotFound
            There is no such object.
        PoolChanged
            Its ETag is not `etag`.
        ServiceUnavailable
            The store does not answer; reads of the returned file may raise this too.
        """
        ...


class LocalStore:
    """Objects in local directories, by ``file://`` address or plain path.

    The ETag is a hash of path, size and modification time, so listing reads no content.
    """

    def list(self, uri: str) -> Iterator[StoredObject]:
        """All files at or below `uri`, sorted by address."""
        root = _path(uri)
        if not root.exists():
            raise NotFound(f"{uri}: no such file or directory")
        files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
        base = uri.rstrip("/")
        for below, path in sorted((path.relative_to(root).as_posix(), path) for path in files):
            name = base if path == root else f"{base}/{below}"
            status = path.stat()
            yield StoredObject(name, _etag(path), status.st_size, status.st_mtime)

    def open(self, uri: str, *, etag: str | None = None) -> BinaryIO:
        """Open a file for reading; with `etag`, only when it is unchanged."""
        path = _path(uri)
        if not path.is_file():
            raise NotFound(f"{uri}: no such file")
        if etag is not None and _etag(path) != etag:
            raise PoolChanged(f"{uri}: the file changed since it was listed; a new round reads it anew")
        return path.open("rb")


def _path(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path)) if uri.startswith("file://") else Path(uri)


def _etag(path: Path) -> str:
    status = path.stat()
    return hashlib.sha256(f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}".encode()).hexdigest()[:32]
