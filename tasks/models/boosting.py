"""Gradient boosted trees by native XGBoost, for few labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import DeviceUnavailable, UsageError
from tasks.models.device import Device, effective_device

Floats = NDArray[np.float32]

ROUNDS = 200
# Strong randomisation and slow learning: with some hundred labels variance is the enemy.
_DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.07,
    "max_depth": 5,
    "subsample": 0.7,
    "min_child_weight": 0.5,
    "tree_method": "hist",
}
# One name for one thing: XGBoost takes the last of two aliases, silently.
_ALIASES = {"eta": "learning_rate", "lambda": "reg_lambda", "alpha": "reg_alpha", "gamma": "min_split_loss"}
_OURS = ("objective", "num_class", "device", "seed", "random_state")
# What XGBoost takes and does not show in a booster's configuration.
_NOT_SHOWN = ("eval_metric", "verbosity", "num_boost_round")
# What `tasks.models.leaves` must know of the training.
_OF_LEAVES = (
    "learning_rate", "reg_lambda", "reg_alpha", "max_delta_step", "min_child_weight", "monotone_constraints",
)  # fmt: skip
# Rows whose leaves are asked for at once: XGBoost gives them as float32, beside the result.
_LEAF_ROWS = 65_536


@dataclass(frozen=True)
class Model:
    """A trained classifier.

    Attributes
    ----------
    booster : xgboost.Booster
    n_classes : int
        Classes of the campaign, whether or not each had a label.
    device : {'cpu', 'cuda'}
        Where it was trained, or is to predict after `from_bytes`.
    """

    booster: Any
    n_classes: int
    device: Device

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
        self._check_width(X)
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
        self._check_width(X)
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

    def _check_width(self, X: Floats) -> None:
        d = self.booster.num_features()
        if X.ndim != 2 or X.shape[1] != d:
            raise UsageError(f"The model was trained on {d} features and got an array of shape {X.shape}.")

    def to_bytes(self) -> bytes:
        """Write the model as UBJ, XGBoost's own binary JSON."""
        return bytes(self.booster.save_raw("ubj"))

    @classmethod
    def from_bytes(cls, data: bytes, *, device: Device = "cpu") -> Model:
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
) -> Model:
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
    Model

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
    settings, rounds = _settings(y, X.shape[1], n_classes, params)
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
    _refuse_unknown(params or {}, config)
    _write_down(booster, config)
    if device == "cuda" and effective_device(config) != "cuda":
        raise DeviceUnavailable("XGBoost trained on the CPU although cuda was asked for. Set device: auto.")
    return Model(booster, n_classes, device)


def _settings(
    y: NDArray[np.int64], d: int, n_classes: int, params: Mapping[str, Any] | None
) -> tuple[dict[str, Any], int]:
    own = {_ALIASES.get(name, name): value for name, value in (params or {}).items()}
    for name in _OURS:
        if name in own:
            raise UsageError(f"The model parameter {name!r} is set by the campaign; leave it out of params.")
    rounds = own.pop("num_boost_round", ROUNDS)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise UsageError(f"num_boost_round must be a positive whole number, not {rounds!r}.")
    settings = {**_DEFAULTS, "colsample_bynode": min(1.0, d**0.5 / d)}
    if n_classes == 2:
        # Laplace's estimate: the plain share makes a class without labels impossible before the first tree.
        share = (float(np.sum(y == 1)) + 1) / (len(y) + 2)
        settings |= {"objective": "binary:logistic", "base_score": share}
    else:
        settings |= {"objective": "multi:softprob", "num_class": n_classes, "base_score": 0.5}
    return {**settings, **own}, rounds


def _refuse_unknown(params: Mapping[str, Any], config: str) -> None:
    """Refuse what XGBoost ignored: it only warns of a misspelt parameter."""
    for name in params:
        if name not in _NOT_SHOWN and f'"{_ALIASES.get(name, name)}"' not in config:
            raise UsageError(f"XGBoost does not use the parameter {name!r}. Look at the model's parameters.")


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
