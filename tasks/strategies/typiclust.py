"""TypiClust: typical items of the clusters that know least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.strategies.base import Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.diversity import Spreading, nothing
from tasks.strategies.geometry import blocks, finite, hash_order, known_rows, partition
from tasks.strategies.ranking import check_size, tie_key

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_CLUSTERS = 500
_SMALL_CLUSTER = 5
_NEIGHBOURS = 20
# Items of one cluster among which neighbours are sought; those of the smallest hashes stand for more.
_NEIGHBOURHOOD = 2_000
# Items taken from one cluster before the neighbours of the rest are sought anew.
_TAKEN = 64


@dataclass(frozen=True)
class TypiClust(Spreading):
    """The most typical item of each of the clusters that hold the fewest labels (Hacohen et al., ICML 2022).

    Candidates and known items, |L| of them, fall into min(|L| + k, 500) clusters by k-means. Clusters of 5 items
    or fewer are left out; the others come in order of their known items, few first, then of their size, large
    first. Each gives in turn its most typical item, and again in the same order until the batch is full.
    Typicality is 1 / (mean distance to the nearest neighbours + 1e-5), of min(20, half of them) neighbours
    among the cluster's items that are left, at least one; 0 for an item alone. Of equally typical items the
    smaller hash of the id is taken.

    Where all clusters are small none is left out; where the large ones are used up the small ones follow. In a
    cluster of more than 2,000 items neighbours are sought among 2,000 drawn by hash.

    The score is the typicality.
    """

    name: str = "typiclust"

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k items, cluster by cluster in turn; see `Strategy.select_explained`."""
        candidates.require(self.needs, self.name)
        check_size(len(candidates), k)
        key, seed = tie_key(rng), int(rng.integers(2**31))
        rows = finite(candidates.features, "features")
        if k == 0:
            return nothing()
        order = hash_order(candidates.ids, key)
        rows, known = rows[order], known_rows(candidates, rows.shape[1], distinct=False)
        number = min(len(known) + k, _MOST_CLUSTERS)
        clusters, _, _ = partition(np.vstack([rows, known]), number, seed)
        numbers, turns = _places(clusters[: len(rows)], clusters[len(rows) :], k)
        chosen, typicality = _fill(rows, clusters[: len(rows)], numbers, turns)
        return selection(order[chosen], typicality, clusters=numbers)


def _places(clusters: Ints, of_known: Ints, k: int) -> tuple[Ints, Ints]:
    """Tell which cluster fills each of k places, and for the which time, counted from 0."""
    n = len(clusters)
    number = int(max(clusters.max(), of_known.max(initial=0))) + 1
    own, known = np.bincount(clusters, minlength=number), np.bincount(of_known, minlength=number)
    small = own + known <= _SMALL_CLUSTER
    small &= not small[own > 0].all()
    first = np.full(number, n)
    np.minimum.at(first, clusters, np.arange(n))
    givers = np.repeat(np.arange(number), own)
    turns = np.arange(n) - np.repeat(np.cumsum(own) - own, own)
    keys = (first, -(own + known), known)
    places = np.lexsort((*(key[givers] for key in keys), turns, small[givers]))[:k]
    return givers[places], turns[places]


def _fill(rows: Any, clusters: Ints, numbers: Ints, turns: Ints) -> tuple[Ints, Floats]:
    """Fill places with the most typical items of their clusters: positions and typicality (k,)."""
    from threadpoolctl import threadpool_limits

    members = np.argsort(clusters, kind="stable")
    ends = np.cumsum(np.bincount(clusters))
    chosen, typicality = np.empty(len(numbers), np.int64), np.empty(len(numbers))
    places = np.lexsort((turns, numbers))
    with threadpool_limits(limits=1):
        for mine in np.split(places, np.flatnonzero(np.diff(numbers[places])) + 1):
            number = numbers[mine[0]]
            own = members[ends[number - 1] if number else 0 : ends[number]]
            taken, typicality[mine] = most_typical(rows[own], len(mine))
            chosen[mine] = own[taken]
    return chosen, typicality


def most_typical(rows: Any, count: int) -> tuple[Ints, Floats]:
    """Take the most typical row of a cluster, then of those that are left, and so on.

    Parameters
    ----------
    rows : float (m, e)
    count : int
        1 to m.

    Returns
    -------
    positions : int64 (count,)
    typicality : float64 (count,)
        Among the rows that were left; 0 for the last of all.
    """
    left = np.arange(len(rows))
    taken: list[Ints] = []
    worth: list[Floats] = []
    while count > 0:
        some, typicality = _take(rows[left], min(count, _TAKEN))
        taken.append(left[some])
        worth.append(typicality)
        left = np.delete(left, some)
        count -= len(some)
    return np.concatenate(taken), np.concatenate(worth)


def _take(rows: Any, count: int) -> tuple[Ints, Floats]:
    # As many neighbours more as may be taken, so that those who stay keep twenty.
    distances, neighbours = _neighbours(rows, _NEIGHBOURS + count)
    free = np.ones(len(rows), np.bool_)
    typicality, before = np.empty(len(rows)), 0
    taken, worth = np.empty(count, np.int64), np.empty(count)
    for number in range(count):
        near = max(1, min(_NEIGHBOURS, (len(rows) - number) // 2))
        stale = (neighbours == taken[number - 1]).any(axis=1) if near == before else np.ones_like(free)
        there = free[neighbours[stale]] & np.isfinite(distances[stale])
        typicality[stale] = _typicality(distances[stale], there, near)
        best = int(np.where(free, typicality, -1).argmax())
        taken[number], worth[number], free[best], before = best, typicality[best], False, near
    return taken, worth


def _typicality(distances: Floats, there: NDArray[np.bool_], near: int) -> Floats:
    """Typicality of rows from rising distances to their neighbours (m, c), of those that are there."""
    used = there & (np.cumsum(there, axis=1) <= near)
    some = used.sum(axis=1)
    means = np.where(used, distances, 0).sum(axis=1) / np.maximum(some, 1)
    return np.where(some > 0, 1 / (means + 1e-5), 0)


def _neighbours(rows: Any, count: int) -> tuple[Floats, Ints]:
    """Find the nearest of the first 2,000 rows: rising distances and positions (m, at most count).

    The row itself stands at infinity.
    """
    # Twice the digits, as a difference of squares loses half of them.
    rows = rows - rows.mean(axis=0, dtype=np.float64)
    others = rows[:_NEIGHBOURHOOD]
    count = min(count, len(others))
    distances, neighbours = np.empty((len(rows), count)), np.empty((len(rows), count), np.int64)
    squares = np.square(rows).sum(axis=1)
    for part in blocks(len(rows), 2 * len(others)):
        gaps = squares[part, None] + squares[: len(others)] - 2 * (rows[part] @ others.T)
        gaps = np.sqrt(np.maximum(gaps, 0, out=gaps), out=gaps)
        own = np.arange(part.start, min(part.stop, len(others)))
        gaps[own - part.start, own] = np.inf
        near = np.argpartition(gaps, count - 1, axis=1)[:, :count]
        near_gaps = np.take_along_axis(gaps, near, axis=1)
        order = np.argsort(near_gaps, axis=1, kind="stable")
        distances[part] = np.take_along_axis(near_gaps, order, axis=1)
        neighbours[part] = np.take_along_axis(near, order, axis=1)
    return distances, neighbours
