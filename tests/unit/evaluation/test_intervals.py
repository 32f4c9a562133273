from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from tasks.errors import UsageError
from tasks.evaluation import METRICS, by_class, compare, estimate, mcnemar, measures
from tasks.evaluation.ece import _distance
from tasks.evaluation.influence import of_f1, of_ranking, of_recalls
from tasks.evaluation.intervals import mid_p, share, skewed
from tasks.evaluation.paired import compare_signs, tango

LEVELS = (0.5, 0.9, 0.95, 0.9999)


def make(n: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    z = rng.normal(size=(n, n_classes))
    z[np.arange(n), y] += 1.5
    p = np.exp(z)
    return p / p.sum(axis=1, keepdims=True), y


def weights(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice([1.0, 5.0], n)


@given(st.integers(1, 200), st.floats(0, 1), st.sampled_from(LEVELS))
@settings(max_examples=40, deadline=None)
def test_mid_p_lies_inside_clopper_and_pearson_and_is_half_of_each_tail(n, part, level):
    hits = round(part * n)
    low, high = mid_p(hits, n, level)
    exact = stats.binomtest(hits, n).proportion_ci(level, "exact")
    assert exact.low - 1e-9 <= low <= hits / n <= high <= exact.high + 1e-9
    tail = (1 - level) / 2
    if hits > 0:
        beyond = stats.binom.sf(hits, n, low) + stats.binom.pmf(hits, n, low) / 2
        assert beyond == pytest.approx(tail, rel=1e-5)
    mirrored = mid_p(n - hits, n, level)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


def test_rare_errors_of_equal_weight_are_a_poisson_number():
    e = np.zeros(100_000)
    e[:3] = 1
    low, high = skewed(3e-5, (e - 3e-5) / 1e5, 1e-5)
    expected = [
        stats.poisson.sf(3, low * 1e5) + stats.poisson.pmf(3, low * 1e5) / 2,
        stats.poisson.cdf(2, high * 1e5) + stats.poisson.pmf(3, high * 1e5) / 2,
    ]
    assert expected == pytest.approx([0.025, 0.025], rel=1e-2)


def test_symmetric_losses_have_students_interval():
    loss = np.random.default_rng(0).normal(size=5000)
    loss = np.concatenate([loss, -loss]) + 7
    low, high = skewed(7.0, (loss - 7) / len(loss), 0.0)
    half = stats.t.ppf(0.975, len(loss)) * loss.std(ddof=1) / np.sqrt(len(loss))
    # The largest item moves both ends up by half of what it adds.
    assert high - low == pytest.approx(2 * half, rel=0.01)
    assert (low + high) / 2 == pytest.approx(7, abs=0.02 * half)


@given(st.integers(0, 10**6), st.integers(2, 60), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_share_holds_its_value_and_its_mirror_image(seed, n, equal):
    rng = np.random.default_rng(seed)
    wrong, w = (rng.random(n) < rng.random()).astype(float), np.ones(n) if equal else weights(n, seed)
    rate = w @ wrong / w.sum()
    ends = [share(wrong, w, w.max(), level) for level in LEVELS]
    for narrow, wide in pairwise(ends):
        assert 0 <= wide[0] <= narrow[0] <= rate + 1e-12
        assert rate - 1e-12 <= narrow[1] <= wide[1] <= 1
    if rate != 0.5:
        low, high = share(1 - wrong, w, w.max())
        assert (1 - high, 1 - low) == pytest.approx(share(wrong, w, w.max()), abs=1e-9)


def test_nothing_known_of_a_share_is_the_whole_range():
    assert share(np.zeros(0), np.zeros(0), 1.0) == mid_p(0, 0) == (0, 1)
    with pytest.raises(UsageError, match="level"):
        mid_p(1, 2, 1.0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_intervals_of_all_metrics_nest_and_hold_their_value(n_classes, weighted):
    p, y = make(150, n_classes)
    w = weights(150) if weighted else None
    found = [estimate(p, y, weight=w, level=level) for level in LEVELS]
    for name in METRICS:
        for narrow, wide in pairwise(one[name] for one in found):
            assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high
        assert found[-1][name].high - found[-1][name].low > 1.25 * (found[2][name].high - found[2][name].low)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_neither_the_order_of_items_nor_of_classes_nor_the_unit_of_weights_matters(n_classes):
    p, y = make(120, n_classes, seed=3)
    w = weights(120)
    items, names = np.random.default_rng(1).permutation(120), np.arange(n_classes)
    if n_classes > 2:  # The AUC of two classes is that of the second.
        names = np.array([2, 0, 3, 1])
    found = estimate(p, y, weight=w)
    other = estimate(p[items][:, names], np.argsort(names)[y[items]], weight=9 * w[items])
    for name in METRICS:
        expected = (found[name].value, found[name].low, found[name].high)
        assert (other[name].value, other[name].low, other[name].high) == pytest.approx(expected), name
    for name, values in by_class(p, y, weight=w).items():
        permuted = by_class(p[:, names], np.argsort(names)[y], weight=w)[name]
        assert [permuted[place] for place in np.argsort(names)] == values


def test_equal_weights_are_none():
    p, y = make(90, 3)
    plain, weighed = estimate(p, y), estimate(p, y, weight=np.full(90, 4.0))
    for name in METRICS:
        assert weighed[name].low == pytest.approx(plain[name].low)
        assert weighed[name].high == pytest.approx(plain[name].high)


def test_by_class_counts():
    p, y = make(200, 3)
    said, found = p.argmax(axis=1), by_class(p, y)
    for label in range(3):
        hits = int(np.sum((said == label) & (y == label)))
        for name, n in (("precision", np.sum(said == label)), ("recall", np.sum(y == label))):
            one = found[name][label]
            assert (one.n, one.value) == (n, pytest.approx(hits / n))
            assert (one.low, one.high) == pytest.approx(mid_p(hits, n))


def test_a_class_that_was_not_seen_leaves_the_mean_open():
    p, y = make(100, 3)
    kept = y != 2
    seen, of_recall = estimate(p[kept], y[kept])["balanced_accuracy"], by_class(p[kept], y[kept])
    assert seen.low < seen.value - seen.value / 3
    assert (of_recall["recall"][2].low, of_recall["recall"][2].high, of_recall["recall"][2].n) == (0, 1, 0)


def test_influences_are_the_derivatives_of_the_metric_by_the_weights():
    p, y = make(60, 2)
    w, step = weights(60), 1e-6
    parts = dict(of_ranking(p[:, 1], y == 1, w))
    moved = np.vstack([w, w + step * np.eye(60) * w])
    for values, name in zip(measures.ranking(p, y, moved), ("auc", "average_precision"), strict=True):
        slopes = (values[1:] - values[0]) / step
        assert abs(parts[name].influence.sum()) < 1e-9
        largest = int(np.abs(slopes).argmax())
        # All are raised alike, for few items.
        raised = -parts[name].influence[largest] / slopes[largest]
        assert 1 <= raised < 1.1
        assert -parts[name].influence == pytest.approx(raised * slopes, abs=1e-6)


def test_the_jackknife_leaves_each_item_out():
    p, y = make(40, 4)
    said, w = p.argmax(axis=1), weights(40)
    for take, name in ((of_recalls, "balanced_accuracy"), (of_f1, "macro_f1")):
        whole = estimate(p, y, weight=w)[name].value
        left = [
            estimate(np.delete(p, one, 0), np.delete(y, one), weight=np.delete(w, one))[name].value
            for one in range(0, 40, 7)
        ]
        found = take(said, y, w, 4)
        assert found.loss == pytest.approx(1 - whole)
        # The influences are centred.
        apart = whole - np.array(left)
        assert np.diff(-found.influence[::7]) == pytest.approx(np.diff(apart), abs=1e-9)


# --- calibration ---


@given(st.integers(1, 40), st.integers(0, 1000).map(lambda k: k / 1000), st.floats(0, 0.999))
@settings(max_examples=40, deadline=None)
def test_the_mean_distance_of_a_binomial_number(n, rate, place):
    x = np.arange(n + 1)
    expected = stats.binom.pmf(x, n, rate) @ np.abs(x / n - place)
    found = _distance(np.array([rate]), np.array([float(n)]), np.array([place]))
    assert found[0] == pytest.approx(expected, abs=1e-9)


def test_a_calibrated_model_is_not_blamed_for_noise():
    rng = np.random.default_rng(0)
    plug_in, low, value = [], [], []
    for _ in range(60):
        top = rng.uniform(0.5, 1, 150)
        p = np.column_stack([top, 1 - top])
        y = (rng.random(150) > top).astype(np.int64)
        plug_in.append(measures.calibration_error(p, y, np.ones((1, 150)))[0])
        one = estimate(p, y)["ece"]
        low.append(one.low)
        value.append(one.value)
    assert np.mean(plug_in) > 0.05
    assert np.mean(value) < np.mean(plug_in) / 2
    assert np.mean(np.array(low) == 0) >= 0.9


def test_a_model_that_claims_too_much_is_blamed():
    p = np.tile([0.99, 0.01], (300, 1))
    y = (np.arange(300) % 4 == 0).astype(np.int64)
    one = estimate(p, y)["ece"]
    assert 0.18 < one.low < one.value == pytest.approx(0.24, abs=0.01)
    assert one.value < one.high < 0.31


# --- paired ---


@pytest.mark.parametrize(("won", "lost", "n"), [(9, 3, 100), (1, 0, 44), (0, 0, 50), (20, 35, 80)])
def test_tangos_ends_are_where_the_score_test_just_rejects(won, lost, n):
    for end, side in zip(tango(won, lost, n), (1, -1), strict=True):

        def unlikely(share_lost: float, end: float = end) -> float:
            cells = share_lost + end, share_lost, 1 - 2 * share_lost - end
            seen = won, lost, n - won - lost
            return -sum(k * np.log(max(cell, 1e-300)) for k, cell in zip(seen, cells, strict=True) if k)

        bounds = max(0.0, -end), (1 - end) / 2
        likeliest = optimize.minimize_scalar(
            unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-10}
        )
        variance = n * (2 * likeliest.x + end - end**2)
        assert (won - lost - n * end) / np.sqrt(variance) == pytest.approx(side * 1.96, abs=1e-3)


@given(st.integers(0, 10**6), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_comparison_turns_round(seed, equal):
    rng = np.random.default_rng(seed)
    p, y = make(60, 3, seed)
    other = p.copy()
    mixed = rng.choice(60, 20, replace=False)
    other[mixed] = rng.dirichlet(np.ones(3), 20)
    w = None if equal else weights(60, seed)
    one, back = compare(y, p, other, weight=w), compare(y, other, p, weight=w)
    assert (one.won, one.lost, one.n) == (back.lost, back.won, 60)
    assert (one.difference, one.low, one.high) == pytest.approx((-back.difference, -back.high, -back.low))
    right = p.argmax(axis=1) == y, other.argmax(axis=1) == y
    if equal:
        assert one.difference == pytest.approx(right[0].mean() - right[1].mean())
        assert one.p == pytest.approx(mcnemar(y, p.argmax(axis=1), other.argmax(axis=1)))
    wide = compare(y, p, other, weight=w, level=0.999)
    assert wide.low <= one.low <= one.difference <= one.high <= wide.high


def test_no_items_tell_nothing_apart():
    found = compare_signs([])
    assert (found.low, found.high, found.p, found.n) == (-1, 1, 1, 0)
    with pytest.raises(UsageError):
        compare([0], [[0.5, 0.5]], [[0.3, 0.3, 0.4]])
