"""When a campaign stops: every rule says each round whether it fired, and why."""

from tasks.evaluation.stop.decide import decide_stop, read_signals, stops
from tasks.evaluation.stop.evidence import BudgetState, Evidence, Gain, RoundResult, StopSignal
from tasks.evaluation.stop.rules import (
    HARD,
    NAMES,
    SOFT,
    Plateau,
    Stable,
    StopRules,
    Target,
    Uncertainty,
)

__all__ = [
    "HARD",
    "NAMES",
    "SOFT",
    "BudgetState",
    "Evidence",
    "Gain",
    "Plateau",
    "RoundResult",
    "Stable",
    "StopRules",
    "StopSignal",
    "Target",
    "Uncertainty",
    "decide_stop",
    "read_signals",
    "stops",
]
