"""A model like one that there is, on fewer labels: what forecasts train a dozen times a round.

Choosing the kind, the members' shares and the calibration takes four fifths of a training, and choosing them anew on
each subset would add noise. So all that was chosen stays, and only what learns from the labels is trained again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.errors import UsageError
from tasks.models.base import Core, Setting
from tasks.models.boosting import BoostedModel, fit_boosted
from tasks.models.crossfit import Prepared, crossfit
from tasks.models.examples import Examples
from tasks.models.forest import ForestModel, fit_forest
from tasks.models.given import GivenModel
from tasks.models.linear import fit_linear
from tasks.models.model import Model
from tasks.models.stacked import StackedModel, fit_on_stack
from tasks.models.weights import class_weight


def refit(model: Model, examples: Examples, setting: Setting) -> Model:
    """Train a model of the same kind, shares, calibration and prior on other labels.

    Parameters
    ----------
    model : Model
        Trained on all labels.
    examples : Examples
        Some of them; at least one.
    setting : Setting
        What `model` was trained with.

    Raises
    ------
    UsageError
        The model brings its own predictions, so that there is nothing to train, or there are no examples.
    """
    if isinstance(model.core, GivenModel):
        raise UsageError("A campaign with its own predictions trains no model, so none can be trained again.")
    if not len(examples):
        raise UsageError("There is nothing to train on: no label in this subset.")
    if setting.class_weight != "none":
        weights = class_weight(examples.y, examples.weight, setting.n_classes, setting.class_weight)
        examples = examples.weighted(weights[examples.y])
    return replace(model, core=_core(model.core, Prepared.of(examples, setting), setting))


def _core(core: Core, prepared: Prepared, setting: Setting) -> Core:
    if isinstance(core, StackedModel):
        return _stacked(core, prepared, setting)
    if isinstance(core, ForestModel):
        return fit_forest(prepared.wide, setting)
    if core.kind == "linear":
        strength = crossfit(prepared, setting, ("linear",)).strength
        return fit_linear(prepared.examples, prepared.viewed, setting, strength)
    if isinstance(core, BoostedModel):
        setting = _as_long(core, setting)
    return fit_boosted(prepared.examples, setting)


def _as_long(boosted: BoostedModel, setting: Setting) -> Setting:
    """Keep the boosting rounds, which cross-validation may have chosen."""
    rounds = {"num_boost_round": int(boosted.booster.num_boosted_rounds())}
    return replace(setting, params={**rounds, **setting.params})


def _stacked(core: StackedModel, prepared: Prepared, setting: Setting) -> StackedModel:
    unseen = crossfit(prepared, setting, ("linear",))
    told = unseen.linear
    if told is None:
        told = np.full((len(prepared.examples), setting.n_classes), 1 / setting.n_classes, np.float32)
    return replace(
        core,
        linear=fit_linear(prepared.examples, prepared.viewed, setting, unseen.strength),
        forest=None if core.forest is None else fit_forest(prepared.wide, setting),
        boosted=fit_on_stack(prepared.wide, told, _as_long(core.boosted, setting)),
    )
