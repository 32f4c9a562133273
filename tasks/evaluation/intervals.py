"""Intervals for shares and for means of losses, exact to second order and with an end where no error was seen.

Each is made of the two tails of one *confidence distribution*: the lower end is its (1 - level) / 2 quantile. So they
work at any level, also at .9999, where a bootstrap of some hundred draws knows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

Doubles = NDArray[np.float64]
Ends = tuple[float, float]

# Of less skewness than this a gamma distribution is a normal one to six digits, and its tails are easier.
_STRAIGHT = 1e-3


def check_level(level: float) -> float:
    """Refuse a level that is none."""
    if not 0 < level < 1:
        raise UsageError(f"The level of an interval lies between 0 and 1, not at {level}. Use .95.")
    return level


def wilson(rate: float, n: float, level: float = 0.95) -> Ends:
    """Compute Wilson's score interval of a share (1927).

    Unlike Wald's it has a width when no error was seen, and covers at small n.

    Parameters
    ----------
    rate : float
        Share seen, 0 to 1.
    n : float
        Items, or effective items; 0 gives (0, 1).
    level : float
    """
    from scipy.special import ndtri

    if n <= 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + check_level(level) / 2))
    centre = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    # At a rate of exactly 0 or 1 the end is that rate; rounding must not cross it.
    low = 0.0 if rate <= 0 else max(0.0, centre - half)
    high = 1.0 if rate >= 1 else min(1.0, centre + half)
    return min(low, rate), max(high, rate)


@lru_cache(maxsize=4096)
def mid_p(hits: float, n: float, level: float = 0.95) -> Ends:
    """Compute the mid-P interval of a share: Clopper and Pearson's (1934), of which what was seen counts half.

    Clopper-Pearson covers at least the level at every share, and so more than it on average; mid-P covers the level on
    average (Berry and Armitage, 1995).

    Parameters
    ----------
    hits, n : float
        Of how many; not whole where they are effective numbers. n = 0 gives (0, 1).
    level : float
    """
    from scipy.special import betainc

    if n <= 0:
        return 0.0, 1.0
    x = min(max(hits, 0.0), n)

    def distribution(share: float) -> float:
        more = float(betainc(x, n - x + 1, share)) if x > 0 else 1.0
        beyond = float(betainc(x + 1, n - x, share)) if x < n else 0.0
        return (more + beyond) / 2

    low, high = _quantiles(distribution, 0.0, 1.0, level)
    low, high = 0.0 if x <= 0 else low, 1.0 if x >= n else high
    return min(low, x / n), max(high, x / n)


def skewed(value: float, influence: Doubles, unseen: float, level: float = 0.95, spread: float = 0.0) -> Ends:
    """Compute the interval of a mean of skew losses, or of anything that is one to first order.

    The confidence distribution is half Pearson's type III (a shifted gamma distribution) with mean `value`, standard
    error s and twice the skewness of the mean, half the same after one more item of the largest influence. That is
    Hall's second-order correction (1992), and for rare errors of equal weight it is the mid-P interval of a Poisson
    number, for unequal weights the mid-P gamma interval of Fay and Kim (2017). The tails are widened as Student's:
    the degrees of freedom are those of the variance given the mean, 2 / (m4 / m2^2 - 1 / n - m3^2 / m2^3), infinite
    for errors of equal weight, n for normal losses.

    Parameters
    ----------
    value : float
    influence : float (n,)
        What each item adds to the value: for a weighted mean, w_i (loss_i - mean) / sum of w. They sum to about 0.
    unseen : float
        The influence that one more item might have although nothing like it was seen. Not negative.
    level : float
    spread : float
        Variance from elsewhere, that is independent of these items.
    """
    from scipy.special import ndtri, stdtrit

    n = len(influence)
    square = float(np.square(influence).sum())
    cube = float((influence**3).sum())
    more = max(unseen, float(influence.max(initial=0.0)))
    wider = 1.0
    if square > 0:
        left = float((influence**4).sum()) / square**2 - 1 / n - cube**2 / square**3
        if left > 1e-9:
            tail = 0.5 + check_level(level) / 2
            wider = float(stdtrit(2 / left, tail) / ndtri(tail))
    variance = (square * n / max(n - 1, 1) + spread) * wider**2
    first = _Pearson.of(value, variance, cube)
    second = _Pearson.of(value + more, variance + more**2, cube + more**3)
    reach = 12 * second.error * (1 + 3 * max(abs(first.skew), abs(second.skew)))
    low, high = _quantiles(
        lambda at: (first.below(at) + second.below(at)) / 2, value - reach, value + more + reach, level
    )
    return min(low, value), max(high, value)


class _Pearson:
    """A shifted gamma distribution of mean `value`, standard deviation `error` and skewness 2 `skew`."""

    def __init__(self, value: float, error: float, skew: float) -> None:
        self.value, self.error, self.skew = value, error, skew

    @classmethod
    def of(cls, value: float, variance: float, cube: float) -> _Pearson:
        error = sqrt(variance)
        # Far more skew than any sample of independent items can show; keeps the gamma's shape finite.
        return cls(value, error, min(max(cube / error**3, -3.0), 3.0) if error > 0 else 0.0)

    def below(self, at: float) -> float:
        """Give the chance of less than `at`."""
        if self.error == 0:
            return float(at >= self.value)
        z = (at - self.value) / self.error
        if abs(self.skew) < _STRAIGHT:
            return float(_special().ndtr(z))
        shape = 1 / self.skew**2
        tail = _special().gammainc if self.skew > 0 else _special().gammaincc
        return float(tail(shape, max(z / self.skew + shape, 0.0)))


@cache
def _special() -> Any:
    """Import once: the statement itself takes longer than a value of the distribution."""
    from scipy import special

    return special


def share(wrong: Doubles, weight: Doubles, heaviest: float, level: float = 0.95) -> Ends:
    """Compute the interval of the share of the weight that is on wrong items.

    Parameters
    ----------
    wrong : float (n,)
        1 or 0.
    weight : float (n,)
    heaviest : float
        The largest weight that an item may have which was not seen.
    level : float

    Returns
    -------
    (low, high)
        Mid-P for equal weights; `skewed` for others, on the rarer side; mid-P on effective items (Kish, 1965) where
        these are less than three.
    """
    if not len(wrong):
        return 0.0, 1.0
    total = float(weight.sum())
    rate = min(float(weight @ wrong) / total, 1.0)
    if float(np.ptp(weight)) <= 1e-9 * heaviest and heaviest <= float(weight.max()) * (1 + 1e-9):
        return mid_p(float(wrong.sum()), len(wrong), level)
    size = effective(weight)
    if size < 3:
        return mid_p(rate * size, size, level)
    rarer, least = (wrong, rate) if rate <= 0.5 else (1 - wrong, 1 - rate)
    low, high = skewed(least, weight * (rarer - least) / total, min(1.0, heaviest / total), level)
    low, high = max(0.0, low), min(1.0, high)
    return (low, high) if rate <= 0.5 else (1 - high, 1 - low)


def effective(weight: Doubles) -> float:
    """Count effective items (Kish, 1965)."""
    return float(weight.sum() ** 2 / np.square(weight).sum()) if len(weight) else 0.0


def mover(rates: Sequence[float], ends: Sequence[Ends], *, together: bool = False) -> Ends:
    """Join intervals of shares to one of their mean (Zou and Donner, 2008).

    Parameters
    ----------
    rates : sequence of float
    ends : sequence of (low, high)
        The interval of each.
    together : bool
        They rise and fall together: their distances add up. Else they are independent.
    """
    r, e = np.asarray(rates, np.float64), np.asarray(ends, np.float64)
    power = 1 if together else 2
    below = float(np.power(np.power(r - e[:, 0], power).sum(), 1 / power)) / len(r)
    above = float(np.power(np.power(e[:, 1] - r, power).sum(), 1 / power)) / len(r)
    mean = float(r.mean())
    return max(0.0, mean - below), min(1.0, mean + above)


def _quantiles(distribution: Callable[[float], float], low: float, high: float, level: float) -> Ends:
    tail = (1 - check_level(level)) / 2
    return _quantile(distribution, low, high, tail), _quantile(distribution, low, high, 1 - tail)


def _quantile(distribution: Callable[[float], float], low: float, high: float, chance: float) -> float:
    return crossing(lambda at: distribution(at) - chance, low, high)


def crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Find where a function that rises from below 0 to above 0 does so; an end where it does not."""
    from scipy.optimize import brentq

    if function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    return float(brentq(function, low, high, xtol=1e-12 * max(1.0, abs(high)), rtol=1e-10))
