"""Intervals of 95 % for shares and for anything that can be computed again on resampled items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_Z = 1.959963984540054
_DRAWS = 300
_FEWEST_DRAWS = 40
# Numbers that the bootstrap of one metric may hold at once.
_CELLS = 8e6


def wilson(rate: float, n: float) -> tuple[float, float]:
    """Compute Wilson's score interval of a share (1927).

    Unlike Wald's it has a width when no error was seen, and covers at small n.

    Parameters
    ----------
    rate : float
        Share seen, 0 to 1.
    n : float
        Items, or effective items; 0 gives (0, 1).
    """
    if n <= 0:
        return 0.0, 1.0
    z2 = _Z**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * np.sqrt(rate * (1 - rate) / n + z2 / (4 * n**2))
    # At a rate of exactly 0 or 1 the end is that rate; rounding must not cross it.
    low = 0.0 if rate <= 0 else max(0.0, float(centre - half))
    high = 1.0 if rate >= 1 else min(1.0, float(centre + half))
    return min(low, rate), max(high, rate)


def mover(rates: Sequence[float], ends: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Join intervals of independent shares to one of their mean (Zou and Donner, 2008).

    Parameters
    ----------
    rates : sequence of float
    ends : sequence of (low, high)
        The interval of each.
    """
    r, e = np.asarray(rates, np.float64), np.asarray(ends, np.float64)
    below = np.sqrt(np.square(r - e[:, 0]).sum()) / len(r)
    above = np.sqrt(np.square(e[:, 1] - r).sum()) / len(r)
    mean = float(r.mean())
    return max(0.0, mean - float(below)), min(1.0, mean + float(above))


def bootstrap_weights(
    weight: NDArray[np.float64], rng: np.random.Generator, *, n_columns: int
) -> NDArray[np.float64]:
    """Draw items with replacement, as weights: how often each was drawn times its own weight.

    Parameters
    ----------
    weight : float (n,)
    rng : numpy.random.Generator
    n_columns : int
        Classes: with many, or with many items, fewer draws are made.

    Returns
    -------
    float64 (draws, n)
    """
    n = len(weight)
    draws = int(np.clip(_CELLS / max(n * n_columns, 1), _FEWEST_DRAWS, _DRAWS))
    return rng.multinomial(n, np.full(n, 1 / n), size=draws) * weight
