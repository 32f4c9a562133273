"""Agreement of successive models, and drift of the pool."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from tasks.errors import UsageError
from tasks.evaluation.drift import auc_of_psi, drift, noise_level, psi
from tasks.evaluation.stability import changed_share, kappa, mean_uncertainty, predictions, stability

codes = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.int64, n, elements=st.integers(0, 3))] * 2)
)
columns = hnp.arrays(
    np.float64, st.integers(1, 60), elements=st.one_of(st.just(np.nan), st.integers(-3, 3).map(float), st.floats(-9, 9))
)  # fmt: skip


@given(codes, st.permutations(range(4)))
@settings(deadline=None, max_examples=50)
def test_kappa_is_symmetric_and_does_not_care_for_the_order_of_classes(pair, order):
    one, other = pair
    found = kappa(one, other)
    assert found == pytest.approx(kappa(other, one))
    renamed = np.array(order)
    assert found == pytest.approx(kappa(renamed[one], renamed[other]))
    assert -1 <= found <= 1
    assert kappa(one, one) == 1
    assert changed_share(one, other) == np.mean(one != other)
    if found < 1:
        assert found == pytest.approx(cohen_kappa_score(one, other))


def test_one_class_alone_is_agreement():
    assert kappa(np.zeros(9), np.zeros(9)) == 1
    assert kappa(np.zeros(9), np.ones(9)) == 0
    with pytest.raises(UsageError):
        kappa([], [])
    with pytest.raises(UsageError):
        kappa([1, 2], [1])


@given(
    hnp.arrays(np.int64, (20, 3), elements=st.integers(0, 1)),
    hnp.arrays(np.int64, (20, 3), elements=st.integers(0, 1)),
)
@settings(deadline=None, max_examples=30)
def test_kappa_of_sets_is_the_mean_over_classes(one, other):
    assert kappa(one, other) == pytest.approx(np.mean([kappa(one[:, c], other[:, c]) for c in range(3)]))
    assert changed_share(one, other) == np.mean((one != other).any(axis=1))


def test_stability_looks_at_items_of_both_samples():
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    found = stability(["a", "b", "c"], proba, ["c", "x", "a"], proba[[2, 1, 1]])
    assert (found.items, found.changed) == (2, 0.5)
    assert found.uncertainty == pytest.approx((0.1 + 0.2 + 0.4) / 3)
    assert stability(["a"], proba[:1]).kappa is None
    assert stability(["a"], proba[:1], ["b"], proba[1:2]).kappa is None
    assert stability(["a", "b"], proba[:2], ["a", "b"], proba[:2]).to_json()["kappa"] == 1
    assert predictions(proba, several=True).tolist() == [[1, 0], [0, 1], [1, 0]]
    assert mean_uncertainty(proba, several=True) == pytest.approx((0.1 + 0.2 + 0.4) / 3)


@given(columns, columns, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_index_is_zero_for_equal_samples_and_does_not_care_for_order(one, other, random):
    assert psi(one, one) == 0
    found = psi(one, other)
    assert found >= 0
    shuffled = [random.sample(list(column), len(column)) for column in (one, other)]
    assert psi(*shuffled) == pytest.approx(found)


@given(
    hnp.arrays(np.int64, 6, elements=st.integers(1, 9)), hnp.arrays(np.int64, 6, elements=st.integers(1, 9))
)
@settings(deadline=None, max_examples=50)
def test_the_index_is_symmetric_under_equal_bins(one, other):
    # Six values in at most ten bins: each is a bin in both directions.
    samples = [np.repeat(np.arange(6.0), counts) for counts in (one, other)]
    assert psi(samples[0], samples[1], bins=500) == pytest.approx(psi(samples[1], samples[0], bins=500))


def test_the_index_of_shifted_normals_is_the_squared_shift():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=40_000), rng.normal(0.5, 1, 40_000)
    assert psi(one, other, bins=50) == pytest.approx(0.25, rel=0.1)
    area = roc_auc_score(np.repeat([0, 1], 40_000), np.concatenate([one, other]))
    assert auc_of_psi(0.25) == pytest.approx(area, abs=0.01)


@pytest.mark.parametrize(("n", "m"), [(2000, 2000), (300, 2000), (80, 80)])
def test_chance_stays_below_the_noise_level(n, m):
    rng = np.random.default_rng(1)
    largest = max(psi(rng.normal(size=n), rng.normal(size=m)) for _ in range(300))
    level = noise_level(n, m, 300)
    assert 0.4 * level < largest < level


def sample(n, start=0, seed=0, d=8):
    rng = np.random.default_rng([seed, start])
    X = rng.normal(size=(n, d)).astype(np.float32)
    X[rng.random(X.shape) < 0.05] = np.nan
    return [f"item {start + row}" for row in range(n)], X


NAMES = [f"f{at}" for at in range(8)]


def test_an_unchanged_pool_has_exactly_no_drift():
    ids, X = sample(500)
    order = np.random.default_rng(3).permutation(500)
    found = drift(ids, X, [ids[row] for row in order], X[order], NAMES, seed=0)
    assert (found.psi_max, found.auc, found.auc_low, found.auc_high, found.added) == (0, 0.5, 0.5, 0.5, 0)


def test_a_pool_that_grows_by_its_like_does_not_drift():
    ids, X = sample(2000)
    more, new = sample(600, start=2000)
    found = drift(ids, X, ids[:1400] + more, np.vstack([X[:1400], new]), NAMES, seed=0)
    assert found.added == 600
    assert found.psi_max < found.noise
    assert 0.48 < found.auc < 0.52


def test_a_broken_column_is_named():
    ids, X = sample(1000)
    more, new = sample(1000, start=1000)
    new[:300, 5] = np.nan
    begun = time.perf_counter()
    found = drift(ids, X, more, new, NAMES, seed=0)
    assert time.perf_counter() - begun < 3
    assert next(iter(found.psi)) == "f5"
    assert found.psi_max > 0.25
    assert json.loads(json.dumps(found.to_json()))["psi_max"] == found.psi_max
    assert drift(ids, X, more, new, NAMES, seed=0, without={"f5"}).psi_max < found.noise


def test_features_that_move_together_are_found_by_the_classifier():
    ids, X = sample(2000)
    more, new = sample(2000, start=2000)
    X[:, 1], new[:, 1] = X[:, 0], -new[:, 0]
    found = drift(ids, X, more, new, NAMES, seed=0)
    assert found.psi_max < found.noise
    assert found.auc_low > 0.9


def test_items_that_are_in_both_samples_dilute_the_drift():
    ids, X = sample(1000)
    more, new = sample(1000, start=1000)
    new += 9
    whole = drift(ids, X, more, new, NAMES, seed=0)
    half = drift(ids, X, ids[:500] + more[:500], np.vstack([X[:500], new[:500]]), NAMES, seed=0)
    assert whole.auc > 0.99
    assert half.auc == pytest.approx(0.75, abs=0.01)


def test_too_few_items_say_nothing():
    ids, X = sample(20)
    assert "too few" in drift(ids, X, ids, X, NAMES, seed=0)
    with pytest.raises(UsageError):
        drift(ids, X, ids, X[:, :3], NAMES, seed=0)
