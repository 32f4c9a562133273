from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics

from tasks.campaign.values import METRICS_OF_TASK
from tasks.evaluation import (
    LOSSES,
    METRICS,
    Estimate,
    Evidence,
    Gain,
    Plateau,
    RoundResult,
    StopRules,
    Target,
    decide_stop,
    estimate,
)

CHOICES = METRICS_OF_TASK["classification"]


def make(n: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    z = rng.normal(size=(n, n_classes))
    z[np.arange(n), y] += 1.5
    p = np.exp(z)
    return p / p.sum(axis=1, keepdims=True), y


def fired(rules: StopRules, evidence: Evidence) -> set[str]:
    return {signal.name for signal in decide_stop(rules, evidence) if signal.fired}


def test_a_campaign_may_stop_by_what_is_measured():
    assert set(CHOICES) == {
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "auc",
        "average_precision",
        "log_loss",
    }
    assert set(CHOICES) <= set(METRICS)


@pytest.mark.parametrize("metric", CHOICES)
def test_the_target_asks_for_the_worse_end_of_each_metric(metric):
    found = Estimate(0.5, 0.4, 0.6, 100)
    reached = {
        value
        for value in (0.3, 0.4, 0.5, 0.6, 0.7)
        if fired(StopRules(Target(metric, value)), Evidence(decision={metric: found}))
    }
    assert reached == ({0.6, 0.7} if metric in LOSSES else {0.3, 0.4})


@pytest.mark.parametrize("metric", CHOICES)
def test_a_plateau_is_little_forecast_gain_of_each_metric(metric):
    rules = StopRules(plateau=Plateau(metric, rounds=1, min_gain=0.01))

    def after(high: float) -> set[str]:
        gain = Gain(metric, high / 2, 0.0, high, labels=100)
        return fired(rules, Evidence([RoundResult(1, 100, gain=gain)]))

    assert after(0.05) == set()
    assert after(0.005) == {"plateau"}


@pytest.mark.parametrize("absent", [(), (0,), (1, 3)])
@pytest.mark.parametrize("n_classes", [4, 12])
def test_ranking_metrics_average_the_classes_that_are_there(absent, n_classes):
    p, y = make(200, n_classes)
    kept = ~np.isin(y, absent)
    p, y = p[kept], y[kept]
    present = np.unique(y)
    hot = y[:, None] == present
    found = estimate(p, y)
    assert found["auc"].value == pytest.approx(metrics.roc_auc_score(hot, p[:, present], average="macro"))
    assert found["average_precision"].value == pytest.approx(
        metrics.average_precision_score(hot, p[:, present], average="macro")
    )


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("label", [0, 1])
def test_ranking_is_unknown_where_all_audited_items_are_of_one_class(n_classes, label):
    p, _ = make(50, n_classes)
    found = estimate(p, np.full(50, label))
    for name in ("auc", "average_precision"):
        assert math.isnan(found[name].value)
        assert (found[name].low, found[name].high) == (0, 1)
        assert fired(StopRules(Target(name, 0.1)), Evidence(decision=found)) == set()
    assert found["balanced_accuracy"].value == pytest.approx(found["accuracy"].value)


def test_one_rare_item_that_ranks_first_proves_no_ranking():
    p, y = np.column_stack([np.full(100, 0.9), np.full(100, 0.1)]), np.zeros(100, np.int64)
    p[7], y[7] = (0.2, 0.8), 1
    found = estimate(p, y)
    assert found["auc"].value == found["average_precision"].value == 1
    assert found["auc"].low < 0.5
    assert found["average_precision"].low < 0.5


def test_a_few_right_answers_prove_no_low_loss():
    def upper(n: int) -> float:
        p = np.tile([0.999, 0.001], (n, 1))
        return estimate(p, np.zeros(n, np.int64))["log_loss"].high

    assert upper(5) > 1
    assert upper(5) > upper(50) > upper(5000)
    assert upper(5000) < 0.02
