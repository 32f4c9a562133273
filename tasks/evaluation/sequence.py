"""Intervals that may be looked at again and again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation.intervals import check_level

Doubles = NDArray[np.float64]

_GRID = 1000
# The share of its capital that a bet may lose at most.
_STAKE = 0.5


def look_level(look: int, alpha: float = 0.05) -> float:
    """Give the level of the interval at the k-th look, so that all of them together hold with 1 - alpha.

    1 - alpha * 6 / (pi^2 k^2): the parts of alpha add up to alpha, however often one looks. Each look may be at
    another model, so this is a confidence sequence over rounds: the union bound asks nothing of how they hang together.

    Parameters
    ----------
    look : int
        1, 2, ...
    alpha : float
        The chance that any of all looks misses its truth.
    """
    if look < 1:
        raise UsageError(f"Looks are counted from 1, not {look}.")
    return 1 - (1 - check_level(1 - alpha)) * 6 / (math.pi**2 * look**2)


def confidence_sequence(values: ArrayLike, *, level: float = 0.95) -> tuple[Doubles, Doubles]:
    """Bound the mean of values of ONE fixed model at every moment, by betting (Waudby-Smith and Ramdas, 2024).

    Against each possible mean two bettors play, one on higher and one on lower values, with the hedged capital of their
    theorem 3 and predictable plug-in bets; a mean is out as soon as a bettor against it has won 1 / (1 - level) of what
    both began with. The truth is out at any moment with a chance of at most 1 - level, so one may stop when one
    likes.

    Parameters
    ----------
    values : float (n,)
        In [0, 1], drawn independently, in the order in which they came.
    level : float

    Returns
    -------
    low, high : float64 (n,)
        After each value; low never falls, high never rises. They hold the mean so far unless the values contradict each
        other more than chance would have it.
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not np.isfinite(x).all() or bool(np.any((x < 0) | (x > 1))):
        raise UsageError(
            "A confidence sequence needs one row of values between 0 and 1. Divide a loss by its most."
        )
    alpha = 1 - check_level(level)
    grid = (np.arange(_GRID) + 0.5) / _GRID
    bets = _bets(x, alpha)
    up, down = np.zeros(_GRID), np.zeros(_GRID)
    alive = np.ones(_GRID, np.bool_)
    low, high = np.zeros(len(x)), np.ones(len(x))
    for step, (value, bet) in enumerate(zip(x, bets, strict=True)):
        up += np.log1p(np.minimum(bet, _STAKE / grid) * (value - grid))
        down += np.log1p(-np.minimum(bet, _STAKE / (1 - grid)) * (value - grid))
        alive &= np.maximum(up, down) < math.log(2 / alpha)
        left = np.flatnonzero(alive)
        if not len(left):  # Every mean is out: the last that was in stays.
            low[step:], high[step:] = low[step - 1], high[step - 1]
            break
        # A mean between two points of the grid may be in while both are out.
        low[step] = max(0.0, grid[left[0]] - 1 / _GRID) if left[0] else 0.0
        high[step] = min(1.0, grid[left[-1]] + 1 / _GRID) if left[-1] < _GRID - 1 else 1.0
    return low, high


def _bets(x: Doubles, alpha: float) -> Doubles:
    """Give the predictable plug-in bet before each value: from the variance of those before it."""
    t = np.arange(1, len(x) + 1)
    mean = (0.5 + np.cumsum(x)) / (t + 1)
    variance = (0.25 + np.cumsum(np.square(x - mean))) / (t + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.asarray(np.sqrt(2 * math.log(2 / alpha) / (before * t * np.log(t + 1))))
