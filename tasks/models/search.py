"""A small random search for XGBoost's parameters (Bergstra and Bengio, 2012), on the folds that all else uses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasks.models.base import Setting
from tasks.models.crossfit import Prepared, crossfit, losses
from tasks.models.examples import Examples
from tasks.models.parameters import rounds_for

# With fewer labelled items cross-validation cannot tell parameters apart.
FEWEST_ITEMS = 100
# What others must gain over the parameters in use, as a share of their log-loss.
_LEAST_GAIN = 0.01


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes
    ----------
    params : mapping
        The best parameters; empty where the usual ones stay.
    usual, best : float
        Cross-validated log-loss with the parameters in use, and with `params`, in nats.
    trials : int
        Tries that were finished in time.
    """

    params: Mapping[str, Any]
    usual: float
    best: float
    trials: int


def search(examples: Examples, setting: Setting, *, trials: int, seconds: float) -> Searched | None:
    """Try parameters at random, and take those that are clearly better.

    Parameters
    ----------
    examples : Examples
    setting : Setting
        Its own parameters stay as they are; the others are searched.
    trials : int
        Tries at most. They depend on the seed alone.
    seconds : float
        Time, after which no further try begins: where it ends a search early, the result depends on the machine.

    Returns
    -------
    Searched or None
        None with fewer than 100 labelled items.
    """
    if examples.items < FEWEST_ITEMS:
        return None
    begun = time.monotonic()
    prepared = Prepared.of(examples, setting)
    rng = np.random.default_rng([setting.seed % 2**63, 7])
    usual = _losses(prepared, setting)
    if usual is None:
        return None
    weight = examples.weight[examples.real]
    best, chosen, done = usual, {}, 0
    for _ in range(trials):
        if time.monotonic() - begun > seconds:
            break
        params = {**_draw(rng), **setting.params}
        found = _losses(prepared, replace(setting, params=params))
        done += 1
        if found is not None and float(weight @ found) < float(weight @ best):
            best, chosen = found, {name: one for name, one in params.items() if name not in setting.params}
    before, after = (float(np.average(one, weights=weight)) for one in (usual, best))
    spread = float(np.sqrt(np.average((best - usual - (after - before)) ** 2, weights=weight) / len(weight)))
    if before - after < max(_LEAST_GAIN * before, spread):
        chosen, after = {}, before
    return Searched(chosen, before, after, done)


def _losses(prepared: Prepared, setting: Setting) -> np.ndarray[Any, Any] | None:
    unseen = crossfit(prepared, setting, ("xgboost",))
    return None if unseen.fold is None else losses(unseen.proba["xgboost"], prepared.examples)


def _draw(rng: np.random.Generator) -> dict[str, Any]:
    """Draw parameters; small steps get more rounds."""
    rate = float(np.exp(rng.uniform(np.log(0.03), np.log(0.2))))
    return {
        "learning_rate": round(rate, 4),
        "num_boost_round": rounds_for(rate),
        "max_depth": int(rng.integers(2, 9)),
        "subsample": round(float(rng.uniform(0.5, 1.0)), 3),
        "colsample_bynode": round(float(np.exp(rng.uniform(np.log(0.1), 0.0))), 3),
        "min_child_weight": round(float(np.exp(rng.uniform(np.log(0.1), np.log(5.0)))), 3),
        "reg_lambda": round(float(np.exp(rng.uniform(np.log(0.3), np.log(10.0)))), 3),
    }
