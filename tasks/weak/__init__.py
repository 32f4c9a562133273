"""Weak supervision: labeling functions, what to believe of their votes, and what they teach a model."""

from tasks.weak.examples import WeakRows, trust_in, weak_examples, weak_rows, weak_weight
from tasks.weak.functions import labeling_function
from tasks.weak.label_model import LabelModel, fit_label_model
from tasks.weak.report import FunctionReport, WeakReport, weak_report
from tasks.weak.runner import Failure, Runner
from tasks.weak.scan import Scan, scan
from tasks.weak.votes import VoteCounts, as_annotations

__all__ = [
    "Failure",
    "FunctionReport",
    "LabelModel",
    "Runner",
    "Scan",
    "VoteCounts",
    "WeakReport",
    "WeakRows",
    "as_annotations",
    "fit_label_model",
    "labeling_function",
    "scan",
    "trust_in",
    "weak_examples",
    "weak_report",
    "weak_rows",
    "weak_weight",
]
