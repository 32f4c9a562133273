"""What quality the next labels buy: an expectation, and an interval, or a reason why nothing can be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.evaluation.estimate import LOSSES, Estimate
from tasks.evaluation.forecast.constants import bend_of
from tasks.evaluation.forecast.curve import Bend, slope_of_models, slope_of_rounds
from tasks.evaluation.forecast.draws import even, t_quantiles
from tasks.evaluation.forecast.evidence import Evidence
from tasks.evaluation.forecast.level import SMALLEST, level_draws

Doubles = NDArray[np.float64]

LEVEL = 0.9
# Fewer audit items say next to nothing without the model's own word.
FEWEST_ITEMS = 10
FEWEST_LABELS = 20


@dataclass(frozen=True)
class Forecast:
    """The quality that some number of labels would give.

    Attributes
    ----------
    labels : int
        That the model would be trained on.
    quality, gain : Estimate
        Of the metric; and of how much better it is than now, more is better whatever the metric. Intervals of
        90 %; `n` is the number of audit items behind them. The gain's interval is much narrower than the quality's:
        what is not known of the level is in both ends of a gain.
    """

    labels: int
    quality: Estimate
    gain: Estimate

    def to_json(self) -> dict[str, Any]:
        """Give all by name."""
        quality = {name: getattr(self.quality, name) for name in ("value", "low", "high")}
        return {
            "labels": self.labels, **quality,
            "gain": self.gain.value, "gain_low": self.gain.low, "gain_high": self.gain.high,
        }  # fmt: skip


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one state of a campaign.

    Attributes
    ----------
    metric : str
    now : Estimate
        The present model's quality as the forecast sees it, with an interval of 90 %.
    points : tuple of Forecast
        As they were asked for.
    method : str
        What they rest on, in a few words.
    """

    metric: str
    now: Estimate
    points: tuple[Forecast, ...]
    method: str


@dataclass(frozen=True)
class NoForecast:
    """Why nothing can be said."""

    why_not: str


def forecast(
    evidence: Evidence, labels: Sequence[int], *, bend: Bend | None = None, level: float = LEVEL
) -> Forecasts | NoForecast:
    """Forecast a campaign's quality.

    Parameters
    ----------
    evidence : Evidence
    labels : sequence of int
        Numbers of labels that a model would be trained on, none below those of the present model.
    bend : Bend, optional
        Other constants than the metric's.
    level : float
        Of the intervals.

    Raises
    ------
    UsageError
        Fewer labels than there are.
    """
    if reason := _why_not(evidence):
        return NoForecast(reason)
    if min(labels, default=evidence.labels) < evidence.labels:
        raise UsageError(
            f"A forecast looks ahead: {min(labels)} labels are fewer than the {evidence.labels} now."
        )
    last = evidence.history[-1].estimate
    at, noise = even(2)[0], t_quantiles(even(2)[1])
    loss = level_draws(evidence.metric, last, evidence.expected, at)
    slope = slope_of_models(evidence.weaker, evidence.labels, loss)
    used = bend or bend_of(evidence.metric, models=slope is not None)
    method = "models of fewer labels on unlabelled items" if slope is not None else "the rounds so far"
    if slope is None:
        slope = np.full_like(loss, slope_of_rounds(evidence.metric, evidence.history))
    points = []
    for wanted in labels:
        ahead = float(np.log(wanted / evidence.labels))
        fall = used.fall(slope, ahead)
        drawn = _fallen(loss, fall + used.spread(fall, loss, evidence.labels, ahead) * noise)
        points.append(_point(evidence, wanted, loss, _fallen(loss, fall), drawn, level, last.n))
    now = _estimate(evidence.metric, loss, loss, level, last.n)
    return Forecasts(evidence.metric, now, tuple(points), method)


def _why_not(evidence: Evidence) -> str | None:
    if not evidence.history or evidence.labels < 1:
        return "There is no model yet, so there is nothing to forecast from."
    if evidence.labels < FEWEST_LABELS:
        return f"The model learnt from {evidence.labels} labels; a forecast needs {FEWEST_LABELS}."
    items = evidence.history[-1].estimate.n
    if evidence.expected is None and items < FEWEST_ITEMS:
        return f"Only {items} audit items are labelled; a forecast needs {FEWEST_ITEMS}."
    if items == 0:
        return "No audit item is labelled yet, so the level is not known."
    if evidence.expected is None and len(evidence.history) < 2:
        return "One round alone shows no learning curve; the next one will."
    if not np.isfinite(evidence.history[-1].estimate.value):
        return f"The audit cannot measure {evidence.metric} yet: an item of another class is missing."
    return None


def _fallen(loss: Doubles, fall: Doubles) -> Doubles:
    return np.maximum((loss + SMALLEST) * np.exp(-fall) - SMALLEST, 0.0)


def _point(
    evidence: Evidence, labels: int, loss: Doubles, centre: Doubles, drawn: Doubles, level: float, n: int
) -> Forecast:
    if evidence.metric != "log_loss":
        drawn = np.minimum(drawn, 1.0)
    quality = _estimate(evidence.metric, centre, drawn, level, n)
    low, high = np.quantile(loss - drawn, [(1 - level) / 2, (1 + level) / 2])
    gain = float(np.median(loss - centre))
    return Forecast(labels, quality, Estimate(gain, min(float(low), gain), max(float(high), gain), n))


def _estimate(metric: str, centre: Doubles, drawn: Doubles, level: float, n: int) -> Estimate:
    low, high = (float(end) for end in np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]))
    value = float(np.median(centre))
    if metric in LOSSES:
        return Estimate(value, min(low, value), max(high, value), n)
    return Estimate(1 - value, 1 - max(high, value), 1 - min(low, value), n)
