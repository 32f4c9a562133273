"""Forecasts of one simulated campaign against what came, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.evaluation import Estimate
    from tasks.evaluation.plots.curve import Curve
    from tasks.simulation.trace import Trace

# Points of the fan between now and the end of the budget.
_POINTS = 12


def forecast_picture(trace: Trace, metric: str, step: int) -> Figure:
    """Draw the learning curve that the campaign saw up to a step, the forecast from there, and the truth.

    Parameters
    ----------
    trace : Trace
    metric : str
    step : int
        At which the forecast is made; before the last one.

    Returns
    -------
    Figure
        900 x 600 pixels.

    Raises
    ------
    UsageError
        Of that step nothing can be forecast.
    """
    from tasks.errors import UsageError
    from tasks.evaluation.forecast import Forecasts, forecast
    from tasks.evaluation.plots.curve import Curve, learning_curve
    from tasks.simulation.backtest import stands

    found = [one for one in stands(trace, [metric]) if one.step == step]
    if not found:
        raise UsageError(f"Nothing can be forecast in round {step} of {trace.meta['data']}.")
    evidence = found[0].evidence
    ends = found[0].wanted
    labels = np.unique(np.linspace(evidence.labels, max(ends.values()), _POINTS).round().astype(int))
    told = forecast(evidence, labels.tolist())
    fan = _curve(labels, [point.quality for point in told.points] if isinstance(told, Forecasts) else [], "")
    audit = [point.estimate for point in evidence.history]
    seen = _curve(np.array([point.labels for point in evidence.history]), audit, "audit")
    empty = np.full(trace.steps, np.nan)
    truth = Curve(trace["trained"], trace.truth(metric), empty, empty, name="truth")
    return learning_curve(
        seen, measure=metric, baseline=truth, forecast=fan,
        wanted=[(at, name) for name, at in ends.items()],
        title=f"{trace.meta['data']}: forecast after {step} rounds, and what came",
    )  # fmt: skip


def _curve(labels: NDArray[np.int64], found: Sequence[Estimate], name: str) -> Curve:
    from tasks.evaluation.plots.curve import Curve

    value, low, high = (np.array([getattr(one, end) for one in found]) for end in ("value", "low", "high"))
    return Curve(labels, value, low, high, name)
