"""Gradient boosted trees by native XGBoost, for few labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.errors import DeviceUnavailable, UsageError
from tasks.models.base import Floats, Parts, Setting, check_width
from tasks.models.device import Device, effective_device
from tasks.models.examples import Examples
from tasks.models.parameters import refuse_unknown, settings_for

# What `tasks.models.leaves` must know of the training.
_OF_LEAVES = (
    "learning_rate", "reg_lambda", "reg_alpha", "max_delta_step", "min_child_weight", "monotone_constraints",
)  # fmt: skip
# Rows whose leaves are asked for at once: XGBoost gives them as float32, beside the result.
_LEAF_ROWS = 65_536


@dataclass(frozen=True)
class BoostedModel:
    """Trained boosted trees.

    Attributes
    ----------
    booster : xgboost.Booster
    n_classes : int
        Classes of the campaign, whether or not each had a label.
    device : {'cpu', 'cuda'}
        Where it was trained, or is to predict after `from_bytes`.
    seen : int64 (t,) or None
        Columns of the feature matrix that the trees were grown on; None for all.
    n_features : int or None
        Columns of the feature matrix; None for as many as the trees know.
    """

    kind: ClassVar[str] = "xgboost"
    booster: Any
    n_classes: int
    device: Device
    seen: NDArray[np.int64] | None = None
    n_features: int | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def predict(self, X: Floats, *, iteration_range: tuple[int, int] | None = None) -> Floats:
        """Predict class probabilities.

        Parameters
        ----------
        X : float32 (n, d)
            NaN = missing. Rows are independent: any chunking gives the same numbers.
        iteration_range : (int, int), optional
            The boosting rounds to predict with, from the first to before the second; all of them by default.

        Returns
        -------
        float32 (n, n_classes)
            In the campaign's class order; rows sum to 1.

        Raises
        ------
        UsageError
            X has another number of columns than in training.
        """
        X = self._columns(X)
        if len(X) == 0:
            return np.zeros((0, self.n_classes), np.float32)
        raw = self._predict_raw(np.ascontiguousarray(X, dtype=np.float32), iteration_range or (0, 0))
        if raw.ndim == 1:
            raw = np.column_stack([1 - raw, raw])
        return np.ascontiguousarray(raw, dtype=np.float32)

    def _predict_raw(self, X: Floats, rounds: tuple[int, int]) -> Floats:
        if self.device == "cpu":
            return np.asarray(self.booster.inplace_predict(X, iteration_range=rounds), np.float32)
        # inplace_predict wants its input on the GPU already, and warns otherwise.
        return np.asarray(self.booster.predict(self._matrix(X), iteration_range=rounds), np.float32)

    def leaves(self, X: Floats) -> NDArray[np.int32]:
        """Find the leaf that each tree puts each row in.

        Parameters
        ----------
        X : float32 (n, d)
            As in `predict`.

        Returns
        -------
        int32 (n, trees)
            Numbers of nodes; `tasks.models.leaves.leaf_table` has the statistics of each.

        Raises
        ------
        UsageError
            X has another number of columns than in training.
        """
        X = self._columns(X)
        if len(X) == 0:
            trees = self._nodes(np.full((1, X.shape[1]), np.nan, np.float32)).shape[1]
            return np.zeros((0, trees), np.int32)
        first = self._nodes(X[:_LEAF_ROWS])
        found = np.empty((len(X), first.shape[1]), np.int32)
        found[: len(first)] = first
        for start in range(len(first), len(X), _LEAF_ROWS):
            found[start : start + _LEAF_ROWS] = self._nodes(X[start : start + _LEAF_ROWS])
        return found

    def _nodes(self, X: Floats) -> Floats:
        found = self.booster.predict(self._matrix(X), pred_leaf=True, strict_shape=True)
        return np.asarray(found.reshape(len(X), -1))

    def _matrix(self, X: Floats) -> Any:
        import xgboost as xgb

        names, types = self.booster.feature_names, self.booster.feature_types
        return xgb.DMatrix(np.ascontiguousarray(X, np.float32), feature_names=names, feature_types=types)

    def to_bytes(self) -> bytes:
        """Write the model as UBJ, XGBoost's own binary JSON."""
        return bytes(self.booster.save_raw("ubj"))

    def _columns(self, X: Floats) -> Floats:
        check_width(X, self.n_features or self.booster.num_features())
        return X if self.seen is None else X[:, self.seen]

    def to_parts(self) -> Parts:
        """Give the bytes as an array, and which columns they are for."""
        arrays: dict[str, NDArray[Any]] = {"ubj": np.frombuffer(self.to_bytes(), np.uint8)}
        if self.seen is not None:
            arrays["seen"] = self.seen
        return {"n_features": self.n_features}, arrays

    @classmethod
    def from_parts(
        cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]], device: Device
    ) -> BoostedModel:
        """Make the model again of what `to_parts` gave."""
        model = cls.from_bytes(arrays["ubj"].tobytes(), device=device)
        return replace(model, seen=arrays.get("seen"), n_features=settings["n_features"])

    @classmethod
    def from_bytes(cls, data: bytes, *, device: Device = "cpu") -> BoostedModel:
        """Read what `to_bytes` wrote; a model from one device predicts on the other.

        Raises
        ------
        UsageError
            The bytes are no XGBoost model, or one that does not give class probabilities.
        """
        import xgboost as xgb

        try:
            booster = xgb.Booster({"device": device}, model_file=bytearray(data))
        except (xgb.core.XGBoostError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"The model cannot be read: {reason}. Train it again.") from error
        learner = json.loads(booster.save_config())["learner"]
        objective = learner["objective"]["name"]
        if objective == "binary:logistic":
            return cls(booster, 2, device)
        if objective == "multi:softprob":
            return cls(booster, int(learner["learner_model_param"]["num_class"]), device)
        raise UsageError(f"The model has the objective {objective}, not binary:logistic or multi:softprob.")


def train(
    X: Floats,
    y: NDArray[np.int64],
    *,
    n_classes: int,
    names: Sequence[str],
    types: Sequence[str],
    device: Device,
    seed: int,
    weight: NDArray[np.floating[Any]] | None = None,
    params: Mapping[str, Any] | None = None,
) -> BoostedModel:
    """Train on the labels so far.

    Parameters
    ----------
    X : float32 (n, d)
        NaN = missing; a category as its code.
    y : int (n,)
        Class codes below `n_classes`. A class may have no label yet; even one class alone trains.
    n_classes : int
        At least 2.
    names, types : sequences of str (d,)
        Of `FeatureSpace`: types are ``'q'`` for a number, ``'c'`` for a category.
    device : {'cpu', 'cuda'}
        What `resolve_device` returned.
    seed : int
        The same input and seed give the same bytes on the CPU.
    weight : float (n,), optional
        Weight of each row, for instance a label's confidence.
    params : mapping, optional
        XGBoost parameters that replace ours; ``num_boost_round`` is the number of rounds.

    Returns
    -------
    BoostedModel

    Raises
    ------
    UsageError
        Arrays that do not fit together, or parameters that XGBoost refuses.
    DeviceUnavailable
        ``cuda`` was asked for and XGBoost used the CPU.
    """
    import xgboost as xgb

    X, y = np.ascontiguousarray(X, dtype=np.float32), np.asarray(y)
    _check(X, y, n_classes, names, types, weight)
    settings, rounds = settings_for(y, X.shape[1], n_classes, params)
    settings |= {"device": device, "seed": int(seed) % 2**31}
    try:
        data = xgb.QuantileDMatrix(
            X,
            y,
            weight=weight,
            feature_names=list(names),
            feature_types=list(types),
            max_bin=int(settings.get("max_bin", 256)),
            nthread=settings.get("nthread"),
        )
        booster = xgb.train(settings, data, rounds)
    except (xgb.core.XGBoostError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"XGBoost refuses to train: {reason}. Look at the model's parameters.") from error
    config = booster.save_config()
    refuse_unknown(params or {}, config)
    _write_down(booster, config)
    if device == "cuda" and effective_device(config) != "cuda":
        raise DeviceUnavailable("XGBoost trained on the CPU although cuda was asked for. Set device: auto.")
    return BoostedModel(booster, n_classes, device)


def fit_boosted(examples: Examples, setting: Setting) -> BoostedModel:
    """Train on examples with the matrix of features, on the columns that trees are for; raises as `train`."""
    seen = setting.view.trees
    if len(seen) == len(setting.names):
        return fit_on(examples, setting)
    own = replace(
        setting,
        names=tuple(setting.names[column] for column in seen.tolist()),
        types=tuple(setting.types[column] for column in seen.tolist()),
    )
    model = fit_on(replace(examples, X=examples.X[:, seen]), own)
    return replace(model, seen=seen, n_features=len(setting.names))


def fit_on(examples: Examples, setting: Setting) -> BoostedModel:
    """Train on examples with exactly the setting's columns; raises as `train`."""
    return train(
        examples.X, examples.y, n_classes=setting.n_classes, names=setting.names, types=setting.types,
        device=setting.device, seed=setting.seed, weight=examples.weight, params=setting.params,
    )  # fmt: skip


def _write_down(booster: Any, config: str) -> None:
    """Keep what made the leaves as an attribute of the booster: XGBoost's files leave it out."""
    boosting = json.loads(config)["learner"]["gradient_booster"]
    params = boosting.get("tree_train_param", {})
    kept = {name: params[name] for name in _OF_LEAVES if name in params}
    booster.set_attr(tree_train_param=json.dumps(kept))


def _check(
    X: Floats,
    y: NDArray[np.int64],
    n_classes: int,
    names: Sequence[str],
    types: Sequence[str],
    weight: NDArray[np.floating[Any]] | None,
) -> None:
    if n_classes < 2:
        raise UsageError(f"A classifier needs at least 2 classes, not {n_classes}.")
    if X.ndim != 2 or len(X) == 0:
        raise UsageError(f"Training needs labelled rows; the matrix has shape {X.shape}.")
    if y.shape != (len(X),) or not np.issubdtype(y.dtype, np.integer):
        raise UsageError(f"y must be {len(X)} class codes, not {y.dtype} of shape {y.shape}.")
    if y.min() < 0 or y.max() >= n_classes:
        raise UsageError(f"y has the class codes {y.min()} to {y.max()}, but there are {n_classes} classes.")
    if len(names) != X.shape[1] or len(types) != X.shape[1]:
        raise UsageError(f"{X.shape[1]} features have {len(names)} names and {len(types)} types.")
    if np.isinf(X).any():
        raise UsageError("The feature matrix holds infinite values; a missing value is NaN.")
    if weight is not None and (
        weight.shape != (len(X),) or not np.isfinite(weight).all() or (weight < 0).any() or not weight.any()
    ):
        raise UsageError(f"weight must be {len(X)} numbers, none negative and not all zero.")
