"""Two models on the same items."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation.intervals import Ends, check_level, crossing, effective
from tasks.evaluation.measures import checked

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """A challenger against a champion on the same items.

    Attributes
    ----------
    difference, low, high : float
        By how much more of the weight the challenger wins than loses, -1 to 1, and its interval. Of classes that is
        the difference of the accuracies.
    p : float
        One-sided: the chance of at least as many wins if both were alike.
    won, lost : int
        Items on which only the challenger, only the champion is right.
    n : int
        Items compared.
    """

    difference: float
    low: float
    high: float
    p: float
    won: int
    lost: int
    n: int


def compare(
    y: ArrayLike,
    new_proba: ArrayLike,
    old_proba: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compare the accuracy of two models on the same items.

    Parameters
    ----------
    y : int (n,)
        True classes.
    new_proba, old_proba : float (n, n_classes)
        Of challenger and champion.
    weight : float (n,), optional
        Weight of each item, for instance the inverse of its inclusion probability.
    level : float
        Of the interval.

    Raises
    ------
    UsageError
        Arrays that do not fit together.
    """
    ours, truth = checked(new_proba, y)
    theirs, _ = checked(old_proba, y)
    if ours.shape != theirs.shape:
        raise UsageError(f"Paired predictions differ in shape: {ours.shape}, {theirs.shape}.")
    right = (ours.argmax(axis=1) == truth).astype(np.int64)
    return compare_signs(right - (theirs.argmax(axis=1) == truth), weight=weight, level=level)


def compare_signs(signs: ArrayLike, *, weight: ArrayLike | None = None, level: float = 0.95) -> Comparison:
    """Compare two models by who does better on each item.

    Parameters
    ----------
    signs : int (n,)
        1 where the challenger does, -1 where the champion does, 0 where both do alike.
    weight : float (n,), optional
    level : float

    Returns
    -------
    Comparison
        Tango's score interval (1998) and McNemar's exact test (1947). Unequal weights: both on effective items, as many
        as would give the variance that the weighted difference has; Kish's number (1965) where fewer than five items
        tell the two apart.
    """
    s = np.asarray(signs, np.int64)
    w = np.ones(len(s)) if weight is None else np.asarray(weight, np.float64)
    if s.ndim != 1 or w.shape != s.shape or not np.isfinite(w).all() or bool(np.any(w <= 0)):
        raise UsageError(f"weight must be {s.size} positive numbers.")
    check_level(level)
    won, lost = int(np.sum(s > 0)), int(np.sum(s < 0))
    if not len(s):
        return Comparison(float("nan"), -1.0, 1.0, 1.0, 0, 0, 0)
    parts = w / w.sum()
    wins, losses = float(parts @ (s > 0)), float(parts @ (s < 0))
    size = _size(s, parts, wins, losses)
    low, high = tango(wins * size, losses * size, size, level)
    gain = wins - losses
    return Comparison(
        gain, min(low, gain), max(high, gain), _mcnemar(wins * size, losses * size), won, lost, len(s)
    )


def _size(s: NDArray[np.int64], parts: Doubles, wins: float, losses: float) -> float:
    n, gain = len(s), wins - losses
    if float(np.ptp(parts)) <= 1e-9 * float(parts.max()):
        return float(n)
    if np.count_nonzero(s) < 5:
        return effective(parts)
    return (wins + losses - gain**2) / (float(np.square(parts * (s - gain)).sum()) * n / (n - 1))


def tango(won: float, lost: float, n: float, level: float = 0.95) -> Ends:
    """Compute Tango's score interval of the difference of two paired shares (1998), `won` - `lost` of `n`.

    The score statistic falls as the difference grows; the ends are where it crosses the normal quantiles.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))

    def score(difference: float) -> float:
        b = (2 * n - won + lost) * difference - won - lost
        c = -lost * difference * (1 - difference)
        alike = (sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * (2 * alike + difference * (1 - difference))
        return (won - lost - n * difference) / sqrt(max(variance, 1e-300))

    return crossing(lambda at: z - score(at), -1.0, 1.0), crossing(lambda at: -z - score(at), -1.0, 1.0)


def mcnemar(y: ArrayLike, new: ArrayLike, old: ArrayLike) -> float:
    """Test whether a model is right more often than another on the same items (McNemar, 1947, exact).

    Parameters
    ----------
    y, new, old : int (n,)
        True classes, and the predictions of both models.

    Returns
    -------
    float
        One-sided p: the probability that a fair coin gives the new model at least as many of the items that
        only one of the two gets right. 1 without such an item.

    Raises
    ------
    UsageError
        The three differ in length.
    """
    truth, ours, theirs = np.asarray(y), np.asarray(new), np.asarray(old)
    if truth.ndim != 1 or not truth.shape == ours.shape == theirs.shape:
        raise UsageError(f"Paired predictions differ in shape: {truth.shape}, {ours.shape}, {theirs.shape}.")
    won = int(np.sum((ours == truth) & (theirs != truth)))
    lost = int(np.sum((ours != truth) & (theirs == truth)))
    return _mcnemar(won, lost)


def _mcnemar(won: float, lost: float) -> float:
    """Give the chance that a fair coin falls on one side at least `won` times of `won` + `lost`.

    The binomial tail is the incomplete beta function, so effective numbers need not be whole.
    """
    from scipy.special import betainc

    return float(betainc(won, lost + 1, 0.5)) if won > 0 else 1.0
