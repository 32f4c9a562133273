"""Uniform draws over a pool by hashes: the same whatever the order, number or growth of its shards.

The k items with the smallest keyed hashes are a simple random sample of size k ("bottom-k sketch": Cohen and
Kaplan, 2007), so two shards' samples merge into the sample of both, and a smaller k gives a subset.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_LARGEST = (1 << 64) - 1


def purpose_key(seed: int, purpose: str) -> int:
    """Key for the draws of one purpose, so that audit and exploration are independent draws.

    Parameters
    ----------
    seed
        The campaign's seed.
    purpose
        What is drawn, for example ``"audit"`` or ``"audit:3"``.

    Returns
    -------
    int
        0 to 2**64 - 1.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:8], "big")


def hash_ids(ids: Any, key: int) -> Hashes:
    """Keyed hash of each id: SipHash-2-4 in pandas' form (`pandas.util.hash_array`).

    Parameters
    ----------
    ids
        Strings without missing values, (n,): Arrow array, NumPy array or sequence.
    key
        From `purpose_key`.

    Returns
    -------
    uint64 (n,)
        Uniform over all 64 bits.
    """
    from pandas.util import hash_array

    if hasattr(ids, "to_numpy"):
        values = ids.to_numpy() if isinstance(ids, pa.ChunkedArray) else ids.to_numpy(zero_copy_only=False)
    else:
        values = np.asarray(ids, dtype=object)
    hash_key = hashlib.sha256(str(key).encode()).hexdigest()[:16]
    hashes = hash_array(values.astype(object, copy=False), hash_key=hash_key, categorize=False)
    return np.asarray(hashes, dtype=np.uint64)


class IdSet:
    """Membership test for some 1e5 ids against many chunks.

    Ids are compared by 64-bit hashes: the chance that any of n ids is taken for one of m members is
    below n m / 2**64.

    Parameters
    ----------
    ids
        The members.
    """

    _KEY = purpose_key(0, "membership")

    def __init__(self, ids: Any) -> None:
        self._hashes = np.unique(hash_ids(ids, self._KEY)) if len(ids) else np.empty(0, dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._hashes)

    def contains(self, ids: Any) -> NDArray[np.bool_]:
        """Mask (n,) of the ids that are members."""
        if not len(self._hashes) or not len(ids):
            return np.zeros(len(ids), dtype=np.bool_)
        hashes = hash_ids(ids, self._KEY)
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.asarray(self._hashes[places] == hashes)


class BottomK:
    """The k rows whose ids have the smallest hashes, in memory that depends on k alone.

    Parameters
    ----------
    k
        Size of the sample.
    key
        From `purpose_key`.
    exclude
        Ids that are never drawn, for example those labelled or in flight.

    Attributes
    ----------
    seen
        Rows offered so far, without excluded ones.
    """

    def __init__(self, k: int, key: int, *, exclude: IdSet | None = None) -> None:
        if k < 0:
            raise ValueError(f"k must be at least 0, not {k}")
        self.k = k
        self.key = key
        self.seen = 0
        self._exclude = exclude
        self._hashes: Hashes = np.empty(0, dtype=np.uint64)
        self._ids = pa.array([], pa.string())
        self._rows: Any = None

    @property
    def threshold(self) -> int:
        """Largest hash in the sample; while the sample is not full, every row is in: 2**64 - 1."""
        return int(self._hashes[-1]) if self.k and len(self._hashes) == self.k else _LARGEST

    def update(self, ids: Any, table: Any, weight: NDArray[np.float64] | None = None) -> "BottomK":
        """Offer rows.

        Parameters
        ----------
        ids
            Strings (n,), not offered before.
        table
            Arrow table (n, columns) with the rows to keep; the same schema every time.
        weight
            Numbers of at least 1, (n,): how many times more likely each row is to be drawn.
        """
        ids = _text(ids)
        hashes = hash_ids(ids, self.key)
        if weight is not None:
            hashes = (hashes / weight).astype(np.uint64)
        if self._exclude is not None and len(self._exclude):
            free = np.flatnonzero(~self._exclude.contains(ids))
            ids, hashes, table = ids.take(pa.array(free)), hashes[free], table.take(pa.array(free))
        self.seen += len(hashes)
        near = np.flatnonzero(hashes <= np.uint64(self.threshold))
        if 0 < self.k < len(near):
            largest = np.partition(hashes[near], self.k - 1)[self.k - 1]
            near = near[hashes[near] <= largest]
        if self._rows is not None and not len(near):
            return self
        self._take(hashes[near], ids.take(pa.array(near)), table.take(pa.array(near)))
        return self

    def merge(self, other: "BottomK") -> "BottomK":
        """Take in the sample of other shards, drawn with the same k and key."""
        if (other.k, other.key) != (self.k, self.key):
            raise ValueError("only samples of equal size and key can be merged")
        self.seen += other.seen
        if other._rows is not None:
            self._take(other._hashes, other._ids, other._rows)
        return self

    def result(self) -> Any:
        """Rows of the sample in order of their hashes; None when no row was ever offered."""
        return self._rows

    @property
    def ranks(self) -> NDArray[np.float64]:
        """The sample's hashes, over the weights, as numbers from 0 to 1, in their order."""
        return (self._hashes.astype(np.float64) + 0.5) / 2.0**64

    def inclusion_probability(self, n: int | None = None) -> float:
        """Probability of each of `n` rows (all seen by default) to be in the sample: min(1, k / n)."""
        n = self.seen if n is None else n
        return 1.0 if n <= self.k else self.k / n

    def _take(self, hashes: Hashes, ids: Any, rows: Any) -> None:
        if self._rows is not None:
            hashes = np.concatenate([self._hashes, hashes])
            ids = pa.concat_arrays([self._ids, ids])
            rows = pa.concat_tables([self._rows, rows])
        order = np.argsort(hashes, kind="stable")
        if np.any(
            np.diff(hashes[order]) == 0
        ):  # equal hashes: by id, so that the order of shards is no matter
            order = np.lexsort((ids.to_numpy(zero_copy_only=False).astype(str), hashes))
        order = order[: self.k]
        keep = pa.array(order)
        self._hashes, self._ids = hashes[order], ids.take(keep)
        self._rows = rows.take(keep).combine_chunks()


def _text(ids: Any) -> Any:
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
        if isinstance(ids, pa.ChunkedArray):
            ids = pa.concat_arrays(ids.chunks) if ids.num_chunks else pa.array([], pa.string())
    if isinstance(ids, pa.Array):
        return ids.cast(pa.string())
    if isinstance(ids, Iterable):
        return pa.array(list(ids), pa.string())
    raise TypeError(f"ids must be strings in an array or sequence, not {type(ids).__name__}")
