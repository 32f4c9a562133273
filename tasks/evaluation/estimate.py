"""What is known of a model's quality from audited items: each figure with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation import measures
from tasks.evaluation.intervals import bootstrap_weights, mover, wilson

Doubles = NDArray[np.float64]

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece", "auc", "average_precision")
# Metrics of which less is better.
LOSSES = frozenset({"log_loss", "ece"})


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval.

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
    proba: ArrayLike, y: ArrayLike, *, seed: int, weight: ArrayLike | None = None
) -> dict[str, Estimate]:
    """Estimate a classifier's quality.

    Parameters
    ----------
    proba : float (n, n_classes)
        Rows sum to 1.
    y : int (n,)
        True classes.
    seed : int
        Of the bootstrap.
    weight : float (n,), optional
        Weight of each item, for instance the inverse of its inclusion probability.

    Returns
    -------
    dict of str to Estimate
        ``accuracy`` (Wilson's interval, 1927), ``balanced_accuracy`` (mean recall of the classes in `y`;
        Wilson intervals joined by MOVER, Zou and Donner, 2008), ``macro_f1`` (over the classes in `y` or
        predicted), ``log_loss`` in nats, ``ece`` (15 equal bins of the top probability, Guo et al., 2017),
        ``auc`` and ``average_precision`` (of class 1 for two classes, else the mean over the classes, each
        against the rest): percentile bootstrap. Where that has no spread because no error was seen, Wilson's
        width stands in; in the upper end of the log-loss as that many errors, each at the price that the model's
        probabilities set on it.

    Raises
    ------
    UsageError
        Arrays that do not fit together, or a value that is not finite.
    """
    p, truth, w = _checked(proba, y, weight)
    if len(truth) == 0:
        return {name: Estimate(float("nan"), 0.0, _highest(name), 0) for name in METRICS}
    hit = p.argmax(axis=1) == truth
    size = float(w.sum() ** 2 / np.square(w).sum())  # Kish's effective sample size
    rate = float(w[hit].sum() / w.sum())
    accuracy = Estimate(rate, *wilson(rate, size), len(truth))
    result = {"accuracy": accuracy, "balanced_accuracy": _balanced_accuracy(hit, truth, w)}
    draws = bootstrap_weights(w, np.random.default_rng(seed), n_columns=p.shape[1])
    functions: dict[str, Callable[[Doubles], Doubles]] = {
        "macro_f1": lambda drawn: measures.macro_f1(p, truth, drawn),
        "log_loss": lambda drawn: measures.log_loss(p, truth, drawn),
        "ece": lambda drawn: measures.calibration_error(p, truth, drawn),
    }
    for name, function in functions.items():
        result[name] = _bootstrap(name, function, w, draws, size)
    if hit.all():
        result["log_loss"] = _with_unseen_errors(result["log_loss"], p, w, size)
    auc, precision = measures.ranking(p, truth, np.vstack([w, draws]))
    scarce = _effective_scarce(p, truth, w)
    result["auc"] = _interval("auc", auc[0], auc[1:], scarce, len(truth))
    result["average_precision"] = _interval(
        "average_precision", precision[0], precision[1:], scarce, len(truth)
    )
    return {name: result[name] for name in METRICS}


def _bootstrap(
    name: str, function: Callable[[Doubles], Doubles], w: Doubles, draws: Doubles, size: float
) -> Estimate:
    values = function(np.vstack([w, draws]))
    return _interval(name, values[0], values[1:], size, len(w))


def _interval(name: str, value: float, drawn: Doubles, size: float, n: int) -> Estimate:
    """Make a percentile interval; the whole range where one item alone is known."""
    value, top = float(value), _highest(name)
    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or n < 2 or len(drawn) < 2:
        return Estimate(value, 0.0, top, n)
    low, high = (float(end) for end in np.quantile(drawn, [0.025, 0.975]))
    if high - low < 1e-9 and name != "log_loss":
        lower, upper = wilson(value, size)
        low, high = min(low, lower), max(high, upper)
    return Estimate(value, max(0.0, min(low, value)), min(top, max(high, value)), n)


def _with_unseen_errors(found: Estimate, p: Doubles, w: Doubles, size: float) -> Estimate:
    """Raise the upper end by errors that may be there although none was seen.

    The bootstrap draws no error where there is none: a handful of right and confident answers would prove any loss.
    """
    right, _ = wilson(1.0, size)
    price = -np.log(np.clip(1 - p.max(axis=1), measures.SMALLEST, 1))
    high = found.value + (1 - right) * float(w @ price / w.sum())
    return Estimate(found.value, found.low, max(found.high, high), found.n)


def _balanced_accuracy(hit: NDArray[np.bool_], y: NDArray[np.int64], w: Doubles) -> Estimate:
    rates, ends = [], []
    for label in np.unique(y):
        own = w[y == label]
        rate = float(own[hit[y == label]].sum() / own.sum())
        rates.append(rate)
        ends.append(wilson(rate, float(own.sum() ** 2 / np.square(own).sum())))
    low, high = mover(rates, ends)
    return Estimate(float(np.mean(rates)), low, high, len(y))


def _effective_scarce(p: Doubles, y: NDArray[np.int64], w: Doubles) -> float:
    """Count the side that limits a ranking metric: the least over classes and their rests."""
    sizes = [1.0]
    for label in range(1, 2) if p.shape[1] == 2 else range(p.shape[1]):
        own = y == label
        sides = [float(w[side].sum() ** 2 / np.square(w[side]).sum()) for side in (own, ~own) if side.any()]
        if len(sides) == 2:
            sizes.append(min(sides))
    return min(sizes[1:], default=sizes[0])


def _highest(name: str) -> float:
    return float("inf") if name == "log_loss" else 1.0


def _checked(
    proba: ArrayLike, y: ArrayLike, weight: ArrayLike | None
) -> tuple[Doubles, NDArray[np.int64], Doubles]:
    p, truth = measures.checked(proba, y)
    w = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    if w.shape != truth.shape or not np.isfinite(w).all() or bool(np.any(w <= 0)):
        raise UsageError(f"weight must be {len(truth)} positive numbers.")
    return p, truth, w


def confusion(proba: ArrayLike, y: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Count items by true class (row) and predicted class (column).

    Returns
    -------
    int64 (n_classes, n_classes)
    """
    p, truth = measures.checked(proba, y)
    if p.shape[1] != n_classes:
        raise UsageError(f"The probabilities have {p.shape[1]} classes, not {n_classes}.")
    cells = truth * n_classes + p.argmax(axis=1)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram.

    Attributes
    ----------
    edges : float64 (bins + 1,)
        Of the bins of the top probability.
    confidence, accuracy : float64 (bins,)
        Mean top probability and share of correct items; NaN in an empty bin.
    count : int64 (bins,)
    """

    edges: Doubles
    confidence: Doubles
    accuracy: Doubles
    count: NDArray[np.int64]


def reliability(proba: ArrayLike, y: ArrayLike, bins: int = 10) -> Reliability:
    """Compare what a model claims with how often it is right."""
    p, truth = measures.checked(proba, y)
    if bins < 1:
        raise UsageError(f"A reliability diagram needs at least one bin, not {bins}.")
    place = measures.bin_of(p, bins)
    count = np.bincount(place, minlength=bins)

    def mean(values: NDArray[Any]) -> Doubles:
        total = np.bincount(place, values, minlength=bins)
        return np.asarray(np.divide(total, count, out=np.full(bins, np.nan), where=count > 0))

    top = p.max(axis=1) if len(p) else np.zeros(0)
    right = (p.argmax(axis=1) == truth).astype(np.float64)
    return Reliability(np.linspace(0, 1, bins + 1), mean(top), mean(right), count.astype(np.int64))
