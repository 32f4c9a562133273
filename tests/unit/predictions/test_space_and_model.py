"""Predictions at the end of a feature space, and the model that reads them there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tasks.errors import UsageError
from tasks.features import FeatureSpace, fit_space
from tasks.features.extended import split, with_predictions
from tasks.features.given import PredictionBlock
from tasks.features.lists import as_lists
from tasks.models import Model
from tasks.models.given import GivenModel
from tasks.pool.schema import Columns
from tasks.strategies import get
from tasks.strategies.given import check_strategy_of_predictions

BLOCK = PredictionBlock("__prediction", ("ham", "spam"))


def table(n: int = 30) -> pa.Table:
    numbers = np.arange(n, dtype=float)
    proba = np.column_stack([numbers / n, 1 - numbers / n]).astype(np.float32)
    proba[3] = np.nan
    return pa.table(
        {"x": numbers % 7, "t": [f"word{n % 5} and more" for n in range(n)], "__prediction": as_lists(proba)}
    )


def test_the_space_of_the_pool_is_left_as_it_is() -> None:
    base = fit_space(table(), Columns("id", numeric=("x",), text=("t",)), seed=1)
    space = with_predictions(base, BLOCK)
    X = space.transform(table())
    assert space.names == (*base.names, "prediction.ham", "prediction.spam")
    np.testing.assert_array_equal(X[:, :-2], base.transform(table()))
    # Distances leave predictions out.
    of_base, embedded = base.embed(X[:, :-2]), space.embed(X)
    np.testing.assert_allclose(
        np.linalg.norm(embedded - embedded[0], axis=1),
        np.linalg.norm(of_base - of_base[0], axis=1),
        atol=1e-5,
    )
    again = FeatureSpace.from_bytes(space.to_bytes())
    assert again.digest == space.digest
    own, given = split(again)
    assert own is not None
    assert given is not None
    np.testing.assert_array_equal(np.hstack([own.transform(table()), given.transform(table())]), X)
    assert split(base) == (base, None)


def test_without_other_columns_distances_are_between_predictions() -> None:
    space = with_predictions(None, BLOCK)
    X = space.transform(table())
    embedded = space.embed(X)
    gaps = np.linalg.norm(embedded[[0, 5, 10]] - embedded[[5, 10, 15]], axis=1)
    np.testing.assert_allclose(gaps, gaps[0], rtol=1e-5)
    assert (embedded[3] == 0).all(), "an item without a prediction lies in the middle"
    assert split(FeatureSpace.from_bytes(space.to_bytes()))[0] is None


def test_the_model_gives_what_was_given() -> None:
    space = with_predictions(None, BLOCK)
    X = space.transform(table())
    model = Model(GivenModel(0, 2, 2, "source"), "cpu")
    proba = model.predict(X)
    np.testing.assert_array_equal(proba[3], [0.5, 0.5])
    rest = np.arange(30) != 3
    np.testing.assert_array_equal(proba[rest], X[rest])
    again = Model.from_bytes(model.to_bytes())
    assert (again.kind, again.n_classes, again.digest) == ("given", 2, model.digest)
    assert Model(GivenModel(0, 2, 2, "other"), "cpu").digest != model.digest
    with pytest.raises(UsageError, match="trained on 2 features"):
        model.predict(X[:, :1])


@pytest.mark.parametrize("name", ["margin", "auto", "margin_kmeans", "entropy", "random", "kcenter"])
def test_strategies_that_read_probabilities_and_features_do(name: str) -> None:
    for several in (False, True):
        check_strategy_of_predictions(get(name), several=several)


@pytest.mark.parametrize(
    ("name", "several"),
    [("badge", False), ("vote_entropy", False), ("leaf_change", True), ("vote_entropy", True)],
)
def test_strategies_that_look_into_a_model_are_refused(name: str, several: bool) -> None:
    with pytest.raises(UsageError, match="which predictions have not"):
        check_strategy_of_predictions(get(name), several=several)
