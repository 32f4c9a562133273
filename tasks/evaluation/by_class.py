"""Precision and recall of each class, with intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.evaluation.estimate import Estimate, checked_weights
from tasks.evaluation.intervals import check_level, share

Doubles = NDArray[np.float64]


def by_class(
    proba: ArrayLike, y: ArrayLike, *, weight: ArrayLike | None = None, level: float = 0.95
) -> dict[str, list[Estimate]]:
    """Estimate precision and recall of each class.

    Parameters
    ----------
    proba : float (n, n_classes)
    y : int (n,)
    weight : float (n,), optional
        Weight of each item, for instance the inverse of its inclusion probability.
    level : float
        Of each interval by itself.

    Returns
    -------
    dict
        ``precision`` and ``recall``, a list each in the order of the classes. `n` counts the items that a figure is of:
        those predicted as the class, those that are of it. A class without any has NaN and the whole range.
    """
    p, truth, w = checked_weights(proba, y, weight)
    check_level(level)
    said = p.argmax(axis=1) if len(p) else np.zeros(0, np.int64)
    wrong, heaviest = (said != truth).astype(np.float64), float(w.max(initial=1.0))
    groups = {"precision": said, "recall": truth}
    return {
        name: [share_right(wrong, w, codes == label, heaviest, level) for label in range(p.shape[1])]
        for name, codes in groups.items()
    }


def share_right(
    wrong: Doubles, w: Doubles, group: NDArray[np.bool_], heaviest: float, level: float
) -> Estimate:
    """Estimate the share of right items in a group of the items."""
    if not group.any():
        return Estimate(float("nan"), 0.0, 1.0, 0)
    low, high = share(wrong[group], w[group], heaviest, level)
    value = 1 - float(w[group] @ wrong[group] / w[group].sum())
    return Estimate(value, max(0.0, min(1 - high, value)), min(1.0, max(1 - low, value)), int(group.sum()))
