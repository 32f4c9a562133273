"""What the figures say, in plain sentences that claim no more than is sure."""

from __future__ import annotations

from tasks.simulation.analysis import Finding
from tasks.simulation.paired import FEWEST_REPEATS, Difference
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.run import RANDOM

# From here on the two needs differ by more than the curves' own steps blur.
_WORTH_SAYING = 1.05
# Metrics in shares, whose differences are told in points of a hundred.
_NOT_SHARES = frozenset({"log_loss"})


def sentence(finding: Finding) -> str:
    """Say of an arm what it is worth against random."""
    arm = finding.arm
    if arm.strategy == RANDOM:
        return "random is what the others are measured against."
    against = finding.against[RANDOM]
    figures = f"({_figures(against, arm.metric)})"
    if against.better:
        return f"{arm.strategy} {_gain(finding.saved)}; the difference is sure {figures}."
    if against.worse:
        return (
            f"{arm.strategy} does not help here: it is worse than random; the difference is sure {figures}."
        )
    why = f"; fewer than {FEWEST_REPEATS} can show none" if against.repeats < FEWEST_REPEATS else ""
    times = "repeat" if against.repeats == 1 else "repeats"
    return f"{arm.strategy}: a difference to random is not sure at {against.repeats} {times} {figures}{why}."


def _gain(saved: float | None) -> str:
    if saved is not None and saved >= _WORTH_SAYING:
        return f"needs {saved:.1f}x fewer labels than random here"
    along = "is better than random along the way, but "
    if saved is None:
        return along + "does not reach random's end"
    return (
        along
        + ("needs as many labels" if saved > 1 / _WORTH_SAYING else "needs more labels")
        + " to reach random's end"
    )


def conditions(protocol: SimulationProtocol, full: float) -> str:
    """Say under which conditions the sentences hold."""
    noise = f", {protocol.noise:.0%} of the labels wrong" if protocol.noise else ""
    return (
        f"{protocol.metric} with all labels of the pool {full:.3f}; {protocol.seed_labels} first labels, "
        f"batches of {protocol.batch}, {protocol.budget} labels in all, {protocol.repeats} paired repeats{noise}; "
        "no labels counted that an audit would take; the model that chooses is measured; "
        "intervals are over repeats on this data set"
    )


def _figures(difference: Difference, metric: str) -> str:
    unit, scale, digits = ("", 1.0, 4) if metric in _NOT_SHARES else (" points", 100.0, 2)
    mean = f"{metric} over the curve {scale * difference.mean:+.{digits}f}{unit}"
    if difference.low is None or difference.high is None:
        return mean
    low, high = (f"{scale * end:+.{digits}f}" for end in (difference.low, difference.high))
    return f"{mean}, 95 % {low} to {high}, {difference.won} of {difference.repeats} repeats won"
