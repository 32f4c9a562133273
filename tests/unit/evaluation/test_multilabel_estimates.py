from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from tasks.errors import UsageError
from tasks.evaluation import Evidence, StopRules, Target, decide_stop, reliability
from tasks.evaluation.multilabel import (
    METRICS_OF_A_LABEL,
    METRICS_OF_SETS,
    compare_sets,
    estimate_sets,
    label_counts,
    pairs,
)


def make(n: int, n_labels: int, seed: int = 0, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Labels that come together, of different frequency."""
    rng = np.random.default_rng(seed)
    bias = np.linspace(0, -1.2, n_labels)
    z = rng.normal(size=(n, n_labels)) + 0.7 * rng.normal(size=(n, 1)) + bias
    Y = (z > 0).astype(np.int8)
    p = 1 / (1 + np.exp(-(skill * z + rng.normal(size=z.shape))))
    return np.round(p, 2), Y  # rounded: ties


@given(st.integers(0, 30), st.sampled_from([1, 3, 6]), st.sampled_from([60, 150]))
@settings(max_examples=25)
def test_values_are_those_of_scikit_learn(seed, n_labels, n):
    p, Y = make(n, n_labels, seed)
    if ((Y.sum(axis=0) == 0) | (Y.sum(axis=0) == n)).any():
        return
    weight = np.random.default_rng(seed).uniform(0.5, 3, n)
    found = estimate_sets(p, Y, weight=weight)
    said, options = (p >= 0.5).astype(int), {"sample_weight": weight}
    clipped = np.clip(p, np.finfo(np.float32).eps, 1 - np.finfo(np.float32).eps)
    losses = [metrics.log_loss(Y[:, k], clipped[:, k], labels=[0, 1], **options) for k in range(n_labels)]
    precisions = [metrics.average_precision_score(Y[:, k], p[:, k], **options) for k in range(n_labels)]
    f1 = (
        metrics.f1_score(Y, said, average=None, **options)
        if n_labels > 1
        else [metrics.f1_score(Y, said, **options)]
    )
    expected = {
        "micro_f1": metrics.f1_score(Y.ravel(), said.ravel(), sample_weight=np.repeat(weight, n_labels)),
        "macro_f1": np.mean(f1),
        "hamming_accuracy": 1 - metrics.hamming_loss(Y, said, **options),
        "subset_accuracy": metrics.accuracy_score(Y, said, **options),
        "mean_average_precision": np.mean(precisions),
        "log_loss": np.mean(losses),
    }
    assert {name: one.value for name, one in found.overall.items()} == pytest.approx(expected, abs=1e-6)
    for k, one in enumerate(found.per_label):
        assert tuple(one) == METRICS_OF_A_LABEL
        assert [one[name].value for name in METRICS_OF_A_LABEL] == pytest.approx(
            [f1[k], precisions[k], losses[k]], abs=1e-6
        )
    expected_counts = (
        metrics.multilabel_confusion_matrix(Y, said)[:, [1, 0, 1, 0], [1, 1, 0, 0]] if n_labels > 1 else None
    )
    if expected_counts is not None:
        assert found.counts.tolist() == expected_counts.tolist()
    assert (found.counts.sum(axis=1) == n).all()


@given(st.integers(0, 12), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=60)
def test_any_audit_gives_sane_estimates(n, n_labels, seed):
    rng = np.random.default_rng(seed)
    p = rng.choice([0, 0.1, 0.5, 0.9, 1], (n, n_labels))
    Y = (rng.random((n, n_labels)) < rng.choice([0, 0.5, 1], n_labels)).astype(np.int8)
    found = estimate_sets(p, Y)
    assert tuple(found.overall) == METRICS_OF_SETS
    assert len(found.per_label) == len(found.counts) == n_labels
    for values in (found.overall, *found.per_label):
        for name, one in values.items():
            top = math.inf if name == "log_loss" else 1
            assert one.n == n
            assert 0 <= one.low <= one.high <= top
            assert math.isnan(one.value) or one.low - 1e-12 <= one.value <= one.high + 1e-12
    if n:
        for name in ("hamming_accuracy", "subset_accuracy", "log_loss"):
            assert not math.isnan(found.overall[name].value)


def test_no_error_seen_is_no_certainty():
    rng = np.random.default_rng(0)
    Y = (rng.random((60, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(np.int8)
    found = estimate_sets(np.where(Y == 1, 0.95, 0.05), Y)
    for name in METRICS_OF_SETS[:5]:
        assert found.overall[name].value == 1
        assert 0.4 < found.overall[name].low < 0.96
    # A mean over labels is no surer than the rarest of them.
    assert (
        found.overall["macro_f1"].low < found.overall["micro_f1"].low < found.overall["hamming_accuracy"].low
    )
    # None of 60: mid-P's upper end of the number of errors is -ln .05, and one would cost -ln .05.
    loss = found.overall["log_loss"]
    assert loss.high == pytest.approx(loss.value + math.log(0.05) ** 2 / 60, rel=1e-6)
    lows = [one["f1"].low for one in found.per_label]
    assert lows == sorted(lows, reverse=True)  # the rarer, the less is known


def test_intervals_cover():
    p, Y = make(20_000, 4, seed=9)
    truth = estimate_sets(p, Y).overall
    rng, covered = np.random.default_rng(1), dict.fromkeys(METRICS_OF_SETS, 0)
    for _ in range(150):
        rows = rng.choice(20_000, 150, replace=False)
        for name, one in estimate_sets(p[rows], Y[rows]).overall.items():
            covered[name] += one.low <= truth[name].value <= one.high
    assert {name: n for name, n in covered.items() if n / 150 < 0.88} == {}


def test_weights_undo_a_biased_draw():
    p, Y = make(20_000, 3, seed=2)
    truth = estimate_sets(p, Y).overall["micro_f1"].value
    share = np.where(np.abs(p - 0.5).min(axis=1) < 0.1, 0.5, 0.05)
    drawn = np.random.default_rng(0).random(20_000) < share
    plain = estimate_sets(p[drawn], Y[drawn]).overall["micro_f1"].value
    weighed = estimate_sets(p[drawn], Y[drawn], weight=1 / share[drawn]).overall["micro_f1"]
    assert abs(plain - truth) > 0.02
    assert weighed.low <= truth <= weighed.high


def test_the_order_of_items_and_labels_does_not_matter():
    p, Y = make(80, 3)
    items, labels = np.random.default_rng(0).permutation(80), [2, 0, 1]
    found, other = estimate_sets(p, Y), estimate_sets(p[items][:, labels], Y[items][:, labels])
    for name, one in found.overall.items():
        same = other.overall[name]
        assert (same.value, same.low, same.high) == pytest.approx((one.value, one.low, one.high)), name
    assert other.per_label[0]["f1"] == found.per_label[2]["f1"]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_higher_level_is_wider(weighted):
    p, Y = make(120, 3, seed=4)
    weight = np.random.default_rng(0).choice([1.0, 5.0], 120) if weighted else None
    found = [estimate_sets(p, Y, weight=weight, level=level) for level in (0.8, 0.95, 0.9999)]
    for narrow, wide in pairwise(found):
        for own, other in zip(
            (narrow.overall, *narrow.per_label), (wide.overall, *wide.per_label), strict=True
        ):
            for name in own:
                assert other[name].low < own[name].low <= own[name].value
                assert own[name].value <= own[name].high <= other[name].high


def test_precision_and_recall_of_each_label():
    p, Y = make(300, 3)
    found, said = estimate_sets(p, Y).by_class, p >= 0.5
    for label in range(3):
        hits = (said[:, label] & (Y[:, label] == 1)).sum()
        assert found["precision"][label].value == pytest.approx(hits / said[:, label].sum())
        assert found["recall"][label].value == pytest.approx(hits / Y[:, label].sum())
        assert found["recall"][label].n == Y[:, label].sum()
    nobody = estimate_sets(np.full((9, 1), 0.1), np.zeros((9, 1), np.int8)).by_class["precision"][0]
    assert (math.isnan(nobody.value), nobody.low, nobody.high, nobody.n) == (True, 0, 1, 0)


def test_stop_rules_read_the_estimates():
    p, Y = make(400, 3, skill=6)
    found = estimate_sets(p, Y).overall
    for metric, value, fires in (
        ("micro_f1", 0.5, True),
        ("subset_accuracy", 0.999, False),
        ("log_loss", 5.0, True),
    ):
        signals = decide_stop(StopRules(target=Target(metric, value)), Evidence(decision=found))
        assert {one.name: one.fired for one in signals}["target"] is fires


def test_pairs_make_a_reliability_diagram():
    p, Y = make(300, 3)
    proba, y = pairs(p, Y)
    assert proba.shape == (900, 2)
    diagram = reliability(proba, y)
    assert diagram.count.sum() == 900
    right = ((p >= 0.5) == Y).mean()
    # Of equals argmax takes the first class, and a label is predicted from .5 on.
    assert np.nansum(diagram.accuracy * diagram.count) / 900 == pytest.approx(right, abs=(p == 0.5).mean())
    assert label_counts(p, Y)[:, [0, 3]].sum() / 900 == pytest.approx(right)


def test_a_model_is_better_by_items_on_which_it_is_less_wrong():
    rng = np.random.default_rng(0)
    Y = (rng.random((200, 5)) < 0.3).astype(np.int8)
    good = np.where(Y == 1, 0.8, 0.2)
    worse = good.copy()
    worse[:30, 0] = 1 - worse[:30, 0]
    assert compare_sets(Y, good, worse).p < 1e-6
    assert compare_sets(Y, worse, good).p == compare_sets(Y, good, good).p == 1
    few = good.copy()
    few[:4, 0] = 1 - few[:4, 0]
    assert compare_sets(Y, good, few).p == pytest.approx(0.5**4)
    found = compare_sets(Y, good, worse)
    assert (found.won, found.lost, found.n, found.difference) == (30, 0, 200, pytest.approx(0.15))
    assert 0.1 < found.low < 0.15 < found.high < 0.21


@pytest.mark.parametrize(
    ("p", "Y", "weight"),
    [
        ([[0.5, 0.5]], [[0, 2]], None),
        ([[0.5, np.nan]], [[0, 1]], None),
        ([[1.5, 0.5]], [[0, 1]], None),
        ([[0.5]], [[0, 1]], None),
        ([[0.5, 0.5]], [[0, 1]], [0.0]),
    ],
)
def test_wrong_input_is_refused(p, Y, weight):
    with pytest.raises(UsageError):
        estimate_sets(p, Y, weight=weight)


def test_many_labels_take_little_time():
    p, Y = make(400, 200)
    found = estimate_sets(p, Y)
    assert len(found.per_label) == 200
    assert found.overall["micro_f1"].low < found.overall["micro_f1"].high
