from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from tasks.errors import UsageError
from tasks.models.boosting import BoostedModel, train
from tasks.models.leaves import LeafTable, leaf_table

NAMES, TYPES = list("abcde"), ["q"] * 4 + ["c"]


def make_data(n: int = 300, n_classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    X[:, 4] = rng.integers(0, 8, n)
    y = np.digitize(X[:, 0] + (X[:, 4] % 2) + 0.5 * rng.normal(size=n), np.linspace(-0.5, 1.5, n_classes - 1))
    X[rng.random((n, 5)) < 0.05] = np.nan
    return X, y


def fit(
    X: np.ndarray, y: np.ndarray, n_classes: int, *, weight: Any = None, types: Any = TYPES, **params: Any
) -> BoostedModel:
    settings = {"num_boost_round": 12, "subsample": 1.0, "min_child_weight": 0.0, "nthread": 1} | params
    return train(
        X,
        y,
        n_classes=n_classes,
        names=NAMES,
        types=types,
        device="cpu",
        seed=5,
        weight=weight,
        params=settings,
    )


def sums_of_rows(model: BoostedModel, X: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[Any, Any]:
    """G and H of each leaf, summed over the training rows at the margins before each round."""
    table, leaves = leaf_table(model), model.leaves(X)
    data = xgb.DMatrix(X, feature_names=NAMES, feature_types=TYPES)
    gradient, hessian = np.zeros_like(table.value), np.zeros_like(table.value)
    for tree in range(table.n_trees):
        end = int(table.round[tree])
        margin = np.repeat(table.base_margin[None], len(X), axis=0)
        if end:
            margin = model.booster.predict(data, output_margin=True, iteration_range=(0, end))
            margin = margin.reshape(len(X), -1).astype(float)
        if table.n_classes == 2:
            p = 1 / (1 + np.exp(-margin[:, 0]))
            g, h = p - y, p * (1 - p)
        else:
            p = np.exp(margin) / np.exp(margin).sum(axis=1, keepdims=True)
            p = p[:, table.group[tree]]
            g, h = p - (y == table.group[tree]), 2 * p * (1 - p)
        np.add.at(gradient[tree], leaves[:, tree], g * weight)
        np.add.at(hessian[tree], leaves[:, tree], h * weight)
    return gradient, hessian


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(
    "params", [{}, {"reg_lambda": 3, "eta": 0.3}, {"num_parallel_tree": 2, "colsample_bynode": 0.5}]
)
def test_gradient_and_hessian_are_the_sums_over_the_training_rows(n_classes, params):
    X, y = make_data(n_classes=n_classes)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    model = fit(X, y, n_classes, weight=weight, **params)
    gradient, hessian = sums_of_rows(model, X, y, weight)
    table = leaf_table(model)
    np.testing.assert_allclose(table.hessian, hessian, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(table.gradient, gradient, rtol=1e-3, atol=1e-3)
    assert (table.hessian > 0).sum(axis=1).max() > 4


def test_heavier_positives_are_in_the_sums():
    X, y = make_data()
    model = fit(X, y, 2, scale_pos_weight=4)
    gradient, hessian = sums_of_rows(model, X, y, np.where(y == 1, 4, 1))
    table = leaf_table(model)
    np.testing.assert_allclose(table.hessian, hessian, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(table.gradient, gradient, rtol=1e-3, atol=1e-3)
    assert table.class_weight.tolist() == [1, 4]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_base_margin_and_leaf_values_add_up_to_the_model(n_classes):
    X, y = make_data(n_classes=n_classes)
    model = fit(X, y, n_classes)
    table, leaves = leaf_table(model), model.leaves(X)
    margin = np.repeat(table.base_margin[None], len(X), axis=0)
    for tree in range(table.n_trees):
        margin[:, table.group[tree]] += table.value[tree, leaves[:, tree]]
    data = xgb.DMatrix(X, feature_names=NAMES, feature_types=TYPES)
    expected = model.booster.predict(data, output_margin=True).reshape(len(X), -1)
    np.testing.assert_allclose(margin, expected, atol=1e-5)


def test_the_table_survives_the_models_bytes():
    X, y = make_data(n_classes=3)
    model = fit(X, y, 3, learning_rate=0.2, reg_lambda=2.5)
    before, after = leaf_table(model), leaf_table(BoostedModel.from_bytes(model.to_bytes()))
    for name in LeafTable.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (after.learning_rate, after.reg_lambda) == (pytest.approx(0.2), 2.5)


def test_leaves_do_not_depend_on_chunks(monkeypatch):
    X, y = make_data(n_classes=3)
    model = fit(X, y, 3)
    leaves = model.leaves(X)
    assert (leaves.dtype, leaves.shape) == (np.int32, (300, 36))
    assert model.leaves(X[:0]).shape == (0, 36)
    monkeypatch.setattr("tasks.models.boosting._LEAF_ROWS", 7)
    np.testing.assert_array_equal(model.leaves(X), leaves)
    with pytest.raises(UsageError, match="trained on 5 features"):
        model.leaves(X[:, :4])


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"reg_alpha": 0.5}, "reg_alpha = 0.5"),
        ({"max_delta_step": 1}, "max_delta_step = 1"),
        ({"monotone_constraints": "(1,0,0,0,0)"}, "monotone_constraints"),
        ({"booster": "dart"}, "dart"),
        ({"multi_strategy": "multi_output_tree"}, "multi_output_tree"),
    ],
)
def test_what_the_formula_does_not_cover_is_refused(params, named):
    X, y = make_data(80, n_classes=3)
    with pytest.raises(UsageError, match=named):
        leaf_table(fit(X, y, 3, num_boost_round=2, types=["q"] * 5, **params))


def test_a_model_that_does_not_say_how_it_was_trained_is_refused():
    X, y = make_data(80)
    booster = xgb.train({"objective": "binary:logistic"}, xgb.DMatrix(X, y), 2)
    with pytest.raises(UsageError, match="Train it again"):
        leaf_table(BoostedModel.from_bytes(bytes(booster.save_raw("ubj"))))


def test_a_linear_booster_has_no_leaves():
    X, y = make_data(80)
    booster = xgb.train({"objective": "binary:logistic", "booster": "gblinear"}, xgb.DMatrix(X, y), 2)
    with pytest.raises(UsageError, match="gblinear"):
        leaf_table(BoostedModel(booster, 2, "cpu"))


def test_leaves_of_another_model_are_refused():
    X, y = make_data(80)
    model = fit(X, y, 2)
    table, leaves = leaf_table(model), model.leaves(X)
    table.check(leaves)
    with pytest.raises(UsageError, match="12 trees"):
        table.check(leaves[:, :5])
    with pytest.raises(UsageError, match="nodes -"):
        table.check(leaves - 20)
    smaller = replace(table, value=table.value[:, :2], hessian=table.hessian[:, :2])
    with pytest.raises(UsageError, match="0 to 1"):
        smaller.check(leaves)
