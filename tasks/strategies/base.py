"""The seam between rounds and strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tasks.strategies.candidates import Candidates

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """A batch, and why each item is in it.

    Attributes
    ----------
    positions : int64 (k,)
        Rows of the candidates, in order of worth, all different.
    scores : float32 (k,)
        What the strategy thinks each is worth.
    ranks : int64 (k,)
        1 to k, in order of worth.
    clusters : int64 (k,) or None
        The cluster that each stands for, where the strategy makes clusters.
    """

    positions: Ints
    scores: Floats
    ranks: Ints
    clusters: Ints | None = None


@runtime_checkable
class Strategy(Protocol):
    """What chooses a batch. `tasks.strategies.testing.check_strategy` tests one."""

    @property
    def name(self) -> str:
        """What ``strategy:`` in a campaign says."""

    @property
    def needs(self) -> frozenset[str]:
        """The optional fields of `Candidates` that it cannot do without."""

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score candidates row by row, the first stage of a large pool.

        May be called chunk by chunk, each time with a fresh generator of the same seed: a row's score must
        not depend on the other rows.

        Returns
        -------
        float32 (n,)
            Higher = more worth labeling; finite.
        """

    def select(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Ints:
        """Choose k candidates.

        Returns
        -------
        int64 (k,)
            Positions in order of worth, all different.

        Raises
        ------
        PoolExhausted
            k is larger than the number of candidates.
        UsageError
            A field that the strategy needs is missing or broken.
        """

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does and say why."""
