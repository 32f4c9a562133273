"""Metrics of class probabilities under many weightings at once.

`weights` is float (b, n): the items' own weights, or one bootstrap draw a row. A metric gives float64 (b,),
NaN where it is not defined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

ECE_BINS = 15
# As scikit-learn does for float32: a probability of 0 must not make the loss infinite.
SMALLEST = float(np.finfo(np.float32).eps)


def checked(proba: ArrayLike, y: ArrayLike) -> tuple[Doubles, Ints]:
    """Check probabilities and true classes against each other.

    Raises
    ------
    UsageError
    """
    p, truth = np.asarray(proba, np.float64), np.asarray(y)
    if p.ndim != 2 or p.shape[1] < 1 or truth.shape != (len(p),):
        raise UsageError(f"Probabilities {p.shape} and classes {truth.shape} do not belong together.")
    if not np.isfinite(p).all():
        raise UsageError("A probability is NaN or infinite. Check the model.")
    truth = truth.astype(np.int64)
    if len(truth) and (truth.min() < 0 or truth.max() >= p.shape[1]):
        raise UsageError(f"Classes must be 0 to {p.shape[1] - 1}, not {truth.min()} to {truth.max()}.")
    return p, truth


def bin_of(p: Doubles, bins: int) -> Ints:
    """Place each row's top probability in one of `bins` equal bins; a bin holds its upper edge."""
    top = p.max(axis=1) if len(p) else np.zeros(0)
    return np.clip(np.ceil(top * bins).astype(np.int64) - 1, 0, bins - 1)


def macro_f1(p: Doubles, y: Ints, weights: Doubles) -> Doubles:
    """Average 2 tp / (true + predicted) over the classes that are true or predicted somewhere."""
    predicted = p.argmax(axis=1)
    true, said = _indicator(y, p.shape[1]), _indicator(predicted, p.shape[1])
    both = weights @ true + weights @ said
    f1 = np.divide(2 * (weights @ (true * said)), both, out=np.full(both.shape, np.nan), where=both > 0)
    return np.asarray(np.nanmean(f1, axis=1))


def log_loss(p: Doubles, y: Ints, weights: Doubles) -> Doubles:
    """Average -ln p of the true class, in nats."""
    return np.asarray(weights @ log_losses(p, y) / weights.sum(axis=1))


def log_losses(p: Doubles, y: Ints) -> Doubles:
    """Give -ln p of the true class of each item, in nats, (n,)."""
    return np.asarray(-np.log(np.clip(p[np.arange(len(y)), y], SMALLEST, 1)))


def calibration_error(p: Doubles, y: Ints, weights: Doubles) -> Doubles:
    """Sum over bins |claimed - correct| by their share of the items (expected calibration error)."""
    gap = p.max(axis=1) - (p.argmax(axis=1) == y)
    binned = weights @ (_indicator(bin_of(p, ECE_BINS), ECE_BINS) * gap[:, None])
    return np.asarray(np.abs(binned).sum(axis=1) / weights.sum(axis=1))


def ranking(p: Doubles, y: Ints, weights: Doubles) -> tuple[Doubles, Doubles]:
    """Area under the ROC curve and average precision.

    Of class 1 for two classes; else the mean over the classes, each against the rest. A draw that lacks one
    side leaves a class out.
    """
    classes = [1] if p.shape[1] == 2 else [c for c in range(p.shape[1]) if 0 < np.sum(y == c) < len(y)]
    if not classes:
        return np.full(len(weights), np.nan), np.full(len(weights), np.nan)
    pairs = [_one_against_rest(p[:, c], y == c, weights) for c in classes]
    return _mean([auc for auc, _ in pairs]), _mean([precision for _, precision in pairs])


def _one_against_rest(
    score: Doubles, positive: NDArray[np.bool_], weights: Doubles
) -> tuple[Doubles, Doubles]:
    order = np.argsort(-score, kind="stable")
    score, positive, weights = score[order], positive[order], weights[:, order]
    # Equal scores are one threshold.
    last = np.flatnonzero(np.append(np.diff(score) != 0, True))
    hits = np.cumsum(weights * positive, axis=1)[:, last]
    alarms = np.cumsum(weights * ~positive, axis=1)[:, last]
    new_hits, new_alarms = np.diff(hits, axis=1, prepend=0), np.diff(alarms, axis=1, prepend=0)
    pairs = hits[:, -1] * alarms[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        auc = (new_alarms * (hits - new_hits / 2)).sum(axis=1) / pairs
        precision = np.where(hits + alarms > 0, hits / (hits + alarms), 0)
        average = (new_hits * precision).sum(axis=1) / hits[:, -1]
    defined = pairs > 0
    return np.where(defined, auc, np.nan), np.where(defined, average, np.nan)


def _mean(columns: list[Doubles]) -> Doubles:
    stacked = np.array(columns)
    defined = np.isfinite(stacked)
    count = defined.sum(axis=0)
    total = np.where(defined, stacked, 0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(stacked.shape[1], np.nan), where=count > 0))


def _indicator(codes: Ints, n: int) -> NDArray[Any]:
    return np.asarray(codes[:, None] == np.arange(n), np.float64)
