"""What XGBoost is told: our parameters by the number of labels and classes, and the campaign's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

# Strong randomisation and slow learning: with some hundred labels variance is the enemy.
_ALWAYS: dict[str, Any] = {"max_depth": 5, "subsample": 0.7, "min_child_weight": 0.5, "tree_method": "hist"}
# Of several classes each round grows a tree a class: fewer and larger steps, until labels are many, take half the
# time and lose nothing that we could measure.
_FEW_STEPS = {"learning_rate": 0.1, "num_boost_round": 100}
_MANY_STEPS = {"learning_rate": 0.07, "num_boost_round": 200}
_MANY_LABELS = 2_000
# With so many labels deeper trees find what is there.
_DEEPER = {"max_depth": 6, "subsample": 0.8}

# One name for one thing: XGBoost takes the last of two aliases, silently.
_ALIASES = {"eta": "learning_rate", "lambda": "reg_lambda", "alpha": "reg_alpha", "gamma": "min_split_loss"}
_OURS = ("objective", "num_class", "device", "seed", "random_state")
# What XGBoost takes and does not show in a booster's configuration.
_NOT_SHOWN = ("eval_metric", "verbosity", "num_boost_round")


def defaults(n: int, d: int, n_classes: int) -> dict[str, Any]:
    """Give our parameters for n rows of d features, ``num_boost_round`` among them."""
    steps = _MANY_STEPS if n_classes == 2 or n >= _MANY_LABELS else _FEW_STEPS
    depth = _DEEPER if n >= _MANY_LABELS else {}
    return {**_ALWAYS, **steps, **depth, "colsample_bynode": min(1.0, d**0.5 / d)}


def rounds_for(learning_rate: float) -> int:
    """Give the boosting rounds that go with a step: about as far in all, whatever the step."""
    return int(np.clip(round(14 / learning_rate), 60, 400))


def settings_for(
    y: NDArray[np.int64], d: int, n_classes: int, params: Mapping[str, Any] | None
) -> tuple[dict[str, Any], int]:
    """Give all parameters of a training, and its boosting rounds.

    Parameters
    ----------
    y : int64 (n,)
    d, n_classes : int
    params : mapping, optional
        Replace ours.

    Raises
    ------
    UsageError
        One that is not the campaign's to set, or no whole number of rounds.
    """
    own = {_ALIASES.get(name, name): value for name, value in (params or {}).items()}
    for name in _OURS:
        if name in own:
            raise UsageError(f"The model parameter {name!r} is set by the campaign; leave it out of params.")
    settings = {**defaults(len(y), d, n_classes), **own}
    rounds = settings.pop("num_boost_round")
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise UsageError(f"num_boost_round must be a positive whole number, not {rounds!r}.")
    if n_classes == 2:
        # Laplace's estimate: the plain share makes a class without labels impossible before the first tree.
        share = (float(np.sum(y == 1)) + 1) / (len(y) + 2)
        fixed = {"objective": "binary:logistic", "base_score": share}
    else:
        fixed = {"objective": "multi:softprob", "num_class": n_classes, "base_score": 0.5}
    return {**fixed, **settings}, rounds


def refuse_unknown(params: Mapping[str, Any], config: str) -> None:
    """Refuse what XGBoost ignored, by the configuration of its booster: it only warns of a misspelt parameter."""
    for name in params:
        if name not in _NOT_SHOWN and f'"{_ALIASES.get(name, name)}"' not in config:
            raise UsageError(f"XGBoost does not use the parameter {name!r}. Look at the model's parameters.")
