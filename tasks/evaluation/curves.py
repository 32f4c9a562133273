"""Figures of a learning curve: quality against labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError


def labels_to_reach(
    curve_labels: Sequence[float],
    curve_values: Sequence[float],
    target: float,
    *,
    higher_is_better: bool = True,
) -> float | None:
    """Find the labels after which a curve first reaches a target.

    Parameters
    ----------
    curve_labels : sequence of float
        Never falling.
    curve_values : sequence of float
        The metric at each; NaN = not measured, left out.
    target : float
    higher_is_better : bool
        False for a loss.

    Returns
    -------
    float or None
        Between the first point that reaches the target and the one before it, by a straight line; the first
        point's labels when that one reaches it. None when no point does.
    """
    labels, values = _curve(curve_labels, curve_values)
    if not higher_is_better:
        values, target = -values, -target
    reached = np.flatnonzero(values >= target)
    if len(reached) == 0:
        return None
    place = int(reached[0])
    if place == 0:
        return float(labels[0])
    share = (target - values[place - 1]) / (values[place] - values[place - 1])
    return float(labels[place - 1] + share * (labels[place] - labels[place - 1]))


def area_under_curve(curve_labels: Sequence[float], curve_values: Sequence[float]) -> float:
    """Average a curve over its labels by the trapezoidal rule (normalised area under the budget curve).

    Returns
    -------
    float
        In the metric's unit; where all points have the same labels their mean, of no point NaN.
    """
    labels, values = _curve(curve_labels, curve_values)
    if len(labels) == 0:
        return float("nan")
    if labels[-1] == labels[0]:
        return float(values.mean())
    return float(np.trapezoid(values, labels) / (labels[-1] - labels[0]))


def _curve(
    labels: Sequence[float], values: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(labels, np.float64), np.asarray(values, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise UsageError(f"A curve needs as many labels as values, not {x.shape} and {y.shape}.")
    if np.any(np.diff(x) < 0):
        raise UsageError("The labels of a curve must not fall from point to point.")
    measured = np.isfinite(y)
    return x[measured], y[measured]
