"""What is known of the model, and whether to go on."""

from tasks.evaluation.curves import area_under_curve, labels_to_reach
from tasks.evaluation.estimate import LOSSES, METRICS, Estimate, Reliability, confusion, estimate, reliability
from tasks.evaluation.paired import mcnemar, paired_better
from tasks.evaluation.stop import (
    BudgetState,
    Plateau,
    RoundResult,
    StopRules,
    StopSignal,
    Target,
    decide_stop,
)

__all__ = [
    "LOSSES",
    "METRICS",
    "BudgetState",
    "Estimate",
    "Plateau",
    "Reliability",
    "RoundResult",
    "StopRules",
    "StopSignal",
    "Target",
    "area_under_curve",
    "confusion",
    "decide_stop",
    "estimate",
    "labels_to_reach",
    "mcnemar",
    "paired_better",
    "reliability",
]
