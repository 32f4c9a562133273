from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.models.boosting import BoostedModel, train
from tasks.models.leaves import leaf_table
from tasks.strategies.leaf_change import LeafChange, expected_change, leaf_changes
from tasks.strategies.testing import check_strategy, make_candidates

NAMES, TYPES = list("abcd"), ["q"] * 3 + ["c"]
# One thread: the data are small, and threads that wait for each other cost more than they save.
PARAMS: dict[str, Any] = {
    "num_boost_round": 3,
    "subsample": 1.0,
    "learning_rate": 0.3,
    "reg_lambda": 1.5,
    "nthread": 1,
}


def make_data(n: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 4)).astype(np.float32)
    X[:, 3] = rng.integers(0, 6, n)
    X[rng.random((n, 4)) < 0.05] = np.nan
    noise = 0.7 * rng.normal(size=n)
    return X, np.digitize(np.nan_to_num(X[:, 0]) + noise, np.linspace(-0.6, 0.6, n_classes - 1))


def fit(X: np.ndarray, y: np.ndarray, n_classes: int, **params: Any) -> BoostedModel:
    return train(
        X, y, n_classes=n_classes, names=NAMES, types=TYPES, device="cpu", seed=2, params=PARAMS | params
    )


def refreshed(model: BoostedModel, X: np.ndarray, y: np.ndarray, **params: Any) -> BoostedModel:
    """The model with the same trees and leaf values of other rows, by XGBoost's own updater."""
    settings = PARAMS | {"min_child_weight": 0.5} | params
    rounds = settings.pop("num_boost_round")
    booster = xgb.train(
        settings | {"objective": "binary:logistic" if model.n_classes == 2 else "multi:softprob"}
        | ({} if model.n_classes == 2 else {"num_class": model.n_classes})
        | {"process_type": "update", "updater": "refresh", "refresh_leaf": True},
        xgb.DMatrix(X, y, feature_names=NAMES, feature_types=TYPES),
        rounds,
        xgb_model=model.booster.copy(),
    )  # fmt: skip
    return replace(model, booster=booster)


@pytest.mark.parametrize(
    ("n_classes", "params"),
    [(2, {}), (4, {}), (2, {"scale_pos_weight": 3, "min_child_weight": 0}), (3, {"num_parallel_tree": 2})],
)
@pytest.mark.filterwarnings("ignore:.*updater:UserWarning")
def test_the_change_of_the_first_trees_is_that_of_xgboosts_refresh(n_classes, params):
    X, y = make_data(120, n_classes)
    model = fit(X, y, n_classes, **params)
    table = leaf_table(model)
    same = leaf_table(refreshed(model, X, y, **params))
    np.testing.assert_allclose(same.value, table.value, atol=1e-6)
    for row in np.random.default_rng(0).normal(size=(2, 4)).round(1).astype(np.float32):
        row[3] = abs(int(row[3]))
        leaves = model.leaves(row[None])
        changes = list(leaf_changes(table, leaves))
        for label in range(n_classes):
            more = leaf_table(refreshed(model, np.vstack([X, row]), np.append(y, label), **params))
            for tree in np.flatnonzero(table.round == 0):
                output, right, wrong = changes[tree]
                is_it = label == (1 if n_classes == 2 else output)
                node = leaves[0, tree]
                expected = more.value[tree, node] - table.value[tree, node]
                assert (right if is_it else wrong)[0] == pytest.approx(expected, abs=1e-6)
                assert abs(expected) > 1e-4


def by_definition(table: Any, leaves: np.ndarray) -> float:
    """The score of one row, class by class and tree by tree, from gradient sums."""

    def chances(margin: np.ndarray) -> np.ndarray:
        margin = np.array([0, margin[0]]) if len(margin) == 1 else margin
        return np.exp(margin) / np.exp(margin).sum()

    margin = table.base_margin.copy()
    change = np.zeros(table.n_classes)
    for number in range(table.round[-1] + 1):
        p = chances(margin)
        for tree in np.flatnonzero(table.round == number):
            node, c = leaves[tree], 1 if table.n_classes == 2 else table.group[tree]
            total, damped = table.gradient[tree, node], table.damped[tree, node]
            h = p[c] * (1 - p[c]) * (1 if table.n_classes == 2 else 2)
            for label in range(table.n_classes):
                g = p[c] - (label == c)
                before, after = total / damped, (total + g) / (damped + h)
                change[label] += table.learning_rate * abs(after - before)
            margin[table.group[tree]] += table.value[tree, node]
    return float(chances(margin) @ change)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_the_expected_sum_over_classes_and_trees(n_classes):
    X, y = make_data(150, n_classes)
    model = fit(X, y, n_classes, min_child_weight=0)
    table, leaves = leaf_table(model), model.leaves(X)
    scores = expected_change(table, leaves)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores[:20], [by_definition(table, row) for row in leaves[:20]], rtol=1e-5)


def test_a_certain_item_in_a_full_leaf_is_worth_less():
    table = make_candidates(4, n_classes=2).leaf_table
    assert table is not None
    leaves = np.zeros((2, table.n_trees), int)
    leaves[1] = 1
    value, hessian = np.zeros_like(table.value), np.full_like(table.value, 5.0)
    hessian[:, 1] = 50
    thin, full = expected_change(replace(table, value=value, hessian=hessian), leaves)
    assert thin > 5 * full
    sure = replace(table, value=value, hessian=hessian, base_margin=np.full(1, 5.0))
    assert thin > 5 * expected_change(sure, leaves)[0]


def test_leaves_below_the_least_weight_do_not_move():
    table = make_candidates(4, n_classes=2).leaf_table
    assert table is not None
    empty = replace(
        table,
        value=np.zeros_like(table.value),
        hessian=np.full_like(table.value, 0.1),
        base_margin=np.zeros(1),
    )
    leaves = np.zeros((1, table.n_trees), int)
    assert expected_change(replace(empty, min_child_weight=0.5), leaves)[0] == 0
    assert expected_change(replace(empty, min_child_weight=0.3), leaves)[0] > 0


@given(n_classes=st.integers(2, 4), rows=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_row_stands_alone_whatever_the_blocks(n_classes, rows, seed):
    candidates = make_candidates(30, seed=seed, n_classes=n_classes)
    assert candidates.leaf_table is not None
    assert candidates.leaves is not None
    whole = expected_change(candidates.leaf_table, candidates.leaves)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.strategies.leaf_change._ROWS", rows)
        np.testing.assert_array_equal(expected_change(candidates.leaf_table, candidates.leaves), whole)
    assert (whole >= 0).all()


def test_the_contract():
    check_strategy(LeafChange())


def test_leaves_of_another_model_are_refused():
    candidates = make_candidates(20)
    assert candidates.leaves is not None
    with pytest.raises(UsageError, match="one model"):
        LeafChange().select(replace(candidates, leaves=candidates.leaves[:, 1:]), 2, np.random.default_rng(0))
