"""From the model's matrix to a space in which distances mean something.

Trees do not care about scales; k-means and k-center care about nothing else. Numbers are centred on the
median and divided by their spread, categories become indicator columns, and each block of columns is scaled
to the same total variance, so that 300 dimensions of an embedding do not drown three numbers, nor the other
way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Beyond this many spreads a number is only "very large": one wild value must not become a cluster of its own.
_FARTHEST = 5.0
# Rarer categories share one indicator.
_MOST_INDICATORS = 64
# What is not cut off at some spreads: its square, times a scale, must fit float32.
_LARGEST = np.float32(1e15)
_STANDARDISED = ("numeric", "shape", "date", "frequency")
# All columns of such a kind weigh as much together as all numbers do, though each has a block of its own.
_SHARING = ("category", "tags")


@dataclass(frozen=True)
class DistanceSpace:
    """A fitted map of feature matrices, float32 (n, d) to (n, e), without NaN.

    Attributes
    ----------
    indicators : int64 (d,)
        For a category column how many indicator columns it becomes, else 0.
    centre, spread, limit : float32 (d,)
        A number x becomes ``clip((x - centre) / spread, -limit, limit)``; NaN becomes 0, the centre.
    scale : float32 (d,)
        Applied last; equal within a block.
    """

    indicators: NDArray[np.int64]
    centre: Floats
    spread: Floats
    limit: Floats
    scale: Floats

    def embed(self, matrix: Floats) -> Floats:
        """Map a matrix of `FeatureSpace.transform`.

        Returns
        -------
        float32 (n, e)
        """
        parts = []
        for place, count in enumerate(self.indicators):
            if count:
                parts.append(_indicate(matrix[:, place], int(count)) * self.scale[place])
        number = self.indicators == 0
        if number.any():
            limit = self.limit[number]
            with np.errstate(over="ignore"):  # a hair's breadth of spread: cut at the limit below
                scaled = (matrix[:, number] - self.centre[number]) / self.spread[number]
            scaled = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=np.inf, neginf=-np.inf), -limit, limit)
            parts.insert(0, scaled * self.scale[number])
        return np.ascontiguousarray(np.hstack(parts), dtype=np.float32)


def fit_distances(
    matrix: Floats,
    kinds: Sequence[str],
    widths: Sequence[int],
    weights: Sequence[float],
    categories: Sequence[int],
) -> DistanceSpace:
    """Fit centres, spreads and the blocks' scales on the sample's matrix.

    Parameters
    ----------
    matrix : float32 (n, d)
    kinds, widths, weights : sequences, one entry a block
        Kind, number of matrix columns, and total variance wanted of each block.
    categories : sequence of int
        For a category block the number of its codes, else 0.
    """
    d = matrix.shape[1]
    indicators, centre, spread = np.zeros(d, np.int64), np.zeros(d, np.float32), np.ones(d, np.float32)
    limit, scale = np.full(d, _LARGEST), np.ones(d, np.float32)
    start = 0
    for kind, width, size in zip(kinds, widths, categories, strict=True):
        here = slice(start, start + width)
        if kind == "category":
            indicators[here] = min(size, _MOST_INDICATORS + 1)
        elif kind in _STANDARDISED:
            centre[here], spread[here] = _centre_and_spread(matrix[:, here])
            limit[here] = _FARTHEST
        else:
            centre[here] = np.nan_to_num(np.nanmean(matrix[:, here], axis=0, dtype=np.float64))
        start += width
    start = 0
    for kind, width, weight in zip(kinds, widths, weights, strict=True):
        here = slice(start, start + width)
        parts = DistanceSpace(indicators[here], centre[here], spread[here], limit[here], scale[here])
        variance = float(parts.embed(matrix[:, here]).var(axis=0, dtype=np.float64).sum())
        share = weight / list(kinds).count(kind) if kind in _SHARING else weight
        scale[here] = np.sqrt(share / variance) if variance > 0 else 0.0
        start += width
    return DistanceSpace(indicators, centre, spread, limit, scale)


def _centre_and_spread(matrix: Floats) -> tuple[Floats, Floats]:
    """Find medians, and spreads: interquartile range / 1.349, the plain deviation where that is zero."""
    centre, spread = np.zeros(matrix.shape[1]), np.ones(matrix.shape[1])
    for place in range(matrix.shape[1]):
        values = matrix[:, place].astype(np.float64)
        values = values[~np.isnan(values)]
        low, centre[place], high = np.quantile(values, [0.25, 0.5, 0.75])
        width = (high - low) / 1.349 or float(values.std())
        spread[place] = width if width > 0 else 1.0
    return centre.astype(np.float32), spread.astype(np.float32)


def _indicate(codes: Floats, count: int) -> Floats:
    """Make indicator columns of codes; the last takes all rarer codes, a missing one is a row of zeros."""
    rows = np.flatnonzero(~np.isnan(codes))
    indicators = np.zeros((len(codes), count), np.float32)
    indicators[rows, np.minimum(codes[rows].astype(np.int64), count - 1)] = 1
    return indicators
