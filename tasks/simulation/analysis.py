"""What the curves of several arms show: areas, labels saved, and which differences are sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasks.simulation.arm import Arm, Doubles, mean_over_repeats
from tasks.simulation.paired import Difference, paired_difference
from tasks.simulation.run import Curve
from tasks.simulation.treatment import Treatment, baseline, names

MARGIN = "margin"
RANDOM_END = "random_end"
# Names of the levels below what the whole pool's labels give.
_BELOW_FULL = {"full-0.5pp": 0.005, "full-1pp": 0.01}
# Labels that people ask for; what is measured nearest to them is told.
_ROUND = tuple(digit * 10**power for power in range(1, 8) for digit in (1, 2, 3, 5))


@dataclass(frozen=True)
class Checkpoint:
    """An arm at one number of labels.

    Attributes
    ----------
    labels : int
    metrics : dict of str to float
        Means over the repeats.
    against : dict of str to Difference
        Of the reported metric there, to the same arms as in `Finding`.
    """

    labels: int
    metrics: dict[str, float]
    against: dict[str, Difference]


@dataclass(frozen=True)
class Halved:
    """An arm with half of the answers against its first labeling with all of them.

    Attributes
    ----------
    labels, of : int
        Answers of the arm, at most half as many as there are in all, and all.
    difference : Difference
        Of the reported metric; positive = the arm is better for half the price.
    """

    labels: int
    of: int
    difference: Difference


@dataclass(frozen=True)
class Finding:
    """What one arm showed.

    Attributes
    ----------
    arm : Arm
    baseline : str
        Name of the arm that all are measured against: ``random``, with the model and labeling that were named first.
    first_model : str
        Name of the arm with another model, the one that was named first; this arm itself where that is it.
    first_labeling : str
        The same for the labeling.
    labels_to : dict of str to (float or None)
        Level -> labels at which the mean curve first reaches it.
    against : dict of str to Difference
        Of the area under the curve to the baseline, to `first_model`, `first_labeling` and to ``margin`` with the
        first of both, where they ran and are not this arm; positive = better.
    saved : float or None
        How many times fewer labels than the baseline it needs to reach the baseline's end, both on their mean curves.
    alarms : tuple of str
        Where two metrics part.
    halved : Halved or None
        Against `first_labeling`; None where that is this arm, or the curve begins beyond half of the answers.
    checkpoints : tuple of Checkpoint
        At the ends, and where the curve was measured nearest to 10, 20, 30, 50, 100, ... labels.
    """

    arm: Arm
    baseline: str
    first_model: str
    first_labeling: str
    labels_to: dict[str, float | None]
    against: dict[str, Difference]
    saved: float | None
    alarms: tuple[str, ...]
    halved: Halved | None
    checkpoints: tuple[Checkpoint, ...]


def analyse(
    curves: Mapping[Treatment, Sequence[Curve]],
    full: Sequence[Mapping[str, float]],
    metric: str,
    *,
    seed: int,
) -> list[Finding]:
    """Compare arms.

    Parameters
    ----------
    curves : mapping
        Treatment -> its curves by repeat; ``random`` with model and labeling of the first treatment among them.
    full : sequence
        Metrics of the whole pool's labels with that model, by repeat.
    metric : str
    seed : int
        Of the bootstrap.
    """
    called = names(curves)
    arms = {one: Arm(called[one], one, tuple(found), metric) for one, found in curves.items()}
    level = float(mean_over_repeats(np.array([[one[metric]] for one in full]))[0])
    return [_finding(arm, arms, level, seed) for arm in arms.values()]


def checkpoints(labels: Sequence[int]) -> list[int]:
    """Give the steps to tell of: the ends, and those nearest to round numbers of labels between them."""
    known = np.asarray(labels)
    wanted = [one for one in _ROUND if known[0] <= one <= known[-1]]
    nearest = {int(np.abs(known - one).argmin()) for one in wanted}
    return sorted(nearest | {0, len(known) - 1})


def _finding(arm: Arm, arms: Mapping[Treatment, Arm], full: float, seed: int) -> Finding:
    random = arms[baseline(arms)]
    levels = {name: full - random.sign * below for name, below in _BELOW_FULL.items()}
    levels[RANDOM_END] = float(random.mean[-1])
    labels_to = {name: arm.labels_to(level) if np.isfinite(level) else None for name, level in levels.items()}
    first = arms[replace(arm.treatment, model=random.treatment.model)]
    plain = arms[replace(arm.treatment, labeling=random.treatment.labeling)]
    margin = arms.get(replace(random.treatment, strategy=MARGIN))
    rivals = {one.name: one for one in (random, first, plain, margin) if one is not None and one is not arm}
    against = {
        name: _difference(np.array(arm.aubc), np.array(one.aubc), arm, seed) for name, one in rivals.items()
    }
    ours, theirs = labels_to[RANDOM_END], random.labels_to(levels[RANDOM_END])
    saved = theirs / ours if ours and theirs and arm is not random else None
    return Finding(
        arm, random.name, first.name, plain.name, labels_to, against, saved,
        tuple(_alarms(arm, random, seed)), _halved(arm, plain, seed), tuple(_checkpoints(arm, rivals, seed)),
    )  # fmt: skip


def _halved(arm: Arm, plain: Arm, seed: int) -> Halved | None:
    end = plain.labels[-1]
    within = [step for step, labels in enumerate(arm.labels) if 2 * labels <= end]
    if arm is plain or not within:
        return None
    ours, theirs = arm.values(arm.metric)[:, within[-1]], plain.values(arm.metric)[:, -1]
    return Halved(arm.labels[within[-1]], end, _difference(ours, theirs, arm, seed))


def _checkpoints(arm: Arm, rivals: Mapping[str, Arm], seed: int) -> list[Checkpoint]:
    metrics = {name: mean_over_repeats(arm.values(name)) for name in arm.metrics}
    ours = arm.values(arm.metric)
    return [
        Checkpoint(
            arm.labels[step],
            {name: float(values[step]) for name, values in metrics.items()},
            {
                name: _difference(ours[:, step], rival.values(arm.metric)[:, step], arm, seed)
                for name, rival in rivals.items()
            },
        )
        for step in checkpoints(arm.labels)
    ]


def _difference(ours: Doubles, theirs: Doubles, arm: Arm, seed: int) -> Difference:
    return paired_difference(arm.sign * ours, arm.sign * theirs, seed=seed)


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
                f"at its end accuracy is above {random.name}'s and macro F1 below: rare classes are being lost; "
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
        "name": arm.name,
        "strategy": arm.treatment.strategy,
        "model": arm.treatment.model,
        "labeling": arm.treatment.labeling,
        "labels": arm.labels,
        "metric": plain(arm.values(arm.metric)),
        "mean": plain(arm.mean),
        "low": plain(low),
        "high": plain(high),
        "aubc": plain(np.array(arm.aubc)),
        "labels_to": finding.labels_to,
        "saved": finding.saved,
        "against": _by_name(finding.against),
        "checkpoints": [_checkpoint(one) for one in finding.checkpoints],
        "kinds": [curve.kinds for curve in arm.curves],
        "chose": arm.kinds,
        "seconds_select": arm.seconds_select,
        "seconds_train": arm.seconds_train,
        "cold_steps": [curve.cold_steps for curve in arm.curves],
        "halved": _halved_json(finding.halved),
        "items": [curve.items for curve in arm.curves],
        "right": [curve.right for curve in arm.curves],
        "alarms": list(finding.alarms),
        "metrics": {name: plain(arm.values(name)) for name in arm.metrics},
    }


def _halved_json(one: Halved | None) -> dict[str, Any] | None:
    return None if one is None else {"labels": one.labels, "of": one.of, **one.difference.to_json()}


def _checkpoint(one: Checkpoint) -> dict[str, Any]:
    metrics = {name: _finite(value) for name, value in one.metrics.items()}
    return {"labels": one.labels, "metrics": metrics, "against": _by_name(one.against)}


def _by_name(against: Mapping[str, Difference]) -> dict[str, Any]:
    return {name: one.to_json() for name, one in against.items()}


def plain(values: Doubles) -> Any:
    """Turn an array into lists for JSON, which knows no NaN."""
    return [plain(one) for one in values] if values.ndim > 1 else [_finite(one) for one in values.tolist()]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
