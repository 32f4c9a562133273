"""The best m rows of a stream, in memory that depends on m alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids
from tasks.strategies.ranking import check_scores, top


class Shortlist:
    """The m rows with the highest scores; ties go to the smaller hash of the id.

    The result is the same for any order, chunking or sharding of the rows.

    Parameters
    ----------
    m : int
        Rows kept.
    key : int
        From `tasks.strategies.tie_key`, with a generator of the seed that the strategy gets.

    Attributes
    ----------
    seen : int
        Rows offered so far.
    """

    def __init__(self, m: int, key: int) -> None:
        if m < 1:
            raise UsageError(f"A shortlist needs at least one place, not {m}.")
        self.m = m
        self.key = key
        self.seen = 0
        self._scores: NDArray[np.float32] = np.zeros(0, np.float32)
        self._hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._ids: Any = pa.array([], pa.large_string())
        self._table: Any = None

    @property
    def scores(self) -> NDArray[np.float32]:
        """Scores of the rows kept, falling, float32 (<= m,)."""
        return self._scores

    @property
    def ids(self) -> NDArray[Any]:
        """Ids of the rows kept, best first, object (<= m,)."""
        return np.asarray(self._ids.to_numpy(zero_copy_only=False), object)

    def update(self, scores: NDArray[np.float32], ids: Any, table: pa.Table) -> Shortlist:
        """Offer rows.

        Parameters
        ----------
        scores : float32 (n,)
            Finite, from `Strategy.score`.
        ids : strings (n,)
            Arrow or NumPy array or sequence; not offered before.
        table : pyarrow.Table (n, columns)
            The rows to keep; the same schema every time.

        Raises
        ------
        UsageError
            The three do not belong together, or a score is not finite.
        """
        scores, ids = np.asarray(scores, np.float32), _as_strings(ids)
        if not (scores.shape == (len(ids),) and table.num_rows == len(ids)):
            raise UsageError(
                f"{scores.shape} scores, {len(ids)} ids and {table.num_rows} rows do not belong together."
            )
        check_scores(scores)
        self.seen += len(ids)
        near = np.arange(len(ids))
        if len(self._scores) == self.m:
            near = np.flatnonzero(scores >= self._scores[-1])
        if len(near) > self.m:
            near = near[top(scores[near], ids.take(pa.array(near)), self.m, self.key)]
        chosen = pa.array(near)
        ids = ids.take(chosen)
        self._take(
            scores[near], hash_ids(ids, self.key) if len(near) else self._hashes[:0], ids, table.take(chosen)
        )
        return self

    def merge(self, other: Shortlist) -> Shortlist:
        """Take in the shortlist of other shards, of the same m and key."""
        if (other.m, other.key) != (self.m, self.key):
            raise UsageError("Only shortlists of equal size and key can be merged.")
        self.seen += other.seen
        if other._table is not None:
            self._take(other._scores, other._hashes, other._ids, other._table)
        return self

    def result(self) -> pa.Table | None:
        """Give the rows kept, best first; None when no chunk was ever offered."""
        return self._table

    def _take(
        self, scores: NDArray[np.float32], hashes: NDArray[np.uint64], ids: Any, table: pa.Table
    ) -> None:
        if self._table is not None:
            scores, hashes = np.concatenate([self._scores, scores]), np.concatenate([self._hashes, hashes])
            ids, table = pa.concat_arrays([self._ids, ids]), pa.concat_tables([self._table, table])
        order = np.lexsort((hashes, -scores))[: self.m]
        keep = pa.array(order)
        self._scores, self._hashes, self._ids = scores[order], hashes[order], ids.take(keep)
        self._table = table.take(keep).combine_chunks()


def _as_strings(ids: Any) -> Any:
    if isinstance(ids, pa.ChunkedArray):
        return pa.concat_arrays(
            [pa.array([], pa.large_string()), *(c.cast(pa.large_string()) for c in ids.chunks)]
        )
    return (ids if isinstance(ids, pa.Array) else pa.array(ids, pa.large_string())).cast(pa.large_string())
