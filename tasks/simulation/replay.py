"""Stop rules on recorded campaigns: where each would have stopped, and where it should have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import Estimate, Evidence, Gain, RoundResult, decide_stop, estimate, look_level, stops
from tasks.evaluation.forecast.evidence import Point, gathered
from tasks.evaluation.forecast.predict import Forecasts, forecast
from tasks.evaluation.stability import kappa, mean_uncertainty, predictions
from tasks.evaluation.stop import StopRules, Target
from tasks.simulation.trace import Trace

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# Earlier rounds' models that a forecast looks at, beside those of random subsets.
_EARLIER = 2


@dataclass(frozen=True)
class Recorded:
    """A campaign as its rounds saw it, and the truth.

    Attributes
    ----------
    metric : str
    results : tuple of RoundResult
        One a step; a label costs 1, so that money is counted in labels.
    decisions : tuple of Estimate
        Intervals of the metric that may be looked at in each round.
    labels : int64 (S,)
        Bought by then, the audit's among them.
    quality : float64 (S,)
        The true metric, which no rule sees.
    """

    metric: str
    results: tuple[RoundResult, ...]
    decisions: tuple[Estimate, ...]
    labels: Ints
    quality: Doubles

    def evidence(self, step: int) -> Evidence:
        """Give what rules look at after so many batches."""
        return Evidence(
            self.results[: step + 1], decision={self.metric: self.decisions[step]}, metric=self.metric
        )


def recorded(trace: Trace, metric: str = "accuracy") -> Recorded:
    """Look at a trace as the rounds of a campaign do."""
    points: list[Point] = []
    results, decisions = [], []
    for step in range(trace.steps):
        n = int(trace["audited"][step])
        proba, y = trace["audit_proba"][step, :n], trace["audit_y"][:n]
        usual = estimate(proba, y)
        decisions.append(estimate(proba, y, level=look_level(step + 1))[metric])
        points.append(Point(int(trace["trained"][step]), usual[metric]))
        said = predictions(trace["pool_proba"][step])
        before = predictions(trace["pool_proba"][step - 1]) if step else None
        results.append(
            RoundResult(
                step + 1,
                int(trace["labels"][step]),
                usual,
                gain=next_gain(trace, step, metric, points),
                kappa=None if before is None else kappa(before, said),
                uncertainty=mean_uncertainty(trace["pool_proba"][step]),
            )
        )
    quality = trace.truth(metric)
    return Recorded(metric, tuple(results), tuple(decisions), trace["labels"], quality)


def next_gain(trace: Trace, step: int, metric: str, points: Sequence[Point]) -> Gain | None:
    """Forecast what the batch after a step brings; None after the last, and where nothing can be said."""
    if step + 1 == trace.steps:
        return None
    subsampled = list(zip(trace["sub_sizes"][step].tolist(), trace["sub_pool"][step], strict=True))
    earlier = range(max(0, step - _EARLIER), step)
    rounds = [(int(trace["trained"][one]), trace["pool_proba"][one]) for one in earlier]
    evidence = gathered(metric, tuple(points), trace["pool_proba"][step], (*subsampled, *rounds))
    found = forecast(evidence, [int(trace["trained"][step + 1])])
    if not isinstance(found, Forecasts):
        return None
    gain, labels = found.points[0].gain, int(trace["labels"][step + 1] - trace["labels"][step])
    return Gain(metric, gain.value, gain.low, gain.high, labels, labels * 1_000_000)


def stop_step(campaign: Recorded, rules: StopRules) -> int:
    """Give the step at which rules stop a campaign; the last where they do not."""
    last = len(campaign.results) - 1
    for step in range(last):
        if stops(rules, decide_stop(rules, campaign.evidence(step))) is not None:
            return step
    return last


def utility(campaign: Recorded, worth: float) -> Doubles:
    """Give what each step's model is worth less what its labels cost, float64 (S,), in labels.

    Parameters
    ----------
    worth : float
        Labels that .01 of the metric is worth.
    """
    return np.asarray(campaign.quality * 100 * worth - campaign.labels, np.float64)


@dataclass(frozen=True)
class Outcome:
    """What one rule did in campaigns like each other.

    Attributes
    ----------
    rule : str
    worth : float
        Labels that .01 of the metric is worth.
    stop, best : float
        Median of the labels at the stop, and at the best point in hindsight.
    off : float
        Median distance between the two, as a share of the best.
    within : float
        Share of campaigns within a fifth.
    best_mean, off_mean : float
        The point that is best for the mean of the campaigns, whose chance ups and downs cancel; and the median distance
        of the stops from it.
    lost, lost_without : float
        Mean utility that was lost against the best point, in labels: by the rule, and by never stopping.
    """

    rule: str
    worth: float
    stop: float
    best: float
    off: float
    within: float
    best_mean: float
    off_mean: float
    lost: float
    lost_without: float


def outcome(name: str, rules: StopRules, campaigns: Sequence[Recorded], worth: float) -> Outcome:
    """Hold where a rule stops campaigns against where each was best to stop.

    Parameters
    ----------
    worth : float
        Of .01 of the metric, in labels; a plateau rule that counts money gets it.
    """
    if rules.plateau is not None and rules.plateau.worth is not None:
        rules = replace(rules, plateau=replace(rules.plateau, worth=worth))
    stop, best, lost, without = [], [], [], []
    for one in campaigns:
        at, value = stop_step(one, rules), utility(one, worth)
        stop.append(int(one.labels[at]))
        best.append(int(one.labels[value.argmax()]))
        lost.append(float(value.max() - value[at]))
        without.append(float(value.max() - value[-1]))
    off = np.abs(np.array(stop) - best) / best
    mean = np.mean([utility(one, worth) for one in campaigns], axis=0)
    best_mean = float(campaigns[0].labels[mean.argmax()])
    off_mean = float(np.median(np.abs(np.array(stop) - best_mean) / best_mean))
    return Outcome(
        name, worth, float(np.median(stop)), float(np.median(best)), float(np.median(off)),
        float(np.mean(off <= 0.2)), best_mean, off_mean, float(np.mean(lost)), float(np.mean(without)),
    )  # fmt: skip


def false_stops(
    campaigns: Sequence[Recorded], value: float | None, *, usual: bool = False
) -> tuple[int, int]:
    """Count campaigns that a target stops, and those among them whose true metric is below it then.

    Parameters
    ----------
    value : float or None
        The target; None for the hardest case, one that is just out of each campaign's reach.
    usual : bool
        Whether to go by an ordinary interval of 95 % in each round.
    """
    stopped = wrong = 0
    for one in campaigns:
        goal = float(one.quality.max()) + 1e-9 if value is None else value
        rules = StopRules(target=Target(one.metric, goal))
        for step, result in enumerate(one.results):
            evidence = one.evidence(step)
            if usual:
                evidence = replace(evidence, decision=result.metrics)
            if stops(rules, decide_stop(rules, evidence)) is not None:
                stopped += 1
                wrong += bool(one.quality[step] < goal)
                break
    return stopped, wrong
