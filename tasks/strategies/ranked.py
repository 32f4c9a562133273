"""Strategies that take the items with the highest scores: random and the uncertainty measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.pool.sampling import hash_ids
from tasks.strategies.base import Selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranking import check_scores, check_size, tie_key, top

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Ranked:
    """The k highest scores of a measure.

    Attributes
    ----------
    name : str
    needs : frozenset of str
    measure : callable
        Candidates and tie key to scores, float32 (n,), row by row.
    """

    name: str
    needs: frozenset[str]
    measure: Callable[[Candidates, int], Floats]

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score row by row; see `Strategy.score`."""
        return self._score(candidates, tie_key(rng))

    def select(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Ints:
        """Choose the k highest scores, ties by the hash of the id; see `Strategy.select`."""
        return self.select_explained(candidates, k, rng).positions

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does, with scores and ranks."""
        check_size(len(candidates), k)
        key = tie_key(rng)
        scores = self._score(candidates, key)
        positions = top(scores, candidates.ids, k, key)
        return Selection(positions, scores[positions], np.arange(1, k + 1, dtype=np.int64))

    def _score(self, candidates: Candidates, key: int) -> Floats:
        candidates.require(self.needs, self.name)
        scores = self.measure(candidates, key)
        check_scores(scores)
        return scores


def uniform(candidates: Candidates, key: int) -> Floats:
    """Score by the id's hash, uniform over (0, 1], highest for the smallest hash.

    The tie hash goes on where the 24 bits of a float32 end, so the k best are exactly the bottom-k sample of
    the same key.
    """
    hashes = hash_ids(candidates.ids, key)
    return np.asarray(1 - (hashes >> np.uint64(40)).astype(np.float64) / 2**24, np.float32)
