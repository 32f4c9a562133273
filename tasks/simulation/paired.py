"""Intervals over repeats: of a mean curve, and of the paired difference of two arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_DRAWS = 10_000
# All repeats won by chance is rarer than 5 % from six on (two-sided sign test: 2 / 2**6).
FEWEST_REPEATS = 6


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences; positive = better.

    Attributes
    ----------
    mean : float
    low, high : float or None
        95 % interval; None where fewer than two repeats are paired.
    won : int
        Repeats with a positive difference.
    repeats : int
        Repeats that are paired.
    """

    mean: float
    low: float | None
    high: float | None
    won: int
    repeats: int

    @property
    def better(self) -> bool:
        """Whether it is surely better: enough repeats, and an interval above 0."""
        return self.repeats >= FEWEST_REPEATS and self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        """Whether it is surely worse."""
        return self.repeats >= FEWEST_REPEATS and self.high is not None and self.high < 0

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        mean = self.mean if np.isfinite(self.mean) else None
        return {
            "mean": mean, "low": self.low, "high": self.high, "won": self.won, "repeats": self.repeats,
            "sure": self.better or self.worse,
        }  # fmt: skip


def paired_difference(ours: Doubles, theirs: Doubles, *, seed: int) -> Difference:
    """Compare two arms repeat by repeat.

    Parameters
    ----------
    ours, theirs : float (repeats,)
        The same repeats in the same order; more is better. NaN leaves a pair out.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Difference
        With the expanded percentile bootstrap interval (Hesterberg, 2015): plain percentiles are too narrow for
        few repeats.
    """
    differences = np.asarray(ours, np.float64) - np.asarray(theirs, np.float64)
    differences = differences[np.isfinite(differences)]
    n, won = len(differences), int((differences > 0).sum())
    if n == 0:
        return Difference(float("nan"), None, None, 0, 0)
    mean = float(differences.mean())
    if n == 1:
        return Difference(mean, None, None, won, 1)
    drawn = np.random.default_rng(seed).integers(0, n, (_DRAWS, n))
    tail = _expanded_tail(n)
    low, high = np.quantile(differences[drawn].mean(axis=1), [tail, 1 - tail])
    return Difference(mean, float(low), float(high), won, n)


def mean_interval(values: Doubles) -> tuple[Doubles, Doubles]:
    """Compute Student's 95 % interval of the mean over the first axis.

    Parameters
    ----------
    values : float (repeats, steps)
        NaN is left out.

    Returns
    -------
    low, high : float64 (steps,)
        NaN where fewer than two repeats have a value. Within 0 and 1 where all values are.
    """
    from scipy.stats import t

    known = np.isfinite(values)
    n = known.sum(axis=0)
    several = n > 1
    filled = np.where(known, values, 0.0)
    mean = np.divide(filled.sum(axis=0), n, out=np.full(n.shape, np.nan), where=several)
    squares = np.where(known, np.square(values - mean), 0.0).sum(axis=0)
    error = np.sqrt(squares / np.maximum(n - 1, 1) / np.maximum(n, 1))
    half = t.ppf(0.975, np.maximum(n - 1, 1)) * error
    low, high = mean - half, mean + half
    if known.any() and values[known].min() >= 0 and values[known].max() <= 1:
        low, high = np.maximum(low, 0), np.minimum(high, 1)
    return low, high


def _expanded_tail(n: int) -> float:
    """Give the tail whose normal quantile is Student's, with the variance that resampling loses put back."""
    from scipy.stats import norm, t

    return float(norm.cdf(-np.sqrt(n / (n - 1)) * t.ppf(0.975, n - 1)))
