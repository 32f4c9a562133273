"""A share of each batch drawn at random, beside another strategy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.errors import UsageError
from tasks.strategies import base
from tasks.strategies.assembly import Decorator
from tasks.strategies.base import Selection, Strategy, again
from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import check_needs
from tasks.strategies.ranked import random
from tasks.strategies.ranking import check_size, tie_key
from tasks.strategies.shares import choose_counts


@dataclass(frozen=True)
class Explore(Decorator):
    """Another strategy, and a share of the batch that is a uniform draw from all candidates.

    The share is the insurance against a model that is sure of what it has not seen. What is drawn has a known
    probability (`Selection.drawn`). Of a batch of one, and of what does not divide, the share is kept over
    the rounds by lot.

    Attributes
    ----------
    inner : Strategy
    share : float
        0 to 1.
    """

    inner: Strategy
    share: float = 0.1
    name: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise UsageError(f"The share to explore must lie between 0 and 1, not {self.share}.")
        if not self.name:
            object.__setattr__(self, "name", f"explore({self.inner.name}, share={self.share:g})")

    @property
    def stages(self) -> tuple[Strategy, ...]:
        """Those of the inner strategy, and a uniform one for what is drawn."""
        return (*base.stages(self.inner), random())

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does; parts tell what was drawn, with its probability."""
        check_size(len(candidates), k)
        check_needs(candidates, self.needs, self.name)
        start = again(rng)
        tie_key(rng)
        drawn = min(k, int(np.floor(self.share * k + rng.random())))
        counts = np.array([drawn, k - drawn], np.int64)
        return choose_counts((random(), self.inner), counts, candidates, start, deeper=True)
