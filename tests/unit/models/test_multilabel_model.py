from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.features.view import fit_view
from tasks.models import Examples, Setting, fit_model
from tasks.models.multilabel import Constant, FittedSets, MultiLabelModel, train_each, train_multilabel

D = 5


def make(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four labels: two that the features tell, one that nobody has, one that all have."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, D)).astype(np.float32)
    X[rng.random((n, D)) < 0.05] = np.nan
    here = [np.nan_to_num(X[:, 0]) > 0, np.nan_to_num(X[:, 1]) > 1, np.zeros(n), np.ones(n)]
    return X, np.column_stack(here).astype(np.int8)


def setting(X: np.ndarray, seed: int = 3, **params: object) -> Setting:
    names, types = tuple(f"f{i}" for i in range(D)), ("q",) * D
    params = {"num_boost_round": 30, "nthread": 1} | params
    return Setting(4, names, types, fit_view(X, types), "cpu", seed, params)


def fitted(X: np.ndarray, Y: np.ndarray, kind: str = "xgboost", **more: object) -> FittedSets:
    weight = more.pop("weight", None)
    return train_multilabel(kind, X, Y, setting(X, **more), weight=weight)


def fit(X: np.ndarray, Y: np.ndarray, kind: str = "xgboost", **more: object) -> MultiLabelModel:
    return fitted(X, Y, kind, **more).model


def test_each_label_has_a_probability_of_its_own():
    X, Y = make()
    model = fit(X[:200], Y[:200])
    proba = model.predict(X)
    assert (proba.dtype, proba.shape) == (np.float32, (300, 4))
    assert (model.kind, model.n_classes, model.width) == ("multilabel", 4, D)
    right = (proba[200:] >= 0.5) == Y[200:]
    assert (right.mean(axis=0) > 0.85).all()
    assert proba[:, 2] == pytest.approx(1 / 202)
    assert proba[:, 3] == pytest.approx(201 / 202)


def test_a_member_is_what_training_for_its_label_alone_gives():
    X, Y = make()
    weight = np.random.default_rng(0).uniform(0.5, 1, len(X))
    model = fit(X, Y, weight=weight)
    examples = Examples(X, Y[:, 1].astype(np.int64), weight, np.arange(len(X)))
    alone = fit_model("xgboost", examples, replace(setting(X), n_classes=2)).model
    np.testing.assert_array_equal(model.predict(X)[:, 1], alone.predict(X)[:, 1])
    # So a label does not depend on which others there are.
    np.testing.assert_array_equal(fit(X, Y[:, 1:], weight=weight).predict(X), model.predict(X)[:, 1:])


def test_any_chunking_gives_the_same_numbers():
    X, Y = make()
    model = fit(X, Y)
    chunks = [model.predict(X[start : start + 77]) for start in range(0, 300, 77)]
    np.testing.assert_array_equal(np.concatenate(chunks), model.predict(X))
    assert model.predict(X[:0]).shape == (0, 4)


def test_it_survives_its_bytes_and_equal_models_have_equal_ones():
    X, Y = make()
    model = fit(X, Y)
    again = MultiLabelModel.from_bytes(model.to_bytes())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.digest == model.digest == fit(X, Y).digest
    assert fit(X, Y, seed=4).digest != model.digest
    blind = fit(X, Y[:, 2:])
    assert MultiLabelModel.from_bytes(blind.to_bytes()).members == (Constant(1 / 302), Constant(301 / 302))


@dataclass(frozen=True)
class Share:
    """A model that is no booster."""

    share: float

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.tile(np.array([1 - self.share, self.share], np.float32), (len(X), 1))

    def to_bytes(self) -> bytes:
        return str(self.share).encode()


def test_a_member_is_anything_that_predicts():
    X, Y = make()
    seen = []

    def fit_share(X: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> Share:
        seen.append((y.dtype, weight is None))
        return Share(float(y.mean()))

    model = train_each(X, Y, fit_share, device="cpu")
    assert seen == [(np.int64, True)] * 2
    assert model.predict(X)[0, :2] == pytest.approx(Y[:, :2].mean(axis=0))
    again = MultiLabelModel.from_bytes(model.to_bytes(), read=lambda data, device: Share(float(data)))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_wrong_input_is_refused():
    X, Y = make(40)
    model = fit(X, Y)
    for bad in (X[:, :3], X[0]):
        with pytest.raises(UsageError, match="5 features"):
            model.predict(bad)
    for X_, Y_, more in [
        (X, Y[:5], {}), (X, Y + 1, {}), (X, Y[:, 0], {}), (X[:0], Y[:0], {}), (X, Y, {"weight": np.ones(3)}),
        (X, Y, {"no_such": 1}), (X, Y, {"kind": "oracle"}),
    ]:  # fmt: skip
        with pytest.raises(UsageError):
            train_multilabel(
                more.get("kind", "xgboost"), X_, Y_,
                setting(X, **{key: value for key, value in more.items() if key == "no_such"}),
                weight=more.get("weight"),
            )  # fmt: skip
    one = fit_model(
        "linear", Examples.of(X, Y[:, 0].astype(np.int64)), replace(setting(X), n_classes=2)
    ).model
    for data in (b"something else", one.to_bytes()):
        with pytest.raises(UsageError, match="multi-label model"):
            MultiLabelModel.from_bytes(data)


@pytest.mark.parametrize("kind", ["linear", "stacked", "auto"])
def test_every_kind_of_model_can_be_a_member(kind):
    X, Y = make(80)
    Y[:, 2] = np.arange(80) == 7  # a label that one item has
    found = fitted(X, Y, kind)
    proba = found.model.predict(X)
    assert ((proba >= 0) & (proba <= 1)).all()
    assert ((proba >= 0.5) == Y).mean() > 0.9
    np.testing.assert_array_equal(MultiLabelModel.from_bytes(found.model.to_bytes()).predict(X), proba)
    figures = found.figures(["a", "b", "c", "d"])
    assert figures["kind"] == "multilabel"
    assert figures["labels"]["d"] is None
    kinds = {name: one["kind"] for name, one in figures["labels"].items() if one is not None}
    assert set(kinds) == {"a", "b", "c"}
    assert kind == "auto" or set(kinds.values()) == {kind}
