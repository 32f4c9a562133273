from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tasks.errors import UsageError
from tasks.evaluation import (
    METRICS,
    area_under_curve,
    confusion,
    estimate,
    labels_to_reach,
    mcnemar,
    reliability,
)
from tasks.evaluation.intervals import mover, wilson


def make(n: int, n_classes: int, seed: int = 0, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    z = rng.normal(size=(n, n_classes))
    z[np.arange(n), y] += skill
    p = np.round(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), 2) + 1e-4  # rounded: ties
    return p / p.sum(axis=1, keepdims=True), y


@given(st.integers(0, 30), st.sampled_from([2, 3, 7]), st.sampled_from([40, 150]))
@settings(max_examples=25, deadline=None)
def test_values_are_those_of_scikit_learn(seed, n_classes, n):
    p, y = make(n, n_classes, seed)
    if len(np.unique(y)) < n_classes:
        return
    weight = np.random.default_rng(seed).uniform(0.5, 3, n)
    found = {name: one.value for name, one in estimate(p, y, weight=weight).items()}
    said, options = p.argmax(axis=1), {"sample_weight": weight}
    scores, hot = (p[:, 1], y) if n_classes == 2 else (p, np.eye(n_classes)[y])
    expected = {
        "accuracy": metrics.accuracy_score(y, said, **options),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, said, **options),
        "macro_f1": metrics.f1_score(y, said, average="macro", **options),
        "log_loss": metrics.log_loss(y, p, labels=range(n_classes), **options),
        "auc": metrics.roc_auc_score(hot, scores, **options),
        "average_precision": metrics.average_precision_score(hot, scores, **options),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=12),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_any_audit_gives_sane_estimates(rows, seed):
    palette = np.array([[1, 0, 0], [0, 1, 0], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0, 0.5, 0.5]])
    y = np.array([truth for truth, _ in rows], np.int64)
    p = palette[np.array([kind for _, kind in rows], np.int64)].reshape(-1, 3)
    found = estimate(p, y)
    assert tuple(found) == METRICS
    for name, one in found.items():
        top = math.inf if name == "log_loss" else 1
        assert one.n == len(rows)
        assert 0 <= one.low <= one.high <= top
        assert math.isnan(one.value) or one.low <= one.value <= one.high
        if not rows or (name in ("auc", "average_precision") and len(set(y)) < 2):
            assert math.isnan(one.value)
        else:
            assert not math.isnan(one.value)


def test_no_error_seen_is_no_certainty():
    y = np.arange(30) % 2
    p = np.where(np.eye(2)[y] == 1, 0.95, 0.05)
    found = estimate(p, y)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "auc", "average_precision"):
        assert found[name].value == 1
        assert 0.6 < found[name].low < 0.95


def test_the_same_items_give_the_same_interval():
    p, y = make(100, 3)
    assert estimate(p, y) == estimate(p, y)
    assert estimate(p, y) != estimate(*make(100, 3, seed=5))


def test_intervals_cover():
    p, y = make(20_000, 3, seed=9)
    truth = estimate(p, y)
    rng, covered = np.random.default_rng(1), dict.fromkeys(METRICS, 0)
    for _ in range(200):
        rows = rng.choice(20_000, 150, replace=False)
        for name, one in estimate(p[rows], y[rows]).items():
            covered[name] += one.low <= truth[name].value <= one.high
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "auc", "average_precision"):
        assert covered[name] / 200 >= 0.88, name


def test_weights_undo_a_biased_draw():
    p, y = make(40_000, 2, seed=2)
    truth = estimate(p, y)["accuracy"].value
    share = np.where(p.max(axis=1) < 0.8, 0.5, 0.05)
    drawn = np.random.default_rng(0).random(40_000) < share
    plain = estimate(p[drawn], y[drawn])["accuracy"].value
    weighed = estimate(p[drawn], y[drawn], weight=1 / share[drawn])["accuracy"]
    assert abs(plain - truth) > 0.05
    assert weighed.low <= truth <= weighed.high


@pytest.mark.parametrize(
    ("p", "y", "weight"),
    [
        ([[0.5, 0.5]], [2], None),
        ([[0.5, np.nan]], [0], None),
        ([[0.5, 0.5]], [0, 1], None),
        ([[0.5, 0.5]], [0], [-1.0]),
    ],
)
def test_wrong_input_is_refused(p, y, weight):
    with pytest.raises(UsageError):
        estimate(p, y, weight=weight)


@given(st.floats(0, 1), st.integers(1, 5000))
def test_wilson_holds_the_share_and_narrows(rate, n):
    low, high = wilson(rate, n)
    assert 0 <= low <= rate <= high <= 1
    wider = wilson(rate, n / 2)
    assert wider[1] - wider[0] >= high - low


def test_wilson_and_mover_by_hand():
    assert wilson(0.9, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)  # Wilson 1927; Newcombe 1998
    assert mover([0.9], [(0.82, 0.94)]) == pytest.approx((0.82, 0.94))
    assert mover([0.9, 0.7], [(0.87, 0.92), (0.66, 0.74)]) == pytest.approx(
        (0.775, 0.8 + math.hypot(0.02, 0.04) / 2)
    )


def test_confusion_counts():
    p = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.9, 0], [0, 0, 1]])
    assert confusion(p, [0, 0, 1, 1], 3).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    with pytest.raises(UsageError):
        confusion(p, [0, 0, 1, 1], 2)


def test_reliability_bins():
    p = np.array([[0.55, 0.45], [0.45, 0.55], [0.95, 0.05], [1.0, 0.0]])
    found = reliability(p, [0, 0, 0, 0], bins=10)
    assert found.count.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert found.accuracy[[5, 9]].tolist() == [0.5, 1]
    assert found.confidence[[5, 9]] == pytest.approx([0.55, 0.975])
    assert np.isnan(found.accuracy[0])
    assert reliability(np.zeros((0, 2)), [], bins=4).count.tolist() == [0] * 4


# --- paired ---


def test_the_exact_test_counts_what_only_one_gets_right():
    y = np.zeros(100, int)
    assert mcnemar(y, y, np.where(np.arange(100) < 5, 1, y)) == pytest.approx(0.5**5)
    assert mcnemar(y, y, y) == 1
    assert mcnemar(y, np.ones(100, int), y) == 1
    with pytest.raises(UsageError):
        mcnemar(y, y, y[:3])


# --- curves ---


@pytest.mark.parametrize(
    ("target", "labels"),
    [(0.5, 100), (0.8, 100), (0.85, 150), (0.9, 200), (0.92, 340), (0.95, 400), (0.96, None)],
)
def test_labels_to_reach(target, labels):
    found = labels_to_reach([100, 200, 300, 400], [0.8, 0.9, 0.9, 0.95], target)
    assert found == (None if labels is None else pytest.approx(labels))


def test_labels_to_reach_takes_the_first_time_and_skips_gaps():
    assert labels_to_reach([1, 2, 3, 4], [0.5, 0.9, 0.6, 0.9], 0.9) == 2
    assert labels_to_reach([1, 2, 3], [0.5, math.nan, 0.9], 0.7) == pytest.approx(2)
    assert labels_to_reach([1, 3], [0.9, 0.5], 0.7, higher_is_better=False) == pytest.approx(2)
    assert labels_to_reach([], [], 0.7) is None
    with pytest.raises(UsageError):
        labels_to_reach([2, 1], [0.5, 0.6], 0.5)


def test_area_under_curve():
    assert area_under_curve([0, 100, 300], [0.5, 0.7, 0.9]) == pytest.approx((60 + 160) / 300)
    assert area_under_curve([100, 500], [0.8, 0.8]) == pytest.approx(0.8)
    assert area_under_curve([100], [0.8]) == 0.8
    assert math.isnan(area_under_curve([], []))
