"""From examples to the model of a round: the kind, its core, its calibration, and the figures behind both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.models.base import Core, Floats, Setting
from tasks.models.boosting import fit_boosted
from tasks.models.calibration import Calibration, fit_calibration
from tasks.models.crossfit import KINDS, Prepared, Unseen, crossfit, losses
from tasks.models.examples import Examples
from tasks.models.forest import fit_forest
from tasks.models.linear import fit_linear
from tasks.models.model import Model
from tasks.models.prior import PriorShift, fit_prior
from tasks.models.stacked import StackedModel, best_power, fit_on_stack, sharpened
from tasks.models.weights import class_weight, trained_share

AUTO = "auto"
# What a faster kind may lose against the best, as a share of its log-loss.
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Candidate:
    """What a kind of model showed on rows that it did not see.

    Attributes
    ----------
    log_loss : float
        In nats, over labelled items.
    accuracy : float
    rows_per_second : float
        How fast a pool can be scored with it on this machine.
    """

    log_loss: float
    accuracy: float
    rows_per_second: float


@dataclass(frozen=True)
class Fitted:
    """A trained model, and what is known of it.

    Attributes
    ----------
    model : Model
    candidates : dict of str to Candidate
        By kind; all kinds where the kind was to be found, else the one. Empty with too few labels for folds.
    unseen : float32 (r, n_classes) or None
        The model's calibrated probabilities of the rows that it was trained on, by models that did not see them.
    """

    model: Model
    candidates: dict[str, Candidate]
    unseen: Floats | None

    def figures(self) -> dict[str, Any]:
        """Give the figures in plain types, for the record of a round."""
        return {
            "kind": self.model.kind,
            "candidates": {kind: asdict(one) for kind, one in self.candidates.items()},
            "calibration": _calibration_figures(self.model.calibration),
        }


def fit_model(kind: str, examples: Examples, setting: Setting) -> Fitted:
    """Train the model of a round.

    Parameters
    ----------
    kind : {'auto', 'xgboost', 'linear', 'forest', 'stacked'}
        ``auto`` takes ``stacked``, or a kind that scores the pool faster and is surely hardly worse on rows that it
        did not see: see `choose`.
    examples : Examples
    setting : Setting

    Raises
    ------
    UsageError
        No such kind, no example, or parameters that XGBoost refuses.
    DeviceUnavailable
        ``cuda`` was asked for and XGBoost used the CPU.
    """
    if kind != AUTO and kind not in KINDS:
        raise UsageError(f"There is no model {kind!r}; there are: {', '.join((AUTO, *KINDS))}.")
    if not len(examples):
        raise UsageError("There is nothing to train on: no label yet.")
    prepared = Prepared.of(_by_class(examples, setting), setting)
    unseen = crossfit(prepared, setting, KINDS if kind == AUTO else (kind,))
    candidates = {name: _candidate(name, unseen, prepared.examples) for name in unseen.proba}
    chosen = kind if kind != AUTO else choose(unseen, prepared.examples)
    core = _CORES[chosen](prepared, setting, unseen)
    if unseen.fold is None:
        return Fitted(Model(core, setting.device), candidates, None)
    proba = unseen.proba[chosen]
    if not setting.calibrate:
        return Fitted(Model(core, setting.device), candidates, proba)
    # Without class weights: these would calibrate to shares that no pool has.
    calibration = fit_calibration(proba, examples.y, examples.weight, examples.item, seed=setting.seed)
    return Fitted(Model(core, setting.device, calibration), candidates, calibration.apply(proba))


def with_prior(
    model: Model, examples: Examples, setting: Setting, X: Floats, y: NDArray[np.int64]
) -> tuple[Model, PriorShift]:
    """Correct a model's prior to what a uniform sample of the pool says.

    Parameters
    ----------
    model : Model
    examples, setting
        What it was trained on and with.
    X : float32 (n, d)
        The sample.
    y : int64 (n,)
        Its classes.
    """
    plain = np.ones(setting.n_classes)
    own = _class_weights(examples, setting)
    shares = [trained_share(examples.y, examples.weight, weights) for weights in (own, plain)]
    # Calibration took class weights back.
    trained = shares[1] if model.calibration is not None else shares[0]
    counts = np.bincount(y, minlength=setting.n_classes)
    proba = model.predict(X) if len(X) else None
    shift = fit_prior(trained, counts, label_share=shares[1], pool_proba=proba)
    return (replace(model, prior=shift) if shift.corrects else model), shift


def _by_class(examples: Examples, setting: Setting) -> Examples:
    if setting.class_weight == "none":
        return examples
    return examples.weighted(_class_weights(examples, setting)[examples.y])


def _class_weights(examples: Examples, setting: Setting) -> NDArray[np.float64]:
    return class_weight(examples.y, examples.weight, setting.n_classes, setting.class_weight)


def choose(unseen: Unseen, examples: Examples) -> str:
    """Choose a kind: ``stacked``, or the fastest that is surely hardly worse.

    Losses are log-losses over labelled items, each kind made as sure of itself as is good for it, and are compared item
    by item. The first of `KINDS` whose mean difference from ``stacked``, plus two standard errors, is below two parts
    in a hundred of the loss of ``stacked`` is taken. With few labels nothing is sure, and ``stacked``, whose members
    are there for each other, stays: in our simulations whatever cross-validation liked better by chance was worse.
    """
    if unseen.fold is None:
        return StackedModel.kind
    real = examples.real
    weight, y = examples.weight[real], examples.y[real]
    loss = {}
    for kind, proba in unseen.proba.items():
        loss[kind] = losses(sharpened(proba, best_power(proba[real], y, weight)), examples)
    reference = loss[StackedModel.kind]
    most = _TOLERANCE * float(np.average(reference, weights=weight))
    effective = float(weight.sum() ** 2 / np.square(weight).sum())
    for kind in KINDS[:-1]:
        difference = loss[kind] - reference
        mean = float(np.average(difference, weights=weight))
        spread = float(np.average((difference - mean) ** 2, weights=weight))
        if mean + 2 * np.sqrt(spread / effective) <= most:
            return kind
    return StackedModel.kind


def _candidate(kind: str, unseen: Unseen, examples: Examples) -> Candidate:
    real = examples.real
    proba, weight = unseen.proba[kind], examples.weight[real]
    right = proba[real].argmax(axis=1) == examples.y[real]
    return Candidate(
        float(np.average(losses(proba, examples), weights=weight)),
        float(np.average(right, weights=weight)),
        unseen.rows_per_second[kind],
    )


def _boosted(prepared: Prepared, setting: Setting, unseen: Unseen) -> Core:
    return fit_boosted(prepared.examples, _stopped(setting, unseen, "xgboost"))


def _linear(prepared: Prepared, setting: Setting, unseen: Unseen) -> Core:
    return fit_linear(prepared.examples, prepared.viewed, setting, unseen.strength)


def _forest(prepared: Prepared, setting: Setting, unseen: Unseen) -> Core:
    return fit_forest(prepared.wide, setting)


def _stacked(prepared: Prepared, setting: Setting, unseen: Unseen) -> Core:
    linear = fit_linear(prepared.examples, prepared.viewed, setting, unseen.strength)
    # With too few labels for folds the linear model's word of rows that it saw would be believed too much.
    told = unseen.linear if unseen.linear is not None else _even(prepared.examples, setting.n_classes)
    forest = fit_forest(prepared.wide, setting) if unseen.shares[1] > 0 else None
    boosted = fit_on_stack(prepared.wide, told, _stopped(setting, unseen, "stacked"))
    return StackedModel(setting.view, linear, boosted, forest, unseen.shares, unseen.powers)


def _stopped(setting: Setting, unseen: Unseen, kind: str) -> Setting:
    """Take the boosting rounds that cross-validation found best, where it looked for them."""
    if kind not in unseen.rounds:
        return setting
    return replace(setting, params={**setting.params, "num_boost_round": unseen.rounds[kind]})


def _even(examples: Examples, n_classes: int) -> Floats:
    return np.full((len(examples), n_classes), 1 / n_classes, np.float32)


_CORES: dict[str, Callable[[Prepared, Setting, Unseen], Core]] = {
    "xgboost": _boosted,
    "linear": _linear,
    "forest": _forest,
    "stacked": _stacked,
}


def _calibration_figures(calibration: Calibration | None) -> dict[str, Any] | None:
    if calibration is None:
        return None
    return {
        "method": calibration.name,
        "before": None if calibration.before is None else asdict(calibration.before),
        "after": None if calibration.after is None else asdict(calibration.after),
    }
