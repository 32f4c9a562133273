"""A strategy of somebody else's: it needs nothing of ours but NumPy and the contract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.strategies import Candidates, Selection, tie_key
from tasks.strategies.ranking import top


@dataclass(frozen=True)
class LongestId:
    """Ask for the items with the longest ids, at least `least` characters counting as one length."""

    least: int = 1
    name: str = "longest_id"
    needs: frozenset[str] = frozenset()

    def score(self, candidates: Candidates, rng: np.random.Generator) -> np.ndarray:
        return np.array([max(self.least, len(one)) for one in candidates.ids], np.float32)

    def select(self, candidates: Candidates, k: int, rng: np.random.Generator) -> np.ndarray:
        return self.select_explained(candidates, k, rng).positions

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        scores = self.score(candidates, rng)
        chosen = top(scores, candidates.ids, k, tie_key(rng))
        return Selection(chosen, scores[chosen], np.arange(1, k + 1))
