"""A round with all that it may keep, for the tests of what is shown of it."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from infra.database.rounds import Round
from tasks.campaign import Campaign

BINS = [[None, 0.8, 0.95], [None, 0.7, 0.97], [0, 10, 30]]


def campaign(classes: tuple[str, ...] = ("ham", "spam"), **values: Any) -> Campaign:
    file = {
        "name": "mail",
        "classes": list(classes),
        "pool": {"uri": "s3://mail/pool/", "payload": ["text"]},
        "budget": {"labels": 1000, "money": 100.0, "currency": "USD"},
        "batch": {"size": 100},
        "vendors": [{"name": "acme", "price": 0.1}],
        "stop": {"target": {"metric": "accuracy", "value": 0.97}},
    }
    return Campaign.model_validate(file | values)


def round_of(measures: dict[str, Any] | None, state: str = "published", **values: Any) -> Round:
    empty: dict[str, Any] = {field.name: None for field in fields(Round)}
    known = {
        "round_id": 1, "campaign_id": 1, "campaign": "mail", "number": 3, "state": state, "spec": {},
        "spec_digest": "", "measures": measures, "device": "cpu", "opened_at": datetime.now(UTC), "pick_low": 0,
    }  # fmt: skip
    return Round(**empty | known | values)


def estimate(value: float | None, low: float | None = 0.9, high: float | None = 1.0) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": 40}


def full(classes: tuple[str, ...] = ("ham", "spam")) -> dict[str, Any]:
    """All that a round may keep."""
    group = {
        "auc": estimate(None), "ece": estimate(0.02), "accuracy": estimate(0.95), "log_loss": estimate(0.2, 0.1, 0.4)
    }  # fmt: skip
    point = {
        "labels": 400, "cost": 10.0, "value": 0.96, "low": 0.94, "high": 0.97, "gain": 0.01, "gain_low": -0.002,
        "gain_high": 0.02, "for": "next batch",
    }  # fmt: skip
    return {
        "counts": {
            "labels": 300, "trained": 260, "seed": 100, "audit": 40, "per_class": [130] * len(classes),
            "cold_start": None,
        },
        "estimates": {"audit": group, "holdout": group},
        "by_class": {"audit": {name: [estimate(0.9)] * len(classes) for name in ("precision", "recall")}},
        "pictures": {"audit": {"confusion": [[20, 1], [1, 18]], "reliability": BINS}},
        "decision": {"on": "holdout", "level": 0.97, "look": 3, "metrics": {"accuracy": estimate(0.95, 0.88)}},
        "forecast": {
            "metric": "accuracy", "level": 0.9, "method": "sub-sampled", "labels": 300,
            "points": [point, {**point, "labels": 1000, "value": 0.98, "for": "rest of the budget"}],
            "curve": [{"labels": 500, "value": 0.965, "low": 0.95, "high": 0.975}],
        },
        "signals": [
            {"name": "max_rounds", "fired": False, "set": False, "reason": "No cap.", "value": None, "threshold": None},
            {"name": "budget_labels", "fired": False, "set": True, "reason": "Left.", "value": 700, "threshold": 0},
            {"name": "target", "fired": True, "set": True, "reason": "Reached.", "value": 0.98, "threshold": 0.97},
        ],
        "stability": {"kappa": 0.97, "items": 2000, "uncertainty": 0.08, "changed": 0.02},
        "promotion": {
            "promoted": True, "rule": "better", "champion": 2, "difference": 0.012, "low": 0.001, "high": 0.02,
            "p": 0.003, "level": 0.95, "look": 2, "won": 9, "lost": 2, "n": 40, "sentence": "It is better.",
        },
        "drift": {"psi": {"subject": 0.3}, "psi_max": 0.3, "auc": 0.55, "auc_low": 0.5, "auc_high": 0.6},
        "rivals": {"entropy": 0.5, "random": 0.02},
        "guards": [
            {"name": "drift", "tripped": True, "overridden": True, "reason": "Moved.", "value": 0.3, "threshold": 0.25}
        ],
        "savings": {"labels": 120, "low": 40, "high": 300, "sentence": "Random would have needed 120 labels more."},
        "audit": {"labels": 40, "mode": "uniform", "train": "never", "weighted": False, "waiting": 3},
        "balance": {"bought": 200, "spent_micro": 20_000_000, "held_micro": 1_000_000},
        "pool": {
            "items": 5000, "free": 4000, "scores": [0.1, 0.4, 0.9], "measure": "margin", "predicted": [2000, 2000],
            "set_aside": [{"count": 2, "reason": "no id", "examples": ["a", "b"]}],
        },
        "predictions": {"rows": 100, "items": 5000, "missing": 4900, "sha256": "ab"},
        "leaks": ["The column label_copy gives the label away."],
        "model": {
            "kind": "stacked",
            "candidates": {
                kind: {"accuracy": 0.9, "log_loss": 0.3, "rows_per_second": 1000.0} for kind in ("linear", "stacked")
            },
            "calibration": {"method": "temperature", "before": {"ece": 0.05, "log_loss": 0.3}, "after": {"ece": 0.02}},
        },
        "weak": {
            "metrics": {"weak_coverage": 0.4, "weak/has_link/coverage": 0.4},
            "report": {
                "functions": [
                    {
                        "name": "has_link", "classes": ["spam"], "coverage": 0.4, "overlap": 0.1, "conflict": 0.0,
                        "accuracy": 0.8, "low": 0.7, "high": 0.9, "labelled": 20, "right": 16, "error": None,
                        "failed_rows": 0, "disabled": False,
                    }
                ]
            },
        },
    }  # fmt: skip


def picks(n: int = 12, item: str = "item") -> list[dict[str, Any]]:
    """A batch: chosen by a model, drawn by a share, drawn to measure, asked again."""
    kinds = [
        ("work", {"part": "margin", "rank": 1, "cluster": 4}, 0.9),
        ("work", {"part": "random", "probability": 0.002}, 0.1),
        ("audit", {"audit": "drawn at random to measure", "probability": 0.01}, None),
        ("relabel", {"strategy": "relabel"}, None),
    ]
    rows = []
    for place in range(n):
        kind, reason, score = kinds[place % len(kinds)]
        rows.append(
            {"item_id": f"{item} {place}", "kind": kind, "rank": place, "score": score, "reason": reason}
        )
    return rows


DOUBTS = [
    {
        "item_id": "a7", "kind": "work", "label": "ham", "suggested": "spam", "label_probability": 0.1,
        "suggested_probability": 0.9, "why": "Much like spam.",
    }
]  # fmt: skip
