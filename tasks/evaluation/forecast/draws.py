"""Draws that are even instead of random: the same for all, and steadier than as many random ones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

DEGREES = 5.0
"""Of the t distribution of what curves do: some jump."""
DRAWS = 2_000


@lru_cache(maxsize=4)
def even(dimensions: int) -> Doubles:
    """Give places between 0 and 1 that fill a cube evenly (R sequence: Roberts, 2018).

    Returns
    -------
    float64 (dimensions, 2000)
    """
    root = 2.0
    for _ in range(50):
        root = (1 + root) ** (1 / (dimensions + 1))
    number = np.arange(1, DRAWS + 1)
    places = np.array([(0.5 + number / root ** (axis + 1)) % 1 for axis in range(dimensions)])
    places.setflags(write=False)
    return places


def t_quantiles(places: Doubles) -> Doubles:
    """Turn places between 0 and 1 into numbers with a t distribution."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(DEGREES, places), np.float64)
