from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.models import Committee, train_committee
from tasks.models.boosting import BoostedModel, train
from tasks.models.committee import KINDS, Prefix, _resample
from tasks.models.companions import COMPANIONS, Encoder, fit_companion
from tasks.strategies.committee import bald

TYPES = ["q"] * 4 + ["c"] * 2
OPTIONS: dict[str, Any] = {
    "names": [f"f{number}" for number in range(6)],
    "types": TYPES,
    "device": "cpu",
    "seed": 5,
    "params": {"num_boost_round": 20, "nthread": 1, "max_depth": 2, "max_bin": 16},
}

kinds = pytest.mark.parametrize("kind", KINDS)


def make_data(n: int = 150, n_classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four numbers, a category of 4 values and one of 80, a tenth of it missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[:, 4], X[:, 5] = rng.integers(0, 4, n), rng.integers(0, 80, n)
    y = np.digitize(X[:, 0] + 0.3 * rng.normal(size=n), np.linspace(-0.6, 0.6, n_classes - 1))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, y


def fit(kind: str, X: np.ndarray, y: np.ndarray, n_classes: int = 3, **changes: Any) -> Committee:
    options = OPTIONS | changes
    own = {name: value for name, value in options.items() if name != "members"}
    model = train(X, y, n_classes=n_classes, **own) if kind == "prefixes" else None
    return train_committee(kind, X, y, n_classes=n_classes, model=model, **options)


def check(proba: np.ndarray, shape: tuple[int, ...]) -> None:
    assert proba.shape == shape
    assert proba.dtype == np.float32
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=2), 1, atol=1e-5)


@kinds
@pytest.mark.parametrize("n_classes", [2, 4])
def test_members_learn_and_disagree(kind, n_classes):
    X, y = make_data(400, n_classes)
    proba = fit(kind, X[:300], y[:300], n_classes).predict(X)
    check(proba, (5, 400, n_classes))
    right = (proba[:, 300:].argmax(axis=2) == y[300:]).mean(axis=1)
    assert (right > np.bincount(y[300:]).max() / 100).all()
    assert (bald(proba) > 0).mean() > 0.9


@kinds
def test_rows_do_not_depend_on_their_chunk(kind):
    X, y = make_data(100)
    committee = fit(kind, X, y)
    whole = committee.predict(X)
    for size, end in ((1, 20), (7, 100)):
        chunks = [committee.predict(X[start : min(start + size, end)]) for start in range(0, end, size)]
        assert np.array_equal(np.concatenate(chunks, axis=1), whole[:, :end])
    assert np.array_equal(committee.predict(X[::-1])[:, ::-1], whole)
    check(committee.predict(X[:0]), (5, 0, 3))


def test_companions_predict_long_matrices_block_by_block(monkeypatch):
    X, y = make_data(100)
    committee = fit("mixed", X, y)
    whole = committee.predict(X)
    monkeypatch.setattr("tasks.models.companions._ROWS", 33)
    assert np.array_equal(committee.predict(X), whole)


@kinds
def test_the_seed_decides(kind):
    X, y = make_data()
    first = fit(kind, X, y).predict(X)
    assert np.array_equal(fit(kind, X, y).predict(X), first)
    assert not np.array_equal(fit(kind, X, y, seed=6).predict(X), first)


@kinds
@pytest.mark.parametrize("members", [2, 9])
def test_as_many_members_as_asked_for_and_no_two_alike(kind, members):
    X, y = make_data()
    proba = fit(kind, X, y, members=members).predict(X)
    check(proba, (members, 150, 3))
    assert len(np.unique(proba.reshape(members, -1), axis=0)) == members


@kinds
def test_one_class_alone(kind):
    X, _ = make_data()
    proba = fit(kind, X, np.full(150, 2)).predict(X)
    check(proba, (5, 150, 3))
    assert (proba.argmax(axis=2) == 2).all()


@kinds
@pytest.mark.parametrize("rows", [1, 3])
def test_very_few_labels(kind, rows):
    X, _ = make_data()
    check(fit(kind, X[:rows], np.arange(rows) * 2, 5).predict(X), (5, 150, 5))


@kinds
def test_classes_without_labels_have_their_column(kind):
    X, y = make_data(n_classes=2)
    proba = fit(kind, X, y * 3, 5).predict(X)
    check(proba, (5, 150, 5))
    assert set(proba.argmax(axis=2).reshape(-1)) == {0, 3}


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X * 0,
        lambda X: X * np.nan,
        lambda X: np.where(np.arange(6) < 4, np.clip(X, -3, 3) * np.float32(1e37), X),
        lambda X: np.where(np.arange(6) < 4, X, 0),
    ],
    ids=["all rows alike", "all missing", "huge", "one category"],
)
@pytest.mark.parametrize("types", [TYPES, ["q"] * 6])
def test_odd_matrices(change, types):
    X, y = make_data()
    X[:, 4:] = np.nan_to_num(X[:, 4:])
    pool = X.copy()
    X = np.asarray(change(X), np.float32)
    committee = fit("mixed", X, y, types=types)
    for rows in (X, pool):
        check(committee.predict(rows), (5, 150, 3))


def test_only_categories_among_them_unknown_ones():
    X, y = make_data()
    committee = train_committee(
        "mixed", X[:100, 4:], y[:100], n_classes=3, **{**OPTIONS, "names": ["a", "b"], "types": ["c", "c"]}
    )
    check(committee.predict(X[:, 4:]), (5, 150, 3))


@pytest.mark.parametrize("kind", ["bagged", "mixed"])
def test_rows_of_weight_0_teach_nothing(kind):
    X, y = make_data()
    weight = np.where(y == 2, 0.0, 1.0)
    proba = fit(kind, X, y, weight=weight).predict(X)
    check(proba, (5, 150, 3))
    assert (proba.argmax(axis=2) != 2).all()
    heavy = fit(kind, X, y, weight=np.where(y == 1, 50.0, 1.0)).predict(X)
    assert heavy[:, :, 1].mean() > fit(kind, X, y).predict(X)[:, :, 1].mean() + 0.02


def test_resamples_hold_every_class_as_often_as_the_labels_do():
    y = np.array([0] * 50 + [1] * 30 + [3])
    rng = np.random.default_rng(0)
    samples = [_resample(y, None, rng) for _ in range(20)]
    for sample in samples:
        assert np.bincount(y, weights=sample).tolist() == [50, 30, 0, 1]
        assert 0.5 < (sample > 0).mean() < 0.8
    assert len({sample.tobytes() for sample in samples}) == 20
    weight = np.linspace(0, 1, 81)
    assert (_resample(y, weight, rng)[weight == 0] == 0).all()


def test_prefixes_are_spread_over_the_second_half_and_end_with_the_model():
    X, y = make_data()
    model = train(X, y, n_classes=3, **OPTIONS)
    committee = train_committee("prefixes", X, y, n_classes=3, model=model, **OPTIONS)
    assert [member.rounds for member in committee.members] == [12, 14, 16, 18, 20]
    proba = committee.predict(X)
    assert np.array_equal(proba[-1], model.predict(X))
    assert np.array_equal(proba[0], model.predict(X, iteration_range=(0, 12)))
    short = train(
        X,
        y,
        n_classes=3,
        **OPTIONS | {"params": {"num_boost_round": 12, "nthread": 1, "max_depth": 2, "max_bin": 16}},
    )
    np.testing.assert_allclose(proba[0], short.predict(X), atol=1e-6)
    loaded = Prefix(BoostedModel.from_bytes(model.to_bytes()), 12)
    assert np.array_equal(loaded.predict(X), proba[0])


def test_a_mixed_committee_has_every_kind():
    X, y = make_data()
    members = fit("mixed", X, y).members
    estimators = [type(getattr(member, "estimator", member)).__name__ for member in members]
    assert estimators == [
        "BoostedModel",
        "LogisticRegression",
        "ExtraTreesClassifier",
        "GaussianNB",
        "BoostedModel",
    ]


@pytest.mark.parametrize("name", COMPANIONS)
def test_companions_give_what_scikit_learn_gives(name):
    X, y = make_data()
    encoder = Encoder.fit(X, TYPES)
    companion = fit_companion(name, encoder, X, y, 3, 0)
    theirs = companion.estimator.predict_proba(encoder.transform(X))
    np.testing.assert_allclose(companion.predict(X), theirs, atol=1e-6)


@kinds
def test_a_matrix_of_another_width_is_refused(kind):
    X, y = make_data()
    with pytest.raises(UsageError, match=r"trained on 6 features.*\(150, 5\)"):
        fit(kind, X, y).predict(X[:, :5])


def test_infinity_is_refused():
    X, y = make_data()
    committee = fit("mixed", X, y)
    with pytest.raises(UsageError, match="infinite"):
        replace(committee, members=committee.members[1:2]).predict(np.full((1, 6), np.inf, np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "boosted"}, "bagged, mixed, prefixes"),
        ({"members": 1}, "2 to 100 members"),
        ({"members": 2.0}, "2 to 100 members"),
        ({"kind": "prefixes"}, "needs the model"),
        ({"y": np.zeros(3, np.int64)}, "y must be 150 class codes"),
        ({"y": np.zeros((150, 2), np.int64)}, "y must be 150 class codes"),
        ({"weight": np.ones(3)}, "weight must be 150 numbers"),
        ({"kind": "mixed", "y": np.full(150, 7)}, "class codes 7 to 7"),
        ({"params": {"max_dept": 3, "nthread": 1, "num_boost_round": 2}}, "max_dept"),
    ],
)
def test_wrong_usage_is_refused(changes, message):
    X, y = make_data()
    with pytest.raises(UsageError, match=message):
        train_committee(**{"kind": "bagged", "X": X, "y": y, "n_classes": 3, **OPTIONS, **changes})


def test_too_few_rounds_for_the_prefixes_are_refused():
    X, y = make_data()
    with pytest.raises(UsageError, match="11 prefixes needs 22 boosting rounds and the model has 20"):
        fit("prefixes", X, y, members=11)
