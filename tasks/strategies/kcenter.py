"""Core-set: a batch that leaves no item far from what is labelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pool.sampling import hash_ids
from tasks.strategies.base import Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.diversity import Spreading
from tasks.strategies.geometry import blocks, finite, known_rows, mean_row
from tasks.strategies.ranking import check_size, tie_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Numbers of a block whose sums stay in the processor's cache.
_CACHED = 1 << 15
# Rows this near to the farthest are made exact together with it.
_NEAR_TOP = np.float32(0.97)


@dataclass(frozen=True)
class KCenter(Spreading):
    """Again and again the item farthest from all that is known or chosen (Sener and Savarese, 2018).

    The greedy answer to the k-center problem: no item is farther from its nearest labelled one than twice what
    the best batch could reach (Gonzalez, 1985). Known items, labelled or in flight, count as chosen; where
    there is none the first is the item nearest to the mean of the candidates. Of equally far items the
    smaller hash of the id is taken. Copies come when no distance is left, by hash.

    The score is the distance to the nearest known or chosen item at the time of the choice, in the unit of the
    features; it never rises. Where nothing is known the first item has the second one's.

    One vector of distances is kept; a choice costs one pass over the candidates.
    """

    name: str = "kcenter"

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k items, the farthest first; see `Strategy.select_explained`."""
        candidates.require(self.needs, self.name)
        check_size(len(candidates), k)
        ties = _Ties(candidates.ids, tie_key(rng))
        rows = finite(candidates.features, "features")
        if k == 0:
            return selection([], [])
        known = known_rows(candidates, rows.shape[1])
        return selection(*_farthest_first(_Cover(rows, known), k, ties))


def _farthest_first(cover: _Cover, k: int, ties: _Ties) -> tuple[Ints, Floats]:
    """Choose positions (k,), at least one, and their distances at the time of the choice (k,)."""
    chosen, gaps = np.empty(k, np.int64), np.zeros(k, np.float32)
    start = 0
    if not cover.known:
        start, first = 1, ties.first(cover.nearest_to_mean())
        chosen[0] = first
        cover.add(first)
        gaps[0] = np.maximum(cover.farthest()[0], 0)
    for number in range(start, k):
        gap, equal = cover.farthest()
        if gap == 0:
            chosen[number:] = ties.in_order(equal)[: k - number]
            break
        farthest = ties.first(equal)
        chosen[number], gaps[number] = farthest, gap
        cover.add(farthest)
    return chosen, np.sqrt(gaps)


class _Cover:
    """Squared distance of each item to the nearest that is known or chosen; -1 for the chosen.

    Distances to thousands of known items are at first upper bounds, made by matrix products; those that may
    be the largest are then made exact, column by column, so that no bit depends on where a row stands.
    """

    def __init__(self, rows: Floats, known: Floats) -> None:
        self.known = len(known) > 0
        self._columns = np.ascontiguousarray(rows.T)
        self._known = np.ascontiguousarray(known.T)
        self._gaps = _upper_bounds(rows, known) if self.known else np.full(len(rows), np.inf, np.float32)
        self._exact = np.full(len(rows), not self.known)

    def nearest_to_mean(self) -> Ints:
        """Find the positions of the items nearest to the mean of all."""
        gaps = np.full(len(self._gaps), np.inf, np.float32)
        _lower(gaps, self._columns, mean_row(self._columns.T).astype(np.float32)[:, None])
        return np.flatnonzero(gaps == gaps.min())

    def farthest(self) -> tuple[np.float32, Ints]:
        """Find the largest squared distance of items not chosen, and all positions that have it."""
        while True:
            largest = self._gaps.max()
            equal = np.flatnonzero(self._gaps == largest)
            if self._exact[equal].all():
                return largest, equal
            self._make_exact(np.flatnonzero((self._gaps >= _NEAR_TOP * largest) & ~self._exact))

    def add(self, position: int) -> None:
        """Count an item as chosen."""
        _lower(self._gaps, self._columns, self._columns[:, [position]])
        self._gaps[position] = -1

    def _make_exact(self, positions: Ints) -> None:
        gaps = self._gaps[positions]
        _lower(gaps, self._columns[:, positions], self._known)
        self._gaps[positions] = gaps
        self._exact[positions] = True


def _lower(gaps: Floats, columns: Floats, others: Floats) -> None:
    """Lower squared distances (n,) in place to those between columns (e, n) and the nearest of others (e, m)."""
    step = max(16, _CACHED // others.shape[1])
    for start in range(0, len(gaps), step):
        part = slice(start, start + step)
        total = np.zeros((others.shape[1], len(gaps[part])), np.float32)
        gap = np.empty_like(total)
        for column, other in zip(columns, others, strict=True):
            np.subtract(column[part], other[:, None], out=gap)
            np.multiply(gap, gap, out=gap)
            np.add(total, gap, out=total)
        np.minimum(gaps[part], total.min(axis=0), out=gaps[part])


def _upper_bounds(rows: Floats, known: Floats) -> Floats:
    """Bound the squared distance of each row to the nearest known item from above, (n,).

    |x - c|^2 = |x|^2 + |c|^2 - 2 x.c with an error below (4 e + 32) 2**-24 (|x|^2 + |c|^2) in float32, in
    whatever order sums are made, so the squares are raised by that much. Rows are moved so that most squares
    are small; a median is not led away by a few far rows.
    """
    middle = np.median(known, axis=0).astype(np.float32)
    more = np.float32(1 + (4 * rows.shape[1] + 32) * 2.0**-24)
    known = known - middle
    right = np.vstack([-2 * known.T, more * np.square(known).sum(axis=1)])
    bounds = np.empty(len(rows), np.float32)
    for part in blocks(len(rows), len(known) + rows.shape[1]):
        left = np.ones((len(bounds[part]), len(right)), np.float32)
        left[:, :-1] = rows[part] - middle
        squares = more * np.square(left[:, :-1]).sum(axis=1)
        bounds[part] = (left @ right).min(axis=1) + squares
    return np.maximum(bounds, 0)


class _Ties:
    """The order of equally good positions, by the hash of the id; only what is tied is hashed."""

    def __init__(self, ids: NDArray[Any], key: int) -> None:
        self._ids, self._key = ids, key
        self._hashed, self._all = 0, np.zeros(0, np.uint64)

    def first(self, positions: Ints) -> int:
        """Give the position of the smallest hash."""
        return int(positions[0 if len(positions) == 1 else self._hashes(positions).argmin()])

    def in_order(self, positions: Ints) -> Ints:
        """Give the positions by rising hash."""
        return positions[np.argsort(self._hashes(positions), kind="stable")]

    def _hashes(self, positions: Ints) -> NDArray[np.uint64]:
        self._hashed += len(positions)
        if self._hashed <= len(self._ids):
            return hash_ids(self._ids[positions], self._key)
        if not len(self._all):
            self._all = hash_ids(self._ids, self._key)
        return self._all[positions]
