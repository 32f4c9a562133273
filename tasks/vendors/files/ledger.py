"""Numbered files, each written once and whole, and which tasks stand in them.

A task is in a file or it is not: `S3` has no half-written objects, and a number that somebody else took is refused. A
small index beside each file (16 bytes a task) saves reading it again; when the writer ends between the two, the next
one makes the index from the file. Many indexes are joined into one, so that a turn reads few objects however many files
there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import BinaryIO

from tasks.errors import RoundError
from tasks.vendors.registry import ObjectStore

_WIDTH = 16
_JOIN = 32  # indexes, before they are joined


@dataclass(frozen=True)
class Ledger:
    """The files of one kind.

    Parameters
    ----------
    storage
    files
        Beginning of their addresses, before the number.
    suffix
        What follows the number.
    index
        Beginning of the addresses of their indexes.
    ids
        Reads the tasks' ids from such a file.
    """

    storage: ObjectStore
    files: str
    suffix: str
    index: str
    ids: Callable[[BinaryIO], Iterable[str]]

    def read(self) -> Page:
        """Read which tasks are written."""
        files = _numbers(self._beside(self.files), self.files, self.suffix)
        indexes = self._beside(self.index)
        single = _numbers(indexes, self.index, ".ids")
        joined = max(_numbers(indexes, f"{self.index}to-", ".ids"), default=0)
        known = [self.storage.get(f"{self.index}to-{joined:06d}.ids")] if joined else []
        later = sorted(number for number in files | single if number > joined)
        for number in later:
            known.append(self._single(number) if number in single else self._restore(number))
        last = later[-1] if later else joined
        if len(later) >= _JOIN:
            self.storage.put(f"{self.index}to-{last:06d}.ids", b"".join(known))
        return Page(known, last + 1)

    def write(self, number: int, ids: Iterable[str], data: bytes) -> bool:
        """Write the next file; False when another writer took its number, so that one has to `read` again."""
        try:
            self.storage.put_once(f"{self.files}{number:06d}{self.suffix}", data)
        except RoundError:
            return False
        self._put_index(number, ids)
        return True

    def _single(self, number: int) -> bytes:
        return self.storage.get(f"{self.index}{number:06d}.ids")

    def _restore(self, number: int) -> bytes:
        with self.storage.open(f"{self.files}{number:06d}{self.suffix}") as file:
            return self._put_index(number, self.ids(file))

    def _put_index(self, number: int, ids: Iterable[str]) -> bytes:
        data = b"".join(map(_key, ids))
        self.storage.put(f"{self.index}{number:06d}.ids", data)
        return data

    def _beside(self, beginning: str) -> list[str]:
        """List the folder of an address."""
        return [found.uri for found in self.storage.list(beginning.rpartition("/")[0] + "/")]


@dataclass(frozen=True)
class Page:
    """What a ledger holds.

    Attributes
    ----------
    known
        16 bytes for each task that is written, in pieces.
    number
        Of the next file.
    """

    known: list[bytes]
    number: int

    def missing(self, ids: Iterable[str]) -> set[str]:
        """Give those of some tasks that are not written; takes memory for these, not for all that ever were."""
        wanted = {_key(one): one for one in ids}
        for key in self._keys():
            wanted.pop(key, None)
        return set(wanted.values())

    def _keys(self) -> Iterator[bytes]:
        for piece in self.known:
            for start in range(0, len(piece), _WIDTH):
                yield piece[start : start + _WIDTH]


def _key(task: str) -> bytes:
    return blake2b(task.encode(), digest_size=_WIDTH).digest()


def _numbers(uris: Iterable[str], beginning: str, suffix: str) -> set[int]:
    pattern = re.compile(re.escape(beginning) + r"(\d+)" + re.escape(suffix))
    return {int(found[1]) for found in map(pattern.fullmatch, uris) if found is not None}
