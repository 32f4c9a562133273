"""What the figures say, in plain sentences that claim no more than is sure."""

from __future__ import annotations

from tasks.models.fitting import AUTO
from tasks.simulation.analysis import Finding
from tasks.simulation.paired import FEWEST_REPEATS, Difference
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.treatment import RANDOM

# From here on the two needs differ by more than the curves' own steps blur.
_WORTH_SAYING = 1.05
# Metrics in shares, whose differences are told in points of a hundred.
_NOT_SHARES = frozenset({"log_loss"})


def sentence(finding: Finding) -> str:
    """Say of an arm what it is worth against the baseline."""
    name, treatment = finding.baseline, finding.arm.treatment
    if finding.arm.name == name:
        return f"{name} is what the others are measured against."
    worse = f"is worse than {name}"
    if treatment.strategy != RANDOM:
        worse = f"does not help here: it {worse}"
    return _compared(finding, name, _gain(finding.saved, name), worse)


def model_sentence(finding: Finding) -> str | None:
    """Say what its model is worth against the first; None where that is this arm, or `sentence` says it."""
    arm, first = finding.arm.name, finding.first_model
    if first in (arm, finding.baseline):
        return None
    return _compared(finding, first, f"is better than {first}", f"is worse than {first}")


def labeling_sentence(finding: Finding) -> str | None:
    """Say what half of the answers give with its labeling; None where it is the first, or there is no half."""
    if finding.halved is None:
        return None
    arm, half = finding.arm, finding.halved
    figures = _figures(half.difference, arm.metric, "")
    rival = f"{finding.first_labeling} with {half.of:,}"
    ours = f"{arm.name} with {half.labels:,} answers"
    if half.difference.better or half.difference.worse:
        how = "better" if half.difference.better else "worse"
        return f"{ours} is {how} than {rival}; the difference is sure ({figures})."
    return f"{ours}: a difference to {rival} is not sure ({figures})."


def chose(finding: Finding) -> str | None:
    """Say which kinds ``auto`` took; None where it had no choice."""
    if finding.arm.treatment.kind != AUTO:
        return None
    return ", ".join(f"{kind} {count:,}" for kind, count in finding.arm.kinds.items())


def _compared(finding: Finding, rival: str, better: str, worse: str) -> str:
    arm, against = finding.arm, finding.against[rival]
    figures = f"({_figures(against, arm.metric)})"
    if against.better or against.worse:
        return f"{arm.name} {better if against.better else worse}; the difference is sure {figures}."
    why = f"; fewer than {FEWEST_REPEATS} can show none" if against.repeats < FEWEST_REPEATS else ""
    times = "repeat" if against.repeats == 1 else "repeats"
    return f"{arm.name}: a difference to {rival} is not sure at {against.repeats} {times} {figures}{why}."


def _gain(saved: float | None, name: str) -> str:
    if saved is not None and saved >= _WORTH_SAYING:
        return f"needs {saved:.1f}x fewer labels than {name} here"
    along = f"is better than {name} along the way, but "
    if saved is None:
        return along + f"does not reach {name}'s end"
    return (
        along
        + ("needs as many labels" if saved > 1 / _WORTH_SAYING else "needs more labels")
        + f" to reach {name}'s end"
    )


def conditions(protocol: SimulationProtocol, full: float, model: str) -> str:
    """Say under which conditions the sentences hold."""
    noise = f", {protocol.noise:.0%} of the answers wrong" if protocol.noise else ""
    noise += f", vendors {protocol.vendors}" if protocol.vendors else ""
    return (
        f"{protocol.metric} of {model} with all labels of the pool {full:.3f}; {protocol.seed_labels} first labels, "
        f"batches of {protocol.batch}, {protocol.budget} labels in all, {protocol.repeats} paired repeats{noise}; "
        "no labels counted that an audit would take; the model that chooses is measured; "
        "intervals are over repeats on this data set"
    )


def _figures(difference: Difference, metric: str, where: str = " over the curve") -> str:
    unit, scale, digits = ("", 1.0, 4) if metric in _NOT_SHARES else (" points", 100.0, 2)
    mean = f"{metric}{where} {scale * difference.mean:+.{digits}f}{unit}"
    if difference.low is None or difference.high is None:
        return mean
    low, high = (f"{scale * end:+.{digits}f}" for end in (difference.low, difference.high))
    return f"{mean}, 95 % {low} to {high}, {difference.won} of {difference.repeats} repeats won"
