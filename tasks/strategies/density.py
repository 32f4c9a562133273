"""Information density: unsure items, of which there are many alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.strategies import uncertainty
from tasks.strategies.base import Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.diversity import LEAST_SPREAD
from tasks.strategies.geometry import blocks, finite, mean_row
from tasks.strategies.ranking import check_size, tie_key, top

Floats = NDArray[np.float32]

_MEASURES = {
    "margin": uncertainty.margin,
    "entropy": uncertainty.entropy,
    "least_confidence": uncertainty.least_confidence,
}


@dataclass(frozen=True)
class InformationDensity(Selecting):
    """Uncertainty times density (Settles and Craven, 2008).

    score(x) = uncertainty(x) density(x)^beta, density(x) = mean over candidates u of (1 + cos(x, u)) / 2.
    The mean cosine is the product of the normalised row with the mean of all normalised rows, so it is exact
    at the price of two passes. A row of zeros has the cosine 0 with all.

    The mean is that of the candidates: the first stage, which sees row by row, scores by uncertainty alone, and
    of a pool larger than the shortlist the densities are those among its unsure items.

    Parameters
    ----------
    name : str
    beta : float
        How much density counts, 0 (not at all) and more.
    measure : {"margin", "entropy", "least_confidence"}

    Raises
    ------
    UsageError
        `beta` is negative or not finite, or there is no such measure.
    """

    name: str = "information_density"
    beta: float = 1.0
    measure: str = "margin"
    needs: ClassVar[frozenset[str]] = frozenset({"proba", "features"})
    score_needs: ClassVar[frozenset[str]] = frozenset({"proba"})

    def __post_init__(self) -> None:
        if (
            isinstance(self.beta, bool)
            or not isinstance(self.beta, int | float)
            or not 0 <= self.beta < np.inf
        ):
            raise UsageError(f"{self.name}: beta must be a number of 0 or more, not {self.beta!r}.")
        if self.measure not in _MEASURES:
            raise UsageError(
                f"{self.name}: measure must be one of {', '.join(_MEASURES)}, not {self.measure!r}."
            )

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score by uncertainty alone, row by row; see `Strategy.score`."""
        candidates.require(self.score_needs, self.name)
        return _MEASURES[self.measure](np.asarray(candidates.proba))

    def reach(self, k: int) -> int:
        """Twenty candidates for each item of the batch, and at least 20,000, to see what is dense."""
        return max(LEAST_SPREAD, 20 * k)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose the k highest scores, ties by the hash of the id; see `Strategy.select_explained`."""
        candidates.require(self.needs, self.name)
        check_size(len(candidates), k)
        key = tie_key(rng)
        unsure = self.score(candidates, rng).astype(np.float64)
        density = mean_cosine(finite(candidates.features, "features"))
        scores = (unsure * ((1 + density) / 2) ** self.beta).astype(np.float32)
        positions = top(scores, candidates.ids, k, key)
        return selection(positions, scores[positions])


def mean_cosine(rows: Floats) -> NDArray[np.float64]:
    """Mean cosine similarity of each row to all rows, itself among them, float64 (n,).

    A row's number does not depend on the order of rows.
    """
    if len(rows) == 0:
        return np.zeros(0)
    directions = np.empty_like(rows)
    for part in blocks(len(rows), 4 * rows.shape[1]):
        some = rows[part].astype(np.float64)
        lengths = np.sqrt(np.square(some).sum(axis=1, keepdims=True))
        directions[part] = np.divide(some, lengths, out=np.zeros_like(some), where=lengths > 0)
    middle = mean_row(directions)
    found = np.empty(len(rows))
    for part in blocks(len(rows), 4 * rows.shape[1]):
        found[part] = (directions[part] * middle).sum(axis=1)
    return np.clip(found, -1, 1)
