"""Finding repeated ids among any number of rows, in bounded memory.

Each row's id becomes a 64-bit hash in one of many temporary files; equal hashes land in the same file, so the
files are searched one at a time. Two different ids among n are taken for equal with probability n**2 / 2**65:
0.0003 for 1e8 rows.
"""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pool.sampling import hash_ids, purpose_key

_RECORD = np.dtype([("hash", "<u8"), ("object_no", "<i4"), ("row_no", "<i8")])
_PARTITIONS = 64
_SHIFT = np.uint64(64 - 6)
_BUFFERED_ROWS = 1 << 17


class RepeatFinder:
    """Collects (id, object, row) and tells which rows repeat an id that came earlier.

    A context manager: the temporary files (20 bytes a row) vanish with it.
    """

    _KEY = purpose_key(0, "repeated ids")

    def __enter__(self) -> "RepeatFinder":
        self._folder = tempfile.TemporaryDirectory(prefix="labelrounds-ids-")
        self._pending: list[NDArray[Any]] = []
        self._pending_rows = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def add(self, ids: Any, object_no: int, row_nos: NDArray[np.int64]) -> None:
        """Add rows of one object; ids (n,) strings, row numbers (n,)."""
        records = np.empty(len(row_nos), dtype=_RECORD)
        records["hash"] = hash_ids(ids, self._KEY)
        records["object_no"] = object_no
        records["row_no"] = row_nos
        self._pending.append(records)
        self._pending_rows += len(records)
        if self._pending_rows >= _BUFFERED_ROWS:
            self._spill()

    def repeats(self, without: frozenset[int] = frozenset()) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Pairs of record arrays: the rows that repeat an id, and for each the row that had it first.

        Parameters
        ----------
        without
            Object numbers to leave out, of objects that turned out to be unreadable.

        Yields
        ------
        repeated, first
            Structured arrays with ``object_no`` and ``row_no``, equally long.
        """
        self._spill()
        for path in sorted(Path(self._folder.name).iterdir()):
            records = np.fromfile(path, dtype=_RECORD)
            if without:
                records = records[~np.isin(records["object_no"], list(without))]
            records = records[np.lexsort((records["row_no"], records["object_no"], records["hash"]))]
            same = np.concatenate([[False], records["hash"][1:] == records["hash"][:-1]])
            if same.any():
                leaders = np.maximum.accumulate(np.where(same, 0, np.arange(len(records))))
                yield records[same], records[leaders[same]]

    def _spill(self) -> None:
        if not self._pending:
            return
        records = np.concatenate(self._pending)
        self._pending, self._pending_rows = [], 0
        partitions = (records["hash"] >> _SHIFT).astype(np.intp)
        order = np.argsort(partitions, kind="stable")
        bounds = np.searchsorted(partitions[order], np.arange(_PARTITIONS + 1))
        for partition, (start, stop) in enumerate(itertools.pairwise(bounds)):
            if stop > start:
                with (Path(self._folder.name) / f"{partition:02d}").open("ab") as file:
                    file.write(records[order[start:stop]].tobytes())
