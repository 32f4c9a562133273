"""What is known of a multi-label model's quality from audited items: each figure with its interval.

Items are what was drawn, so an item counts as one, however many labels it has: these come and go together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation.estimate import Estimate
from tasks.evaluation.intervals import check_level
from tasks.evaluation.paired import Comparison, compare_signs
from tasks.evaluation.set_parts import METRICS_OF_A_LABEL, METRICS_OF_SETS, Parts
from tasks.truth.labelset import Indicators, check_indicators

Doubles = NDArray[np.float64]

__all__ = [
    "METRICS_OF_A_LABEL",
    "METRICS_OF_SETS",
    "SetEstimates",
    "compare_sets",
    "estimate_sets",
    "label_counts",
    "pairs",
]


@dataclass(frozen=True)
class SetEstimates:
    """What is known of a multi-label model.

    Attributes
    ----------
    overall : dict of str to Estimate
        By `METRICS_OF_SETS`.
    per_label : tuple of dict of str to Estimate (n_labels,)
        By `METRICS_OF_A_LABEL`; `n` is the number of items, whether or not they have the label.
    by_class : dict of str to list of Estimate (n_labels,)
        ``precision`` and ``recall``; `n` counts the items that are predicted to have the label, that have it.
    counts : int64 (n_labels, 4)
        Items by truth and prediction: both, only predicted, only true, neither.
    """

    overall: dict[str, Estimate]
    per_label: tuple[dict[str, Estimate], ...]
    by_class: dict[str, list[Estimate]]
    counts: NDArray[np.int64]


def estimate_sets(
    proba: ArrayLike,
    Y: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    level: float = 0.95,
) -> SetEstimates:
    """Estimate the quality of a model that gives each label a probability of its own.

    Parameters
    ----------
    proba : float (n, n_labels)
        A label is predicted from .5 on.
    Y : int8 (n, n_labels)
        1 where the item has the label.
    weight : float (n,), optional
        Weight of each item, for instance the inverse of its inclusion probability.
    level : float
        Of the intervals, each by itself.

    Returns
    -------
    SetEstimates
        ``micro_f1`` (2 tp / (true + predicted) over all pairs of item and label), ``macro_f1`` (the mean of the
        labels' F1 over those that are true or predicted somewhere), ``hamming_accuracy`` (share of pairs that are
        right), ``subset_accuracy`` (share of items whose whole set is right), ``mean_average_precision`` (over the
        labels that some items have and some have not), ``log_loss`` (mean over pairs, in nats). A label's own F1 and
        the subset accuracy have the interval of a share (`intervals.share`), all others end in the tails of
        `intervals.skewed`.

    Raises
    ------
    UsageError
        Arrays that do not fit together, or a value that is not finite.
    """
    p, truth, w = _checked(proba, Y, weight)
    check_level(level)
    if not len(p):
        nothing = {name: _unknown(name) for name in METRICS_OF_SETS}
        each = {name: _unknown(name) for name in METRICS_OF_A_LABEL}
        shares = [Estimate(float("nan"), 0.0, 1.0, 0)] * p.shape[1]
        sides = {"precision": shares, "recall": list(shares)}
        return SetEstimates(nothing, (each,) * p.shape[1], sides, np.zeros((p.shape[1], 4), np.int64))
    parts = Parts(p, truth, w)
    per_label = tuple(parts.of_label(label, level) for label in range(p.shape[1]))
    return SetEstimates(parts.overall(level), per_label, parts.by_class(level), label_counts(p, truth))


def label_counts(proba: ArrayLike, Y: ArrayLike) -> NDArray[np.int64]:
    """Count items by truth and prediction for each label.

    Returns
    -------
    int64 (n_labels, 4)
        True and predicted, only predicted, only true, neither.
    """
    p, truth, _ = _checked(proba, Y, None)
    said, here = p >= 0.5, truth == 1
    cells = (said & here, said & ~here, ~said & here, ~said & ~here)
    return np.column_stack([cell.sum(axis=0) for cell in cells]).astype(np.int64)


def pairs(proba: ArrayLike, Y: ArrayLike) -> tuple[Doubles, NDArray[np.int64]]:
    """Give every pair of item and label as a case of two classes, for a reliability diagram.

    Returns
    -------
    proba : float64 (n * n_labels, 2)
    y : int64 (n * n_labels,)
    """
    p, truth, _ = _checked(proba, Y, None)
    here = p.reshape(-1)
    return np.column_stack([1 - here, here]), truth.reshape(-1).astype(np.int64)


def compare_sets(
    Y: ArrayLike,
    new: ArrayLike,
    old: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compare on how many of the same items each of two models has fewer wrong labels than the other.

    Parameters
    ----------
    Y : int8 (n, n_labels)
    new, old : float (n, n_labels)
        Probabilities of challenger and champion.
    weight : float (n,), optional
    level : float
        Of the interval.
    """
    ours, truth, w = _checked(new, Y, weight)
    theirs, _, _ = _checked(old, Y, None)
    gained = ((theirs >= 0.5) != truth).sum(axis=1) - ((ours >= 0.5) != truth).sum(axis=1)
    return compare_signs(np.sign(gained), weight=w, level=level)


def _unknown(name: str) -> Estimate:
    return Estimate(float("nan"), 0.0, float("inf") if name == "log_loss" else 1.0, 0)


def _checked(proba: ArrayLike, Y: ArrayLike, weight: ArrayLike | None) -> tuple[Doubles, Indicators, Doubles]:
    p, truth = np.asarray(proba, np.float64), check_indicators(Y)
    if p.shape != truth.shape:
        raise UsageError(f"Probabilities {p.shape} and labels {truth.shape} do not belong together.")
    if not np.isfinite(p).all() or p.min(initial=0) < -1e-3 or p.max(initial=1) > 1 + 1e-3:
        raise UsageError("A probability is NaN or outside [0, 1]. Check the model.")
    w = np.ones(len(p)) if weight is None else np.asarray(weight, np.float64)
    if w.shape != (len(p),) or not np.isfinite(w).all() or bool(np.any(w <= 0)):
        raise UsageError(f"weight must be {len(p)} positive numbers.")
    return p, truth, w
