"""What the strategies share that spread a batch over the pool and ask no model."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.strategies.base import Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranked import uniform
from tasks.strategies.ranking import tie_key

Floats = NDArray[np.float32]

# Candidates that show how the pool is spread, whatever the batch.
LEAST_SPREAD = 20_000


class Spreading(Selecting):
    """The first stage of strategies of diversity: a uniform sample of the pool, which keeps its shape."""

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    uses: ClassVar[frozenset[str]] = frozenset({"known_features"})
    score_needs: ClassVar[frozenset[str]] = frozenset()

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score by the hash of the id, uniform over (0, 1]; see `Strategy.score`."""
        return uniform(candidates, tie_key(rng))

    def reach(self, k: int) -> int:
        """Twenty candidates for each item of the batch, and at least 20,000."""
        return max(LEAST_SPREAD, 20 * k)


def nothing() -> Selection:
    """Give the batch of no items."""
    return selection([], [], clusters=np.zeros(0, np.int64))
