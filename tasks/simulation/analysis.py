"""What the curves of several arms show: bands, areas, labels saved, and which differences are sure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import LOSSES, area_under_curve, labels_to_reach
from tasks.simulation.paired import Difference, mean_interval, paired_difference
from tasks.simulation.run import RANDOM, Curve

Doubles = NDArray[np.float64]

MARGIN = "margin"
RANDOM_END = "random_end"
# Names of the levels below what the whole pool's labels give.
_BELOW_FULL = {"full-0.5pp": 0.005, "full-1pp": 0.01}


@dataclass(frozen=True)
class Arm:
    """The campaigns of one strategy.

    Attributes
    ----------
    strategy : str
    curves : tuple of Curve
        One a repeat, in order; all with the same labels.
    metric : str
        The one that is reported.
    """

    strategy: str
    curves: tuple[Curve, ...]
    metric: str

    @property
    def labels(self) -> list[int]:
        """Labels in hand at each step."""
        return self.curves[0].labels

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the metric is better."""
        return self.metric not in LOSSES

    def values(self, metric: str) -> Doubles:
        """Give a metric, float64 (repeats, steps)."""
        return np.array([curve.metrics[metric] for curve in self.curves], np.float64)

    @cached_property
    def mean(self) -> Doubles:
        """The mean curve of the metric, float64 (steps,)."""
        return mean_over_repeats(self.values(self.metric))

    @cached_property
    def band(self) -> tuple[Doubles, Doubles]:
        """95 % interval of the mean curve over the repeats; NaN where there are fewer than two."""
        return mean_interval(self.values(self.metric))

    @cached_property
    def aubc(self) -> list[float]:
        """Area under each repeat's curve of the metric, over the labels it spans."""
        return [area_under_curve(self.labels, row) for row in self.values(self.metric)]

    @property
    def seconds_select(self) -> float:
        """Mean processor time of one choice."""
        return float(np.mean([second for curve in self.curves for second in curve.seconds_select]))

    def labels_to(self, target: float) -> float | None:
        """Labels at which the mean curve first reaches a level; None when it does not."""
        return labels_to_reach(
            self.labels, self.mean.tolist(), target, higher_is_better=self.higher_is_better
        )


@dataclass(frozen=True)
class Finding:
    """What one arm showed.

    Attributes
    ----------
    arm : Arm
    labels_to : dict of str to (float or None)
        Level -> labels at which the mean curve first reaches it.
    against : dict of str to Difference
        Of the area under the curve to ``random`` and ``margin``, where they ran; positive = better.
    saved : float or None
        How many times fewer labels than random it needs to reach random's end, both on their mean curves.
    alarms : tuple of str
        Where two metrics part.
    """

    arm: Arm
    labels_to: dict[str, float | None]
    against: dict[str, Difference]
    saved: float | None
    alarms: tuple[str, ...]


def analyse(
    curves: Mapping[str, Sequence[Curve]], full: Sequence[Mapping[str, float]], metric: str, *, seed: int
) -> list[Finding]:
    """Compare arms.

    Parameters
    ----------
    curves : mapping
        Strategy -> its curves by repeat; ``random`` among them.
    full : sequence
        Metrics of the whole pool's labels, by repeat.
    metric : str
    seed : int
        Of the bootstrap.
    """
    arms = {name: Arm(name, tuple(found), metric) for name, found in curves.items()}
    level = float(mean_over_repeats(np.array([[one[metric]] for one in full]))[0])
    return [_finding(arm, arms, level, seed) for arm in arms.values()]


def mean_over_repeats(values: Doubles) -> Doubles:
    """Average over the first axis; where a repeat has no value, over the rest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no repeat has one: the mean is NaN
        return np.asarray(np.nanmean(values, axis=0))


def _finding(arm: Arm, arms: Mapping[str, Arm], full: float, seed: int) -> Finding:
    random = arms[RANDOM]
    sign = 1.0 if arm.higher_is_better else -1.0
    levels = {name: full - sign * below for name, below in _BELOW_FULL.items()}
    levels[RANDOM_END] = float(random.mean[-1])
    labels_to = {name: arm.labels_to(level) if np.isfinite(level) else None for name, level in levels.items()}
    against = {
        name: paired_difference(sign * np.array(arm.aubc), sign * np.array(arms[name].aubc), seed=seed)
        for name in (RANDOM, MARGIN)
        if name in arms and name != arm.strategy
    }
    ours, theirs = labels_to[RANDOM_END], random.labels_to(levels[RANDOM_END])
    saved = theirs / ours if ours and theirs and arm.strategy != RANDOM else None
    return Finding(arm, labels_to, against, saved, tuple(_alarms(arm, random, seed)))


def _alarms(arm: Arm, random: Arm, seed: int) -> list[str]:
    """Say where accuracy rises while macro F1 falls: labels that teach to ignore a class (OpenAL)."""
    accuracy, f1 = (mean_over_repeats(arm.values(name)) for name in ("accuracy", "macro_f1"))
    said = []
    best = int(np.argmax(f1))
    lost, won = f1[best] - f1[-1], accuracy[-1] - accuracy[best]
    if lost > 0.01 and won > 0.005:
        said.append(
            f"from {arm.labels[best]:,} labels on accuracy rises by {100 * won:.1f} points while macro F1 falls "
            f"by {100 * lost:.1f}: rare classes are being lost; look at --metric macro_f1"
        )
    if arm is not random:
        ends = {name: _end_difference(arm, random, name, seed) for name in ("accuracy", "macro_f1")}
        if ends["accuracy"].better and ends["macro_f1"].worse:
            said.append(
                "at its end accuracy is above random's and macro F1 below: rare classes are being lost; "
                "look at --metric macro_f1"
            )
    return said


def _end_difference(arm: Arm, random: Arm, metric: str, seed: int) -> Difference:
    return paired_difference(arm.values(metric)[:, -1], random.values(metric)[:, -1], seed=seed)


def to_json(finding: Finding) -> dict[str, Any]:
    """Give a finding by name; what is not defined is None."""
    arm = finding.arm
    low, high = arm.band
    return {
        "strategy": arm.strategy,
        "labels": arm.labels,
        "metric": plain(arm.values(arm.metric)),
        "mean": plain(arm.mean),
        "low": plain(low),
        "high": plain(high),
        "aubc": plain(np.array(arm.aubc)),
        "labels_to": finding.labels_to,
        "saved": finding.saved,
        "against": {name: one.to_json() for name, one in finding.against.items()},
        "seconds_select": arm.seconds_select,
        "cold_steps": [curve.cold_steps for curve in arm.curves],
        "alarms": list(finding.alarms),
        "metrics": {name: plain(arm.values(name)) for name in arm.curves[0].metrics},
    }


def plain(values: Doubles) -> Any:
    """Turn an array into lists for JSON, which knows no NaN."""
    return [plain(one) for one in values] if values.ndim > 1 else [_finite(one) for one in values.tolist()]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
