"""What users write under `model.params`."""

import numpy as np
import pytest

from tasks.errors import UsageError
from tasks.models.boosting import train


def fit(**params):
    X = np.arange(40, dtype=np.float32).reshape(20, 2)
    y = np.arange(20) % 2
    return train(X, y, n_classes=2, names=["a", "b"], types="qq", device="cpu", seed=1, params=params)


@pytest.mark.parametrize(
    "params",
    [
        {"eta": 0.3, "lambda": 2, "gamma": 0.1},
        {"learning_rate": 0.3, "reg_alpha": 1.0, "max_bin": 64, "nthread": 1},
        {"grow_policy": "lossguide", "max_leaves": 8, "eval_metric": "logloss", "verbosity": 0},
        {"booster": "dart", "rate_drop": 0.1, "monotone_constraints": "(1,0)", "num_boost_round": 5},
    ],
)
def test_parameters_of_xgboost_are_taken(params):
    assert fit(**params).n_classes == 2


@pytest.mark.parametrize("name", ["max_depht", "n_estimators", "Eta"])
def test_a_misspelt_parameter_is_refused(name):
    with pytest.raises(UsageError, match=name):
        fit(**{name: 3})
