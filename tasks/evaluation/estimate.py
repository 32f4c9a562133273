"""What is known of a model's quality from audited items: each figure with its interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation import measures
from tasks.evaluation.ece import calibration
from tasks.evaluation.influence import of_f1, of_rankings, of_recalls
from tasks.evaluation.intervals import Ends, check_level, mover, share, skewed

Doubles = NDArray[np.float64]

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece", "auc", "average_precision")
# Metrics of which less is better.
LOSSES = frozenset({"log_loss", "ece"})


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval, of 95 % where nothing else is said.

    Attributes
    ----------
    value : float
        NaN where it is not defined: no items, or for the AUC no item of a second class.
    low, high : float
        The ends; the whole range of the metric where nothing is known.
    n : int
        Items that it was measured on.
    """

    value: float
    low: float
    high: float
    n: int


def estimate(
    proba: ArrayLike,
    y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Estimate a classifier's quality.

    Parameters
    ----------
    proba : float (n, n_classes)
        Rows sum to 1.
    y : int (n,)
        True classes.
    weight : float (n,), optional
        Weight of each item, for instance the inverse of its inclusion probability.
    level : float
        Of the intervals, each by itself.

    Returns
    -------
    dict of str to Estimate
        ``accuracy`` (`intervals.share`: mid-P for equal weights), ``balanced_accuracy`` (mean recall of the classes in
        `y`) and ``macro_f1`` (over the classes in `y` or predicted): for two classes the classes' intervals joined by
        MOVER (Zou and Donner, 2008), else the jackknife; ``log_loss`` in nats; ``ece`` (15 equal bins of the top
        probability, Guo et al., 2017, without what is chance: `tasks.evaluation.ece`); ``auc`` and
        ``average_precision`` (of class 1 for two classes, else the mean over the classes, each against the rest). All
        but the ECE end in the tails of `intervals.skewed`. A class that no item has widens a mean over classes.

    Raises
    ------
    UsageError
        Arrays that do not fit together, or a value that is not finite.
    """
    p, truth, w = checked_weights(proba, y, weight)
    check_level(level)
    if len(truth) == 0:
        return {name: Estimate(float("nan"), 0.0, _highest(name), 0) for name in METRICS}
    said = p.argmax(axis=1)
    wrong = (said != truth).astype(np.float64)
    found = {
        **_means(p, truth, w, level),
        "ece": calibration(p, truth, w, level),
    }
    if p.shape[1] <= 2:
        found["balanced_accuracy"] = _joined(*_recalls(wrong, truth, w, p.shape[1], level), together=False)
        found["macro_f1"] = _joined(*_f1s(wrong, said, truth, w, p.shape[1], level), together=True)
    else:
        found["balanced_accuracy"] = of_recalls(said, truth, w, p.shape[1]).metric(level)
        found["macro_f1"] = of_f1(said, truth, w, p.shape[1]).metric(level)
    rankings = of_rankings(p, truth, w)
    for name in ("auc", "average_precision"):
        found[name] = rankings[name].metric(level) if rankings else (float("nan"), 0.0, 1.0)
    return {name: _one(name, found[name], len(truth)) for name in METRICS}


def _one(name: str, found: tuple[float, float, float], n: int) -> Estimate:
    value, low, high = (float(part) for part in found)
    if n < 2:  # One item says nothing of how items differ.
        low, high = 0.0, _highest(name)
    return Estimate(value, max(0.0, low), min(_highest(name), high), n)


def _hits(loss: float, ends: Ends) -> tuple[float, float, float]:
    """Turn the interval of a share of errors into that of the rest, which holds its value whatever rounding did."""
    value = 1 - float(loss)
    return value, min(1 - ends[1], value), max(1 - ends[0], value)


def estimate_means(p: Doubles, y: NDArray[np.int64], w: Doubles, level: float) -> dict[str, Estimate]:
    """Estimate what is a mean over items: ``accuracy`` and ``log_loss``, as `estimate` does, of checked arrays."""
    if not len(y):
        return {name: Estimate(float("nan"), 0.0, _highest(name), 0) for name in ("accuracy", "log_loss")}
    return {name: _one(name, found, len(y)) for name, found in _means(p, y, w, level).items()}


def _means(
    p: Doubles, y: NDArray[np.int64], w: Doubles, level: float
) -> dict[str, tuple[float, float, float]]:
    wrong = (p.argmax(axis=1) != y).astype(np.float64)
    return {
        "accuracy": _hits(w @ wrong / w.sum(), share(wrong, w, w.max(), level)),
        "log_loss": mean_loss(measures.log_losses(p, y), price_of_error(p), w, level),
    }


def mean_loss(losses: Doubles, prices: Doubles, w: Doubles, level: float) -> tuple[float, float, float]:
    """Average losses; the interval allows for one more error at the usual price, though none like it was seen.

    Parameters
    ----------
    losses, prices, w : float (n,)
        What each item cost, what an error on it would cost, and its weight.
    """
    parts = w / w.sum()
    value = float(parts @ losses)
    unseen = float(parts @ prices) * float(parts @ parts)
    return (value, *skewed(value, parts * (losses - value), unseen, level))


def price_of_error(p: Doubles) -> Doubles:
    """Give what each item would cost in nats if the class that is predicted were wrong, (n,)."""
    return np.asarray(-np.log(np.clip(1 - p.max(axis=1), measures.SMALLEST, 1)))


def _recalls(
    wrong: Doubles, y: NDArray[np.int64], w: Doubles, n_classes: int, level: float
) -> tuple[list[float], list[Ends]]:
    """Give recall and interval of each class; NaN and the whole range for a class that is not there."""
    estimates = _shares(wrong, (y == label for label in range(n_classes)), w, level)
    return [value for value, _ in estimates], [ends for _, ends in estimates]


def _f1s(
    wrong: Doubles, said: NDArray[np.int64], y: NDArray[np.int64], w: Doubles, n_classes: int, level: float
) -> tuple[list[float], list[Ends]]:
    """Give the F1 of each class from the share j of hits among the items that have it or are said to: 2 j / (1 + j).

    Given how many these are, their hits are binomial, so the interval is as exact as that of a share.
    """
    estimates = _shares(wrong, ((y == label) | (said == label) for label in range(n_classes)), w, level)
    ends = [(2 * low / (1 + low), 2 * high / (1 + high)) for _, (low, high) in estimates]
    return [2 * value / (1 + value) for value, _ in estimates], ends


def _shares(
    wrong: Doubles, groups: Iterable[NDArray[np.bool_]], w: Doubles, level: float
) -> list[tuple[float, Ends]]:
    found: list[tuple[float, Ends]] = []
    for group in groups:
        if group.any():
            loss = w[group] @ wrong[group] / w[group].sum()
            value, low, high = _hits(loss, share(wrong[group], w[group], w.max(), level))
            found.append((value, (low, high)))
        else:
            found.append((float("nan"), (0.0, 1.0)))
    return found


def _joined(rates: list[float], ends: list[Ends], *, together: bool) -> tuple[float, float, float]:
    mean = float(np.nanmean(rates))
    return (mean, *mover([mean if np.isnan(rate) else rate for rate in rates], ends, together=together))


def _highest(name: str) -> float:
    return float("inf") if name == "log_loss" else 1.0


def checked_weights(
    proba: ArrayLike, y: ArrayLike, weight: ArrayLike | None
) -> tuple[Doubles, NDArray[np.int64], Doubles]:
    """Check probabilities, true classes and weights (1 where none are given) against each other."""
    p, truth = measures.checked(proba, y)
    w = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    if w.shape != truth.shape or not np.isfinite(w).all() or bool(np.any(w <= 0)):
        raise UsageError(f"weight must be {len(truth)} positive numbers.")
    return p, truth, w
