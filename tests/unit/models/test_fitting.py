"""The model of a round: every kind, its bytes, and the choice among them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.features.view import fit_view
from tasks.models import Examples, Model, Setting, fit_model, with_prior
from tasks.models.crossfit import KINDS, Prepared, Unseen, _Run
from tasks.models.examples import WEAK, folds
from tasks.models.fitting import choose
from tasks.models.stacked import mixing_shares

TYPES = ("q", "q", "q", "c")
PARAMS = {"num_boost_round": 15, "nthread": 1}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep models small: what is tested here does not depend on how many trees they have."""
    monkeypatch.setattr("tasks.models.forest.TREES", 20)
    monkeypatch.setattr("tasks.models.crossfit.STRENGTHS", (0.1, 1.0))


kinds = pytest.mark.parametrize("kind", KINDS)


def make_data(n: int = 120, n_classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32)
    X[:, 3] = rng.integers(0, 5, n)
    y = np.digitize(X[:, 0] + 0.3 * rng.normal(size=n), np.linspace(-0.6, 0.6, n_classes - 1))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, y.astype(np.int64)


def setting(X: np.ndarray, n_classes: int = 3, **params: Any) -> Setting:
    view = fit_view(X, ["numeric", "numeric", "text", "category"])
    return Setting(n_classes, ("a", "b", "c", "d"), TYPES, view, "cpu", 4, PARAMS | params)


def check(proba: np.ndarray, n: int, n_classes: int = 3) -> None:
    assert proba.shape == (n, n_classes)
    assert proba.dtype == np.float32
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)


@kinds
@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_kind_learns_and_its_bytes_predict_the_same(kind, n_classes):
    X, y = make_data(400, n_classes)
    fitted = fit_model(kind, Examples.of(X[:200], y[:200]), setting(X, n_classes))
    proba = fitted.model.predict(X)
    check(proba, 400, n_classes)
    most = np.bincount(y[200:]).max() / 200
    assert (proba[200:].argmax(axis=1) == y[200:]).mean() > most + 0.1
    again = Model.from_bytes(fitted.model.to_bytes())
    assert np.array_equal(again.predict(X), proba)
    assert again.digest == fitted.model.digest
    assert again.kind == kind
    check(fitted.unseen, 200, n_classes)


@kinds
def test_equal_labels_give_equal_bytes(kind):
    X, y = make_data()
    first, second = (fit_model(kind, Examples.of(X, y), setting(X)).model for _ in range(2))
    assert first.to_bytes() == second.to_bytes()
    other = fit_model(kind, Examples.of(X, np.roll(y, 1)), setting(X)).model
    assert other.digest != first.digest


@kinds
def test_rows_do_not_depend_on_their_chunk(kind):
    X, y = make_data()
    model = fit_model(kind, Examples.of(X, y), setting(X)).model
    whole = model.predict(X)
    chunks = [model.predict(X[start : start + 7]) for start in range(0, len(X), 7)]
    assert np.array_equal(np.concatenate(chunks), whole)
    assert np.array_equal(model.predict(X[::-1])[::-1], whole)
    check(model.predict(X[:0]), 0)


@kinds
@pytest.mark.parametrize("labels", [[1], [1, 1, 1], [0, 2], [0, 1, 2] * 3])
def test_very_few_labels(kind, labels):
    X, _ = make_data()
    fitted = fit_model(kind, Examples.of(X[: len(labels)], np.array(labels)), setting(X, 5))
    check(fitted.model.predict(X), len(X), 5)
    check(Model.from_bytes(fitted.model.to_bytes()).predict(X), len(X), 5)


@kinds
@pytest.mark.parametrize("change", [lambda X: X * 0, lambda X: X * np.nan, lambda X: X * np.float32(1e30)])
def test_odd_matrices(kind, change):
    X, y = make_data(60)
    X[:, 3] = np.nan_to_num(X[:, 3])
    odd = np.where(np.arange(4) < 3, change(X), X).astype(np.float32)
    model = fit_model(kind, Examples.of(odd, y), setting(odd)).model
    for rows in (odd, X):
        check(model.predict(rows), 60)


@kinds
def test_weak_rows_teach_and_do_not_measure(kind):
    X, y = make_data(300)
    real = Examples.of(X[:20], y[:20])
    weak = Examples(X[20:200], y[20:200], np.full(180, 0.5), np.full(180, WEAK))
    fitted = fit_model(kind, real.plus(weak), setting(X))
    alone = fit_model(kind, real, setting(X))
    right = [(one.model.predict(X[200:]).argmax(axis=1) == y[200:]).mean() for one in (fitted, alone)]
    assert right[0] >= right[1]
    assert real.plus(weak).items == 20
    # Weak labels that are all wrong change what is learnt, but are no part of the figures' denominator.
    only_weak = fit_model(kind, weak, setting(X))
    assert only_weak.candidates == {}
    check(only_weak.model.predict(X), 300)


def test_auto_is_one_of_the_candidates_and_tells_their_figures():
    X, y = make_data(150)
    fitted = fit_model("auto", Examples.of(X, y), setting(X))
    figures = fitted.figures()
    assert set(figures["candidates"]) == set(KINDS)
    assert figures["kind"] in KINDS
    assert all(one["rows_per_second"] > 0 for one in figures["candidates"].values())
    same = fit_model(figures["kind"], Examples.of(X, y), setting(X))
    assert same.model.digest == fitted.model.digest


def test_a_faster_kind_is_taken_where_it_is_surely_hardly_worse():
    X, y = make_data(400, 2)
    rng = np.random.default_rng(0)

    def unseen(n: int, **noise: float) -> Unseen:
        proba = {}
        for kind, spread in noise.items():
            p = 1 / (1 + np.exp(-rng.normal(2.0, spread, n)))
            rows = np.column_stack([1 - p, 1 - p]).astype(np.float32)
            rows[np.arange(n), y[:n]] = p
            proba[kind] = rows
        return Unseen(np.zeros(n, np.int64), {kind: proba[kind] for kind in KINDS})

    many, few = Examples.of(X, y), Examples.of(X[:20], y[:20])
    same = {"linear": 0.01, "xgboost": 2.0, "forest": 2.0, "stacked": 0.01}
    assert choose(unseen(400, **same), many) == "linear"
    assert choose(unseen(400, **same | {"linear": 2.0}), many) == "stacked"
    assert choose(unseen(400, **same | {"linear": 2.0, "xgboost": 0.01, "stacked": 2.0}), many) == "xgboost"
    unsure = {"linear": 1.0, "xgboost": 1.0, "forest": 1.0, "stacked": 1.0}
    assert choose(unseen(20, **unsure), few) == "stacked"
    assert choose(Unseen(None), few) == "stacked"


def test_a_row_is_predicted_by_models_that_did_not_see_its_item(monkeypatch):
    monkeypatch.setattr("tasks.models.crossfit.STRENGTHS", (1.0,))  # is chosen over all folds
    X, y = make_data(80, 2)
    run = setting(X, 2)
    examples = Examples.of(X, y, np.full(80, 0.8), 2)
    fold = folds(examples, 5, 0)
    assert (fold[:80] == fold[80:]).all(), "both rows of a soft label lie in one fold"
    flipped = Examples.of(X, np.where(fold[:80] == 0, 1 - y, y), np.full(80, 0.8), 2)
    before, after = (_Run(Prepared.of(one, run), run, fold) for one in (examples, flipped))
    for one in (before, after):
        one.linear(), one.boosted(), one.forest()
    held = fold == 0
    for kind in ("linear", "xgboost", "forest"):
        assert np.array_equal(before.proba[kind][held], after.proba[kind][held]), kind
        assert not np.array_equal(before.proba[kind][~held], after.proba[kind][~held]), kind


def test_class_weights_lift_a_rare_class_and_calibration_takes_it_back():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(2200, 4)).astype(np.float32)
    X[:, 3] = 0
    y = (X[:, 0] + 1.5 * rng.normal(size=2200) > 2.9).astype(np.int64)
    shares = {}
    for how in ("none", "balanced"):
        for calibrate in (False, True):
            run = replace(setting(X, 2), class_weight=how, calibrate=calibrate)
            model = fit_model("linear", Examples.of(X[:1000], y[:1000]), run).model
            shares[how, calibrate] = float(model.predict(X[1000:])[:, 1].mean())
    assert shares["balanced", False] > 3 * shares["none", False]
    true = y[1000:].mean()
    assert abs(shares["balanced", True] - true) < 0.03
    assert abs(shares["none", True] - true) < 0.03


def test_the_prior_follows_a_sure_audit_and_nothing_else():
    X, y = make_data(400, 2)
    run = setting(X, 2)
    # Half of the positives were never sent to be labelled.
    kept = np.flatnonzero((y == 0) | (np.arange(400) % 4 == 0))
    examples = Examples.of(X[kept], y[kept])
    model = fit_model("linear", examples, run).model
    same, shift = with_prior(model, examples, run, X[kept][:100], y[kept][:100])
    assert same is model
    assert not shift.corrects
    better, shift = with_prior(model, examples, run, X, y)
    assert shift.corrects
    assert abs(better.predict(X)[:, 1].mean() - y.mean()) < abs(model.predict(X)[:, 1].mean() - y.mean())
    assert np.array_equal(Model.from_bytes(better.to_bytes()).predict(X), better.predict(X))
    assert with_prior(model, examples, run, X[:0], y[:0])[0] is model


def test_soft_labels_share_the_rest_among_the_other_classes():
    X, y = make_data(3, 3)
    y = np.array([0, 1, 2])
    examples = Examples.of(X, y, np.array([1.0, 0.7, 0.1]), 3)
    assert examples.items == 3
    by_item = {}
    for item, label, weight in zip(examples.item, examples.y, examples.weight, strict=True):
        by_item.setdefault(int(item), {})[int(label)] = round(float(weight), 6)
    assert by_item == {0: {0: 1.0}, 1: {1: 0.7, 2: 0.15, 0: 0.15}, 2: {2: 0.333333, 0: 0.333333, 1: 0.333333}}


def test_an_unsure_label_teaches_less():
    X, y = make_data(100, 2)
    wrong = np.where(np.arange(100) < 30, 1 - y, y)
    sure = np.where(np.arange(100) < 30, 0.5, 1.0)
    pool, truth = make_data(400, 2, seed=1)
    found = [
        (
            fit_model("linear", Examples.of(X, wrong, one, 2), setting(X, 2))
            .model.predict(pool)
            .argmax(axis=1)
            == truth
        ).mean()
        for one in (None, sure)
    ]
    assert found[1] > found[0]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=60),
    st.integers(2, 6),
    st.integers(0, 5),
    st.integers(0, 20),
)
def test_folds_are_even_and_keep_items_together(classes, k, seed, n_weak):
    y = np.array(classes)
    n = len(y)
    X = np.zeros((n, 1), np.float32)
    examples = Examples.of(X, y, np.full(n, 0.7), 4)
    weak = Examples(
        np.zeros((n_weak, 1), np.float32), np.zeros(n_weak, np.int64), np.ones(n_weak), np.full(n_weak, WEAK)
    )
    fold = folds(examples.plus(weak), k, seed)
    assert fold.min() >= 0
    assert fold.max() < k
    own = fold[:n]
    for item in range(n):
        assert len(set(fold[: len(examples)][examples.item == item])) == 1
    sizes = np.bincount(own, minlength=k)
    assert sizes.max() - sizes.min() <= 1
    for code in np.unique(y):
        per_fold = np.bincount(own[y == code], minlength=k)
        assert per_fold.max() - per_fold.min() <= 1


def test_shares_follow_who_was_right():
    rng = np.random.default_rng(0)
    good, bad = rng.uniform(0.7, 1, 500), rng.uniform(0.1, 0.5, 500)
    shares = mixing_shares(np.stack([good, bad, bad]), np.ones(500))
    assert shares[0] > 0.9
    even = mixing_shares(np.stack([good, good, good]), np.ones(500))
    np.testing.assert_allclose(even, 1 / 3)
    few = mixing_shares(np.stack([good, bad, bad])[:, :5], np.ones(5))
    assert few[0] < 0.6, "a handful of labels decides little"


@pytest.mark.parametrize("kind", ["boosted", ""])
def test_an_unknown_kind_is_refused(kind):
    X, y = make_data(20)
    with pytest.raises(UsageError, match="auto, linear, xgboost, forest, stacked"):
        fit_model(kind, Examples.of(X, y), setting(X))


@kinds
def test_another_width_is_refused(kind):
    X, y = make_data(40)
    model = fit_model(kind, Examples.of(X, y), setting(X)).model
    with pytest.raises(UsageError, match=r"trained on 4 features.*\(40, 3\)"):
        model.predict(X[:, :3])


def test_no_label_and_damaged_bytes_are_refused():
    X, _ = make_data(5)
    with pytest.raises(UsageError, match="no label yet"):
        fit_model("auto", Examples.of(X[:0], np.zeros(0, np.int64)), setting(X))
    with pytest.raises(UsageError, match="The model cannot be read"):
        Model.from_bytes(b"something else")
