from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import DeviceUnavailable, UsageError
from tasks.models import resolve_device
from tasks.models.boosting import BoostedModel, train
from tasks.models.device import effective_device


def make_data(n: int = 300, n_classes: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    y = np.digitize(X[:, 0] + 0.3 * rng.normal(size=n), np.linspace(-0.8, 0.8, n_classes - 1))
    X[:, 4] = rng.integers(0, 4, n)
    X[rng.random((n, 5)) < 0.05] = np.nan
    return X, y


def fit(X: np.ndarray, y: np.ndarray, n_classes: int = 2, **changes: object) -> BoostedModel:
    options: dict = {"device": "cpu", "seed": 5, "params": {"num_boost_round": 40}} | changes
    return train(
        X, y, n_classes=n_classes, names=[f"f{i}" for i in range(5)], types=["q"] * 4 + ["c"], **options
    )


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_it_learns_and_gives_probabilities(n_classes):
    X, y = make_data(600, n_classes)
    model = fit(X[:400], y[:400], n_classes)
    proba = model.predict(X)
    assert proba.dtype == np.float32
    assert proba.shape == (600, n_classes)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    most = np.bincount(y[400:]).max() / 200
    assert np.mean(proba[400:].argmax(axis=1) == y[400:]) > most + 0.1


@pytest.mark.parametrize("n_classes", [2, 5])
def test_classes_without_a_label_stay_possible(n_classes):
    X, _ = make_data(40)
    proba = fit(X, np.full(40, n_classes - 1), n_classes).predict(X)
    assert proba.shape == (40, n_classes)
    assert (proba.argmax(axis=1) == n_classes - 1).all()
    assert proba.min() > 1e-4


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads():
    X, y = make_data()
    first = fit(X, y)
    assert fit(X, y).to_bytes() == first.to_bytes()
    assert fit(X, y, params={"num_boost_round": 40, "nthread": 1}).digest == first.digest
    assert fit(X, y, seed=6).digest != first.digest


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_model_survives_its_bytes(n_classes):
    X, y = make_data(n_classes=n_classes)
    model = fit(X, y, n_classes)
    again = BoostedModel.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert (again.digest, again.n_classes, again.device) == (model.digest, n_classes, "cpu")


def test_bytes_that_are_no_classifier_are_refused():
    import xgboost as xgb

    with pytest.raises(UsageError, match="cannot be read"):
        BoostedModel.from_bytes(b"something else")
    X, y = make_data(20)
    regressor = xgb.train({"objective": "reg:squarederror"}, xgb.DMatrix(X, y), 1)
    with pytest.raises(UsageError, match="reg:squarederror"):
        BoostedModel.from_bytes(bytes(regressor.save_raw("ubj")))


X_MANY, Y_MANY = make_data(500)
MODEL = fit(X_MANY, Y_MANY)


@given(cuts=st.lists(st.integers(0, 500), max_size=4))
@settings(max_examples=15, deadline=None)
def test_prediction_does_not_depend_on_chunks(cuts):
    ends = [0, *sorted(cuts), 500]
    parts = [MODEL.predict(X_MANY[a:b]) for a, b in pairwise(ends)]
    np.testing.assert_array_equal(np.vstack(parts), MODEL.predict(X_MANY))


def test_a_category_beyond_those_labelled_predicts():
    X = X_MANY[:3].copy()
    X[:, 4] = [200, 63, np.nan]
    assert np.isfinite(MODEL.predict(X)).all()


def test_weights_count():
    X = np.repeat(np.zeros((1, 5), np.float32), 40, axis=0)
    y = np.arange(40) % 2
    heavy = fit(X, y, weight=np.where(y == 1, 9.0, 1.0)).predict(X[:1])
    assert heavy[0, 1] > 0.8


def test_params_reach_xgboost():
    X, y = make_data()
    assert fit(X, y, params={"num_boost_round": 7, "eta": 0.3}).booster.num_boosted_rounds() == 7
    shallow = fit(X, y, params={"num_boost_round": 3, "max_depth": 1, "max_bin": 16})
    assert all(tree.count("leaf") <= 2 for tree in shallow.booster.get_dump())


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"objective": "reg:squarederror"}, "objective"),
        ({"num_boost_round": 0}, "num_boost_round"),
        ({"max_depth": "deep"}, "max_depth"),
    ],
)
def test_wrong_params_are_named(params, said):
    X, y = make_data(30)
    with pytest.raises(UsageError, match=said):
        fit(X, y, params=params)


def test_arrays_that_do_not_fit_are_refused():
    X, y = make_data(30)
    with pytest.raises(UsageError, match="class codes 0 to 2"):
        fit(X, np.arange(30) % 3)
    with pytest.raises(UsageError, match="labelled rows"):
        fit(X[:0], y[:0])
    with pytest.raises(UsageError, match="weight"):
        fit(X, y, weight=np.full(30, np.nan))
    with pytest.raises(UsageError, match="trained on 5 features"):
        MODEL.predict(X[:, :3])


def test_an_empty_chunk_predicts_nothing():
    assert MODEL.predict(X_MANY[:0]).shape == (0, 2)


def test_devices():
    assert resolve_device("cpu") == "cpu"
    auto = resolve_device("auto")
    assert auto in ("cpu", "cuda")
    if auto == "cuda":
        assert resolve_device("cuda") == "cuda"
    else:
        with pytest.raises(DeviceUnavailable, match=r"CPU-only.*no GPU is visible.*older than.*USE_CUDA="):
            resolve_device("cuda")
    with pytest.raises(UsageError, match="gpu"):
        resolve_device("gpu")


def test_a_model_trains_where_it_says():
    device = resolve_device("auto")
    X, y = make_data()
    model = fit(X, y, device=device)
    assert model.device == effective_device(model.booster.save_config()) == device
