"""Forecasts and savings tried on traces: what was said at each step against what came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.evaluation import LOSSES, METRICS, Estimate, estimate, labels_to_reach
from tasks.evaluation.forecast import (
    Bend,
    Case,
    Evidence,
    Forecasts,
    NoForecast,
    Point,
    forecast,
    gathered,
    tuned,
)
from tasks.evaluation.savings import NoSavings, Savings, savings
from tasks.simulation.trace import Trace

NEXT, REST = "next batch", "rest of the budget"
# Earlier rounds whose models are compared with the present one.
EARLIER = 2


@dataclass(frozen=True)
class Outcome:
    """One forecast and what came; losses, so that less is better whatever the metric.

    Attributes
    ----------
    data, metric, horizon : str
    campaign, step : int
    labels, ahead : int
        Trained on now, and by then.
    now, then : float
        The true losses.
    last : float
        What the audit says now: the forecast of "no change".
    level : float
        What the forecast takes as the loss now: "no change" from a smoother level.
    said : Estimate
        The loss that was forecast.
    gain : Estimate
        By how much it was to fall.
    """

    data: str
    metric: str
    horizon: str
    campaign: int
    step: int
    labels: int
    ahead: int
    now: float
    then: float
    last: float
    level: float
    said: Estimate
    gain: Estimate

    @property
    def covered(self) -> bool:
        """Whether the interval holds what came."""
        return _holds(self.said, self.then)

    @property
    def gain_covered(self) -> bool:
        """Whether the gain's interval holds what came."""
        return _holds(self.gain, self.now - self.then)


@dataclass(frozen=True)
class Stand:
    """What is known at a step, and what comes.

    Attributes
    ----------
    trace : Trace
    step : int
    evidence : Evidence
    """

    trace: Trace
    step: int
    evidence: Evidence

    @property
    def wanted(self) -> dict[str, int]:
        """Labels trained on after the next batch, and after the rest of the budget."""
        trained = self.trace["trained"]
        return {NEXT: int(trained[self.step + 1]), REST: int(trained[-1])}

    def truth(self, step: int) -> float:
        """Give the true loss at a step."""
        return _loss(self.evidence.metric, float(self.trace.truth(self.evidence.metric)[step]))

    def cases(self) -> list[Case]:
        """Give what constants are tuned on."""
        ends = {NEXT: self.step + 1, REST: self.trace.steps - 1}
        now, group = self.truth(self.step), str(self.trace.meta["data"])
        found = [
            Case(group, self.evidence, labels, now, self.truth(ends[name]))
            for name, labels in self.wanted.items()
        ]
        return [case for case in found if np.isfinite(case.now) and np.isfinite(case.then)]


def stands(trace: Trace, metrics: Sequence[str], *, models: bool = True) -> list[Stand]:
    """Gather what a campaign knew at each step but the last; those of which nothing can be said are left out.

    Parameters
    ----------
    trace : Trace
    metrics : sequence of str
    models : bool
        Whether it had models of fewer labels and a sample of the pool, or the audit of its rounds alone.
    """
    estimates = [_estimates(trace, step) for step in range(trace.steps)]
    found = []
    for metric in metrics:
        points = tuple(
            Point(int(labels), one[metric]) for labels, one in zip(trace["trained"], estimates, strict=True)
        )
        for step in range(trace.steps - 1):
            evidence = _evidence(trace, metric, points[: step + 1], step, models=models)
            if isinstance(forecast(evidence, ()), Forecasts) and bool(evidence.weaker) == models:
                found.append(Stand(trace, step, evidence))
    return found


def outcomes(found: Iterable[Stand], bends: dict[str, Bend] | None = None) -> list[Outcome]:
    """Forecast at each stand and compare; `bends` are constants by data set instead of those of the package."""
    return [
        outcome
        for stand in found
        for outcome in _compared(stand, (bends or {}).get(stand.trace.meta["data"]))
    ]


def left_out(found: Sequence[Stand]) -> dict[str, Bend]:
    """Tune the constants for each data set on the others; empty with fewer than three data sets."""
    cases = [case for stand in found for case in stand.cases()]
    groups = sorted({case.group for case in cases})
    if len(groups) < 3:
        return {}
    return {group: tuned([case for case in cases if case.group != group]) for group in groups}


def _compared(stand: Stand, bend: Bend | None) -> list[Outcome]:
    evidence, trace = stand.evidence, stand.trace
    told = forecast(evidence, tuple(stand.wanted.values()), bend=bend)
    if isinstance(told, NoForecast):
        return []
    metric, now = evidence.metric, stand.truth(stand.step)
    ends = {NEXT: stand.step + 1, REST: trace.steps - 1}
    return [
        Outcome(
            data=str(trace.meta["data"]), metric=metric, horizon=name, campaign=int(trace.meta["seed"]),
            step=stand.step, labels=evidence.labels, ahead=point.labels, now=now, then=stand.truth(ends[name]),
            last=_loss(metric, evidence.history[-1].estimate.value), level=_loss(metric, told.now.value),
            said=_turned(metric, point.quality), gain=point.gain,
        )
        for (name, _), point in zip(stand.wanted.items(), told.points, strict=True)
    ]  # fmt: skip


def _evidence(trace: Trace, metric: str, history: tuple[Point, ...], step: int, *, models: bool) -> Evidence:
    if not models:
        return Evidence(metric, history)
    fewer = [
        (int(size), said)
        for size, said in zip(trace["sub_sizes"][step], trace["sub_pool"][step], strict=True)
        if size
    ]
    earlier = [
        (int(trace["trained"][before]), trace["pool_proba"][before])
        for before in range(max(0, step - EARLIER), step)
    ]
    return gathered(metric, history, trace["pool_proba"][step], (*fewer, *earlier))


def _estimates(trace: Trace, step: int) -> dict[str, Estimate]:
    known = int(trace["audited"][step])
    return estimate(trace["audit_proba"][step, :known], trace["audit_y"][:known])


@dataclass(frozen=True)
class Spared:
    """What was said of savings, and what the simulated random arm needed.

    Attributes
    ----------
    data, metric : str
    campaign : int
    told : Savings or NoSavings
    needed : float or None
        Random labels whose model was as good as the campaign's last one; None where all of the pool's were not enough.
    most : int
        Labels of the largest random model.
    """

    data: str
    metric: str
    campaign: int
    told: Savings | NoSavings
    needed: float | None
    most: int

    @property
    def covered(self) -> bool:
        """Whether the interval holds what was needed; one that goes beyond the pool holds what is not reached in it."""
        if isinstance(self.told, NoSavings):
            return True
        high = np.inf if self.told.high is None else self.told.high
        return high >= self.most if self.needed is None else self.told.low <= self.needed <= high


def spared(trace: Trace, metric: str) -> Spared | None:
    """Estimate the savings of a whole campaign; None where its random arm was not run."""
    if "random_labels" not in trace.arrays:
        return None
    now = _estimates(trace, trace.steps - 1)[metric]
    own = [(int(size), said) for size, said in zip(trace["own_sizes"], trace["own_pool"], strict=True)]
    told = savings(metric, now, int(trace["trained"][-1]), trace["pool_proba"][-1], own)
    curve = [_loss(metric, float(one)) for one in trace["random_test"][:, METRICS.index(metric)]]
    target = _loss(metric, float(trace.truth(metric)[-1]))
    # One model more by chance is no progress: the curve is that of the best so far.
    best = np.minimum.accumulate(curve).tolist()
    labels = trace["random_labels"].tolist()
    needed = labels_to_reach(labels, best, target, higher_is_better=False)
    return Spared(str(trace.meta["data"]), metric, int(trace.meta["seed"]), told, needed, int(labels[-1]))


def _loss(metric: str, value: float) -> float:
    return value if metric in LOSSES else 1 - value


def _turned(metric: str, found: Estimate) -> Estimate:
    if metric in LOSSES:
        return found
    return replace(found, value=1 - found.value, low=1 - found.high, high=1 - found.low)


def _holds(interval: Estimate, value: float) -> bool:
    # What is told from items of a test part comes in steps; rounding must not decide.
    return bool(interval.low - 1e-9 <= value <= interval.high + 1e-9)
