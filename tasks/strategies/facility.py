"""Facility location: a batch in which every item finds one like itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.strategies.base import Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.diversity import Spreading
from tasks.strategies.geometry import blocks, finite, hash_order, known_rows
from tasks.strategies.ranking import check_size, tie_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Stale gains looked at together: one product of matrices costs little more than one of vectors.
_TOGETHER = 64


@dataclass(frozen=True)
class FacilityLocation(Spreading):
    """The items that raise most how well all candidates are represented (Wei, Iyer and Bilmes, 2015).

    The batch S grows greedily on f(S) = mean over r in R of max over s in S of sim(r, s), with
    sim(r, s) = exp(-|r - s|^2 / h) and h the mean squared distance of two items of R. Known items, labelled or
    in flight, count as chosen. f is monotone and submodular, so the gain is at least (1 - 1/e) of the best
    possible (Nemhauser et al., 1978), and gains only fall: an item is looked at again only when its last gain
    is the largest left (Minoux, 1978).

    R is all candidates up to `sample` of them, else the `sample` of the smallest hashes of the id. No matrix of
    all similarities is kept. The score is the gain.

    Parameters
    ----------
    name : str
    sample : int
        Candidates to be represented, 1 or more.

    Raises
    ------
    UsageError
        `sample` is not a positive integer.
    """

    name: str = "facility_location"
    sample: int = 2_000

    def __post_init__(self) -> None:
        if isinstance(self.sample, bool) or not isinstance(self.sample, int) or self.sample < 1:
            raise UsageError(f"{self.name}: sample must be an integer of 1 or more, not {self.sample!r}.")

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k items, the largest gain first; see `Strategy.select_explained`."""
        from threadpoolctl import threadpool_limits

        candidates.require(self.needs, self.name)
        check_size(len(candidates), k)
        key = tie_key(rng)
        rows = finite(candidates.features, "features")
        if k == 0:
            return selection([], [])
        order = hash_order(candidates.ids, key)
        with threadpool_limits(limits=1):
            represented = _Represented(rows[order[: self.sample]])
            represented.add(known_rows(candidates, rows.shape[1]))
            chosen, gains = _lazy_greedy(represented, rows[order], k)
        return selection(order[chosen], gains)


def _lazy_greedy(represented: _Represented, rows: Floats, k: int) -> tuple[Ints, Floats]:
    """Choose positions (k,) and their gains; of equal gains the first position."""
    gains = represented.gains(rows)
    looked_at = np.zeros(len(rows), np.int64)
    together = min(_TOGETHER, len(rows))
    chosen, worth = np.empty(k, np.int64), np.empty(k, np.float32)
    for number in range(k):
        while looked_at[best := int(gains.argmax())] < number:
            near = np.append(np.argpartition(gains, -together)[-together:], best)
            stale = near[looked_at[near] < number]
            gains[stale] = represented.gains(rows[stale])
            looked_at[stale] = number
        chosen[number], worth[number] = best, gains[best]
        gains[best], looked_at[best] = -np.inf, k
        represented.add(rows[best : best + 1])
    return chosen, worth


class _Represented:
    """The items to be represented, and how well each is by now."""

    def __init__(self, rows: Floats) -> None:
        self._middle = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._rows = rows - self._middle
        self._squares = np.square(self._rows).sum(axis=1)
        # The mean of |r - s|^2 over all pairs is twice the mean of |r - mean|^2.
        self._width = 2 * float(self._squares.mean(dtype=np.float64)) or 1.0
        self._best = np.zeros(len(rows), np.float32)

    def add(self, rows: Floats) -> None:
        """Count rows (m, e) as chosen."""
        for part in blocks(len(rows), len(self._rows)):
            np.maximum(self._best, self._similar(rows[part]).max(axis=0), out=self._best)

    def gains(self, rows: Floats) -> Floats:
        """Tell how much each of rows (m, e) alone would add, (m,)."""
        found = np.empty(len(rows), np.float32)
        for part in blocks(len(rows), len(self._rows)):
            more = self._similar(rows[part])
            np.maximum(np.subtract(more, self._best, out=more), 0, out=more).mean(axis=1, out=found[part])
        return found

    def _similar(self, rows: Floats) -> Floats:
        rows = rows - self._middle
        near = rows @ self._rows.T
        near *= 2
        near -= np.square(rows).sum(axis=1)[:, None]
        near -= self._squares
        np.minimum(near, 0, out=near)
        near /= np.float32(self._width)
        return np.asarray(np.exp(near, out=near))
