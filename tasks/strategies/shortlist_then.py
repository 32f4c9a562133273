"""Two stages: one strategy shortlists, another chooses from what it left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.strategies.base import Selecting, Selection, Strategy, again, reach, score_needs, stages, wants
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranking import check_size

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ShortlistThen(Selecting):
    """The batch that `then` chooses from the best `factor` x k of `first`.

    Attributes
    ----------
    first, then : Strategy
    factor : float
        Candidates left for each item of the batch; at least 1.
    """

    first: Strategy
    then: Strategy
    factor: float = 10.0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.factor >= 1:
            raise UsageError(f"factor must be at least 1 candidate for each place, not {self.factor}.")
        if not self.name:
            object.__setattr__(self, "name", f"{self.first.name} > {self.then.name}")

    @property
    def needs(self) -> frozenset[str]:
        """What both stages need."""
        return self.first.needs | self.then.needs

    @property
    def uses(self) -> frozenset[str]:
        """What both stages read."""
        return wants(self.first) | wants(self.then)

    @property
    def score_needs(self) -> frozenset[str]:
        """What the first stage's first stage reads."""
        return score_needs(self.first)

    @property
    def stages(self) -> tuple[Strategy, ...]:
        """Those of the first stage."""
        return stages(self.first)

    def reach(self, k: int) -> int:
        """Give what the first stage wants for its own, larger batch."""
        return reach(self.first, self._size(k))

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score as the first stage does."""
        return self.first.score(candidates, rng)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k of the shortlist; scores, clusters and parts are those of `then`."""
        check_size(len(candidates), k)
        candidates.require(self.needs, self.name)
        near = self.first.select(candidates, min(len(candidates), self._size(k)), again(rng))
        chosen = self.then.select_explained(candidates.take(near), k, again(rng))
        return Selection(near[chosen.positions], chosen.scores, chosen.ranks, chosen.clusters, chosen.parts)

    def _size(self, k: int) -> int:
        return int(np.ceil(self.factor * k))


def margin_kcenter(factor: float = 10.0) -> Strategy:
    """Make k-center cover of the least certain items."""
    from tasks.strategies.kcenter import KCenter
    from tasks.strategies.ranked import margin

    return ShortlistThen(margin(), KCenter(), factor, name="margin_kcenter")
