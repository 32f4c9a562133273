"""The search for parameters, and the boosting rounds that cross-validation chooses."""

from __future__ import annotations

import numpy as np

from tasks.features.view import fit_view
from tasks.models import Examples, Setting, fit_model
from tasks.models.crossfit import Prepared, crossfit
from tasks.models.parameters import defaults, rounds_for
from tasks.models.search import search


def rings(n: int, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 2)).astype(np.float32)
    y = ((np.hypot(*X.T) > 1.18) ^ (rng.random(n) < noise)).astype(np.int64)
    return X, y


def setting(X: np.ndarray, **params: object) -> Setting:
    view = fit_view(X, ["numeric"] * X.shape[1])
    names = tuple(f"f{column}" for column in range(X.shape[1]))
    return Setting(2, names, ("q",) * X.shape[1], view, "cpu", 1, {"nthread": 1, **params})


def test_a_search_mends_bad_parameters_and_leaves_the_campaigns_alone():
    X, y = rings(200)
    bad = setting(X, max_depth=1)
    found = search(Examples.of(X, y), bad, trials=3, seconds=60)
    assert found is not None
    assert found.trials == 3
    assert "max_depth" not in found.params, "the campaign has set it"
    run = setting(X)
    again = [search(Examples.of(X, y), run, trials=2, seconds=60) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0].best <= again[0].usual
    assert bool(again[0].params) == (again[0].best < again[0].usual)


def test_there_is_no_search_with_few_labels_or_without_time():
    X, y = rings(99)
    assert search(Examples.of(X, y), setting(X), trials=3, seconds=60) is None
    X, y = rings(120)
    hurried = search(Examples.of(X, y), setting(X, num_boost_round=5), trials=3, seconds=0)
    assert hurried is not None
    assert (hurried.trials, dict(hurried.params)) == (0, {})
    assert hurried.best == hurried.usual


def test_rounds_are_chosen_where_there_are_enough_labels(monkeypatch):
    monkeypatch.setattr("tasks.models.crossfit.EARLY_STOPPING", 150)
    monkeypatch.setattr("tasks.models.crossfit._STOPS", (5, 20, 60))
    X, y = rings(150, noise=0.4)
    for kind in ("xgboost", "stacked"):
        run = setting(X, learning_rate=0.5)
        unseen = crossfit(Prepared.of(Examples.of(X, y), run), run, (kind,))
        assert unseen.rounds[kind] == 5, "labels full of noise are learnt by heart soon"
        model = fit_model(kind, Examples.of(X, y), run).model
        booster = model.core.booster if kind == "xgboost" else model.core.boosted.booster
        assert booster.num_boosted_rounds() == 5
    fixed = setting(X, num_boost_round=7)
    assert crossfit(Prepared.of(Examples.of(X, y), fixed), fixed, ("xgboost",)).rounds == {}
    few = Examples.of(X[:149], y[:149])
    assert crossfit(Prepared.of(few, run), run, ("xgboost",)).rounds == {}


def test_parameters_follow_labels_and_classes():
    assert defaults(300, 10, 2)["num_boost_round"] > defaults(300, 10, 5)["num_boost_round"]
    assert defaults(5_000, 10, 5)["max_depth"] > defaults(300, 10, 5)["max_depth"]
    assert defaults(300, 100, 2)["colsample_bynode"] == 0.1
    assert rounds_for(0.07) == 200
    assert [rounds_for(rate) for rate in (0.001, 1.0)] == [400, 60]


def test_monotone_constraints_are_taken_by_name_in_every_kind_that_boosts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2)).astype(np.float32)
    y = (X[:, 0] + rng.normal(size=150) > 0).astype(np.int64)
    grid = np.column_stack([np.linspace(-3, 3, 60), np.zeros(60)]).astype(np.float32)
    free, held = (
        fit_model("xgboost", Examples.of(X, y), setting(X, max_depth=6, **more)).model.core.predict(grid)[
            :, 1
        ]
        for more in ({}, {"monotone_constraints": {"f0": 1}})
    )
    assert (np.diff(held) >= -1e-6).all()
    assert (np.diff(free) < 0).any()
    fit_model("stacked", Examples.of(X, y), setting(X, monotone_constraints={"f0": 1}))
