"""Training again on fewer labels: what was chosen stays."""

from dataclasses import replace

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.grammar import parse
from tasks.models import fit_model
from tasks.models.given import GivenModel
from tasks.models.model import Model
from tasks.models.refit import refit
from tasks.simulation.choice import Labelled, named
from tasks.simulation.training import examples_of, setting_of
from tests.unit.simulation.conftest import blobs

DATA = blobs(160)


def trained(kind, **params):
    setting = setting_of(DATA, parse(kind), 0)
    setting = replace(setting, params={**setting.params, **params})
    examples = examples_of(DATA, Labelled(np.arange(100), DATA.y[:100], named("", 100)))
    return fit_model(kind, examples, setting).model, examples, setting


@pytest.mark.parametrize(
    "kind",
    ["xgboost", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("linear", "forest", "stacked"))],
)
def test_on_the_same_labels_it_is_the_same_model(kind):
    model, examples, setting = trained(kind)
    again = refit(model, examples, setting)
    assert again.digest == model.digest


@pytest.mark.slow
def test_on_fewer_labels_it_keeps_kind_calibration_and_shares():
    model, examples, setting = trained("stacked")
    fewer = refit(model, examples.take(np.arange(0, 100, 2)), setting)
    assert fewer.calibration is model.calibration
    assert np.array_equal(fewer.core.shares, model.core.shares)
    assert not np.array_equal(fewer.predict(DATA.X), model.predict(DATA.X))


def test_what_cannot_be_trained_is_refused():
    model, examples, setting = trained("xgboost")
    with pytest.raises(UsageError, match="nothing to train on"):
        refit(model, examples.take(np.arange(0)), setting)
    with pytest.raises(UsageError, match="own predictions"):
        refit(Model(GivenModel(0, 2, 2, ""), "cpu"), examples, setting)


def test_the_boosting_rounds_stay():
    model, examples, setting = trained("xgboost", num_boost_round=7)
    assert setting.params["num_boost_round"] == 7
    fewer = refit(model, examples, replace(setting, params={}))
    assert fewer.core.booster.num_boosted_rounds() == 7
