"""What is known of the model, and whether to go on."""

from tasks.evaluation.active import active_draw, active_means, lure, lure_weights
from tasks.evaluation.by_class import by_class
from tasks.evaluation.curves import area_under_curve, labels_to_reach
from tasks.evaluation.estimate import LOSSES, METRICS, Estimate, estimate
from tasks.evaluation.paired import Comparison, compare, mcnemar
from tasks.evaluation.prediction_powered import active_ppi, narrowed, ppi
from tasks.evaluation.sequence import confidence_sequence, look_level
from tasks.evaluation.stop import (
    BudgetState,
    Evidence,
    Gain,
    Plateau,
    RoundResult,
    Stable,
    StopRules,
    StopSignal,
    Target,
    Uncertainty,
    decide_stop,
    read_signals,
    stops,
)
from tasks.evaluation.tables import Reliability, confusion, reliability

__all__ = [
    "LOSSES",
    "METRICS",
    "BudgetState",
    "Comparison",
    "Estimate",
    "Evidence",
    "Gain",
    "Plateau",
    "Reliability",
    "RoundResult",
    "Stable",
    "StopRules",
    "StopSignal",
    "Target",
    "Uncertainty",
    "active_draw",
    "active_means",
    "active_ppi",
    "area_under_curve",
    "by_class",
    "compare",
    "confidence_sequence",
    "confusion",
    "decide_stop",
    "estimate",
    "labels_to_reach",
    "look_level",
    "lure",
    "lure_weights",
    "mcnemar",
    "narrowed",
    "ppi",
    "read_signals",
    "reliability",
    "stops",
]
