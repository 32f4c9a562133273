from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.evaluation import measures
from tasks.features.archive import pack, unpack
from tasks.models.calibration import FEWEST_ITEMS, Calibration, fit_calibration
from tasks.models.maps import fit_bias_corrected, fit_maps, fit_temperature

KINDS = ("none", "temperature", "bias_corrected", "isotonic")


def softmax(z: np.ndarray) -> np.ndarray:
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def draw(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Classes that the probabilities are right about."""
    return np.minimum((p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1), p.shape[1] - 1)


def make(n: int, n_classes: int, seed: int, slope: float = 1.0, bias: float = 0.0):
    """Scores of a model whose log-probabilities are off by a slope and a bias on class 0."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, n_classes)) * 2
    y = draw(softmax(z), rng)
    z[:, 0] += bias
    return softmax(z * slope).astype(np.float32), y


def fit(p: np.ndarray, y: np.ndarray, seed: int = 0) -> Calibration:
    return fit_calibration(p, y, np.ones(len(y)), np.arange(len(y)), seed=seed)


def loss(p: np.ndarray, y: np.ndarray) -> float:
    return float(measures.log_loss(p.astype(np.float64), y, np.ones((1, len(y))))[0])


def ece(p: np.ndarray, y: np.ndarray) -> float:
    return float(measures.calibration_error(p.astype(np.float64), y, np.ones((1, len(y))))[0])


@given(
    st.integers(0, 1000),
    st.sampled_from([2, 3, 7, 40]),
    st.sampled_from([25, 120, 400]),
    st.sampled_from([0.3, 1.0, 4.0]),
)
@settings(max_examples=20, deadline=None)
def test_rows_are_probabilities_and_independent_of_their_company(seed, n_classes, n, slope):
    p, y = make(n, n_classes, seed, slope)
    new = np.vstack([make(100, n_classes, seed + 1, slope)[0], np.eye(n_classes, dtype=np.float32)])
    for one in fit_maps(p.astype(np.float64), y, np.ones(n), by_class=True):
        found = Calibration(one, n_classes, n)
        whole = found.apply(new)
        assert whole.dtype == np.float32
        assert whole.shape == new.shape
        np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-5)
        assert whole.min() >= 0
        parts = [found.apply(new[a : a + size]) for a, size in ((0, 1), (1, 6), (7, len(new)))]
        np.testing.assert_array_equal(np.vstack(parts), whole)
        np.testing.assert_array_equal(found.apply(np.asfortranarray(new)), whole)


@given(st.integers(0, 1000), st.sampled_from([2, 4]), st.sampled_from([0.4, 1.0, 3.0]))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_does_not_matter(seed, n_classes, slope):
    p, y = make(150, n_classes, seed, slope)
    rng = np.random.default_rng(seed)
    item = rng.permutation(150)
    weight = rng.uniform(0.5, 1, 150)
    order = rng.permutation(150)
    one = fit_calibration(p, y, weight, item, seed=seed)
    other = fit_calibration(p[order], y[order], weight[order], item[order], seed=seed)
    assert pack(*one.to_parts()) == pack(*other.to_parts())


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_calibration_gives_the_same_numbers(kind):
    p, y = make(200, 3, 5, slope=2.0)
    maps = {one.name: one for one in fit_maps(p.astype(np.float64), y, np.ones(200), by_class=True)}
    found = Calibration(maps[kind], 3, 200, fit(p, y).scores)
    assert found.name == kind
    again = Calibration.from_parts(*unpack(pack(*found.to_parts()), what="calibration"))
    np.testing.assert_array_equal(again.apply(p), found.apply(p))
    assert again.scores == found.scores


def test_a_calibration_of_a_later_version_is_refused():
    settings_, arrays = fit(*make(100, 2, 0)).to_parts()
    with pytest.raises(UsageError, match="spline"):
        Calibration.from_parts({**settings_, "map": "spline"}, arrays)


@pytest.mark.parametrize("slope", [0.3, 3.0])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_slope_is_found_and_mended(slope, n_classes):
    p, y = make(3000, n_classes, 1, slope)
    fresh, truth = make(3000, n_classes, 2, slope)
    assert fit_temperature(p.astype(np.float64), y, np.ones(3000)).slope == pytest.approx(1 / slope, rel=0.1)
    found = fit(p, y)
    assert found.name != "none"
    assert found.before is not None
    assert found.after is not None
    assert found.after.log_loss < found.before.log_loss
    assert found.after.ece < found.before.ece
    assert loss(found.apply(fresh), truth) < loss(fresh, truth) - 0.02
    assert ece(found.apply(fresh), truth) < 0.03 < ece(fresh, truth)


def test_a_bias_is_found_and_mended():
    p, y = make(2000, 3, 1, bias=2.0)
    scaling = fit_bias_corrected(p.astype(np.float64), y, np.ones(2000))
    assert scaling.bias[0] - scaling.bias[1:].mean() == pytest.approx(-2, abs=0.3)
    found = fit(p, y)
    fresh, truth = make(2000, 3, 2, bias=2.0)
    assert found.name in ("bias_corrected", "isotonic")
    assert loss(found.apply(fresh), truth) < loss(fresh, truth) - 0.1


def test_what_is_no_slope_is_left_to_the_curve():
    rng = np.random.default_rng(0)

    def bent(n):
        score = rng.random(n)
        right = np.where(score < 0.5, 0.2, 0.7)  # a step: no slope and bias says so
        return np.column_stack([1 - score, score]), (rng.random(n) < right).astype(np.int64)

    p, y = bent(4000)
    found = fit(p, y)
    fresh, truth = bent(4000)
    assert found.name == "isotonic"
    assert ece(found.apply(fresh), truth) < 0.03


def test_good_probabilities_are_left_alone_or_nearly():
    for seed in range(6):
        p, y = make(300, 2, seed)
        fresh, truth = make(5000, 2, seed + 50)
        assert loss(fit(p, y).apply(fresh), truth) < loss(fresh, truth) + 0.02


def test_a_class_without_a_label_keeps_a_small_probability():
    p, y = make(400, 4, 3, slope=2.0)
    kept = y != 2
    for one in fit_maps(p[kept].astype(np.float64), y[kept], np.ones(kept.sum()), by_class=True):
        mapped = Calibration(one, 4, int(kept.sum())).apply(p)
        assert np.isfinite(mapped).all()
        assert mapped[:, 2].min() >= 0
        if one.name == "isotonic":
            assert mapped[:, 2].max() < 0.5 or p[:, 2].max() > 0.99


@pytest.mark.parametrize("kind", ["temperature", "bias_corrected", "isotonic"])
def test_nothing_is_certain_after_few_labels_without_an_error(kind):
    y = np.arange(40) % 2
    p = np.where(np.eye(2)[y] > 0, 0.95, 0.05)
    maps = {one.name: one for one in fit_maps(p, y, np.ones(40), by_class=True)}
    mapped = Calibration(maps[kind], 2, 40).apply(p)
    assert mapped.max() < 0.9999
    assert (mapped.argmax(axis=1) == y).all()


def test_scores_of_zero_and_one_are_survived():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    wrong = rng.random(200) < 0.05
    p = np.eye(2)[np.where(wrong, 1 - y, y)]
    found = fit(p, y)
    mapped = found.apply(p)
    assert found.name != "none"
    assert mapped.max() == pytest.approx(0.95, abs=0.04)


def test_weak_rows_are_left_out_and_rows_of_an_item_stay_together():
    p, y = make(200, 2, 0, slope=3.0)
    one = fit(p, y)
    weak = np.concatenate([np.arange(200), np.full(50, -1)])
    more = fit_calibration(
        np.vstack([p, p[:50]]), np.concatenate([y, 1 - y[:50]]), np.ones(250), weak, seed=0
    )
    assert pack(*more.to_parts()) == pack(*one.to_parts())
    # An item as two rows of half the weight is the item.
    halves = fit_calibration(
        np.repeat(p, 2, axis=0), np.repeat(y, 2), np.full(400, 0.5), np.repeat(np.arange(200), 2), seed=0
    )
    assert halves.n == one.n == 200
    assert halves.name == one.name
    np.testing.assert_allclose(halves.apply(p), one.apply(p), atol=1e-3)


@pytest.mark.parametrize(
    "y", [np.zeros(100, np.int64), np.arange(FEWEST_ITEMS - 1) % 2, np.zeros(0, np.int64)]
)
def test_too_little_to_calibrate_on(y):
    p = np.full((len(y), 2), 0.5)
    found = fit(p, y)
    assert found.name == "none"
    assert found.before is None
    assert found.scores == ()
    np.testing.assert_array_equal(found.apply(p), p.astype(np.float32))


def test_a_thousand_classes_with_few_labels_get_a_temperature_at_most():
    p, y = make(400, 1000, 0, slope=2.0)
    found = fit(p, y)
    assert [score.name for score in found.scores] == ["none", "temperature"]
    assert np.isfinite(found.apply(p)).all()


def test_it_is_fast_enough_for_every_round():
    p, y = make(5000, 10, 0, slope=2.0)
    fit(*make(100, 2, 0))  # imports
    begun = time.process_time()
    fit(p, y)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize(
    ("p", "y", "weight", "item"),
    [
        (np.full((3, 2), 0.5), [0, 1], [1, 1], [0, 1]),
        (np.full((2, 2), 0.5), [0, 2], [1, 1], [0, 1]),
        (np.full((2, 2), np.nan), [0, 1], [1, 1], [0, 1]),
        (np.full((2, 2), 0.5), [0, 1], [1, -1], [0, 1]),
        (np.full((2, 2), 0.5), [0, 1], [1], [0, 1]),
        (np.full((2, 2), 0.5), [0, 1], [1, 1], [0]),
    ],
)
def test_wrong_input_is_refused(p, y, weight, item):
    with pytest.raises(UsageError):
        fit_calibration(p, y, weight, item, seed=0)


def test_another_number_of_classes_is_refused():
    with pytest.raises(UsageError, match="2 classes"):
        fit(*make(50, 2, 0)).apply(np.full((4, 3), 1 / 3))
