"""k-means++ seeding that looks at few distances (Arthur and Vassilvitskii, 2007).

Each draw is an exponential race: with E_i independent standard exponential numbers, the item with the largest
d_i^2 / E_i is item i with probability d_i^2 / sum of d_j^2. Distances to the nearest pick only fall, so old ones
are upper bounds and, as in lazy greedy search (Minoux, 1978), only items whose bound could win are looked at:
a handful a draw, where all distances would cost items x picks x width. The draws are the same as with all.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

# Distances computed at once: what is held for them is this times the width of an item.
_PAIRS = 1024
# Picks that a point is compared with before it is asked whether it can still win.
_STRIDE = 128
# Points looked at first in each draw; four times as many in each further look.
_LOOK = 2
# Rounding must not put a distance above its bound.
_ROOM = 1 + 1e-9


class Points(Protocol):
    """What can be seeded."""

    def __len__(self) -> int: ...

    def squared_norms(self) -> Numbers:
        """Squared lengths, float64 (n,)."""

    def squared_distances(self, rows: Ints, others: Ints) -> Numbers:
        """Squared distances, float64 (rows, others); the same for a pair wherever it stands."""


def seed_far_apart(points: Points, hashes: Hashes, k: int) -> tuple[Ints, Numbers]:
    """Choose up to k points, each drawn in proportion to the squared distance to the nearest before.

    Parameters
    ----------
    points : Points
    hashes : uint64 (n,)
        Keyed hashes of the points' ids. All random numbers come from them, so the order of points is no matter;
        the smaller hash wins a tie.
    k : int
        At most n.

    Returns
    -------
    picks : int64 (<= k,)
        The first is the longest. There are fewer than k where all others are at distance 0.
    distances : float64 (<= k,)
        Length of the first, and distance of each further one to the nearest before it.
    """
    if k == 0:
        return np.zeros(0, np.int64), np.zeros(0)
    order = np.argsort(hashes, kind="stable")
    search = _Search(points, order, hashes[order])
    while len(search.picks) < k and search.draw():
        pass
    return order[np.array(search.picks, np.int64)], np.sqrt(np.array(search.distances))


class _Search:
    """State of a seeding. Points are numbered in the order of their hashes."""

    def __init__(self, points: Points, order: Ints, hashes: Hashes) -> None:
        self.points = points
        self.order = order
        self.hashes = hashes
        self.picks: list[int] = []
        self.distances: list[float] = []
        squared = points.squared_norms()[order]
        self.norms = np.sqrt(squared)
        # Before the first pick the longest wins, whatever the noise.
        self.bounds = squared
        self.seen = np.zeros(len(order), np.int64)

    def draw(self) -> bool:
        """Take one more point; False where all are at distance 0."""
        number = int(self.bounds.argmax()) if not self.picks else self._winner()
        if not self.bounds[number] > 0:
            return False
        self.distances.append(float(self.bounds[number]))
        self.picks.append(number)
        if len(self.picks) == 1:
            self.bounds = np.square(self.norms + self.norms[number]) * _ROOM
        self.bounds[number] = 0
        return True

    def _winner(self) -> int:
        """Find the winner of a race, among exact distances that no bound can beat."""
        noise = exponential(self.hashes, len(self.picks))
        values = self.bounds / noise
        floor, look = 0.0, _LOOK
        while True:
            stale = np.flatnonzero((values >= floor) & (values > 0) & (self.seen < len(self.picks)))
            if not len(stale):
                return int(values.argmax())
            if len(stale) > look:
                stale = stale[np.argpartition(values[stale], len(stale) - look)[-look:]]
            self._look_at(stale, floor, noise)
            values[stale] = self.bounds[stale] / noise[stale]
            exact = self.seen[stale] == len(self.picks)
            floor = max(floor, float(values[stale].max(where=exact, initial=0.0)))
            look *= 4

    def _look_at(self, numbers: Ints, floor: float, noise: Numbers) -> None:
        """Make the bounds of some points exact, or low enough to lose against a floor."""
        seen = int(self.seen[numbers].min())
        while seen < len(self.picks) and len(numbers):
            others = self.order[np.array(self.picks[seen : seen + _STRIDE], np.int64)]
            seen += len(others)
            self._shorten(numbers, others)
            self.seen[numbers] = np.maximum(self.seen[numbers], seen)
            numbers = numbers[self.bounds[numbers] / noise[numbers] >= floor]

    def _shorten(self, numbers: Ints, others: Ints) -> None:
        """Lower bounds to the distances from some picks."""
        step = max(1, _PAIRS // len(others))
        for start in range(0, len(numbers), step):
            block = numbers[start : start + step]
            found = self.points.squared_distances(self.order[block], others).min(axis=1)
            self.bounds[block] = np.minimum(self.bounds[block], found)


def exponential(hashes: Hashes, draw: int) -> Numbers:
    """Give the standard exponential noise of a draw, from hashes by SplitMix64 (Steele, Lea and Flood, 2014).

    Parameters
    ----------
    hashes : uint64 (n,)
    draw : int
        Noise of different draws is independent.

    Returns
    -------
    float64 (n,)
        Between 1e-16 and 37.
    """
    mixed = hashes + np.uint64(draw * 0x9E3779B97F4A7C15 % 2**64)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    # 52 bits and a half: neither 0 nor 1.
    return np.asarray(-np.log(((mixed >> np.uint64(12)).astype(np.float64) + 0.5) / 2**52))
