"""The models of one simulated campaign, one a step."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.grammar import Spec
from tasks.models import Examples, Model, Setting, fit_model
from tasks.models.boosting import fit_boosted
from tasks.models.fitting import AUTO
from tasks.simulation.choice import Labelled, named
from tasks.simulation.data import LabelledData

Floats = NDArray[np.float32]

# Labels that make `auto` choose the kind anew, as a multiple of those at the last choice.
_GROWTH = 1.2


class Trainer:
    """Trains step by step, and keeps which kind `auto` chose and what the training took.

    Parameters
    ----------
    data : LabelledData
    model : Spec
        A kind and its parameters.
    seed : int
    steps : sequence of int
        Labels at which it will train.

    Attributes
    ----------
    setting : Setting
        What the models are trained with.
    kinds : list of str
        Of the model of each step.
    seconds : list of float
        Processor time of each step's training on one thread, choice of the kind and calibration included.
    """

    def __init__(self, data: LabelledData, model: Spec, seed: int, steps: Sequence[int]) -> None:
        self.data, self.setting = data, setting_of(data, model, seed)
        self.kinds: list[str] = []
        self.seconds: list[float] = []
        self._wanted, self._steps, self._compares = model.name, list(steps), comparisons(steps)
        self._step = 0

    def train(self, labelled: Labelled) -> tuple[Model, Floats | None]:
        """Train on the labels so far.

        Returns
        -------
        model : Model
        unseen : float32 (m, n_classes) or None
            What models that did not see a labelled item say of it; None with too few labels.
        """
        begun = time.thread_time()
        kept = self._wanted == AUTO and self._steps[self._step] not in self._compares
        kind = self.kinds[-1] if kept else self._wanted
        fitted = fit_model(kind, examples_of(self.data, labelled), self.setting)
        self.seconds.append(time.thread_time() - begun)
        self.kinds.append(fitted.model.kind)
        self._step += 1
        return fitted.model, _in_order(fitted.unseen, labelled)


def _in_order(unseen: Floats | None, labelled: Labelled) -> Floats | None:
    """Put predictions of training rows into the order of the labelled items; each item's first row is its label's."""
    if unseen is None:
        return None
    found = np.empty((len(labelled.rows), unseen.shape[1]), np.float32)
    found[np.argsort(labelled.rows)] = unseen[: len(labelled.rows)]
    return found


def comparisons(steps: Sequence[int]) -> frozenset[int]:
    """Give the labels at which ``auto`` compares the kinds anew; in between it keeps the kind.

    These are the first step, each at which the labels have grown by a fifth since it last compared, and the last. That
    depends on the numbers of labels alone, so it is the same for all arms.
    """
    found: list[int] = []
    for labels in steps:
        if not found or labels >= _GROWTH * found[-1]:
            found.append(labels)
    return frozenset((*found, steps[-1]))


def examples_of(data: LabelledData, labelled: Labelled) -> Examples:
    """Give what a model is trained on: equal labels give equal models, in whatever order they came."""
    order = np.argsort(labelled.rows)
    sure = None if labelled.confidence is None else labelled.confidence[order]
    return Examples.of(data.X[labelled.rows[order]], labelled.classes[order], sure, len(data.classes))


def setting_of(data: LabelledData, model: Spec, seed: int) -> Setting:
    """Give what a model is trained with."""
    space = data.space
    # Of several threads the sums, and so the trees, might depend on the machine.
    params = {**model.params, "nthread": 1}
    return Setting(len(data.classes), space.names, space.types, space.view, "cpu", seed, params)


def check_parameters(data: LabelledData, model: Spec) -> None:
    """Train one small model, for XGBoost alone knows which parameters it takes.

    Raises
    ------
    UsageError
        Parameters that XGBoost refuses or does not know.
    """
    if not model.params:
        return
    rows = np.unique(data.y, return_index=True)[1]
    examples = examples_of(data, Labelled(rows, data.y[rows], named("", len(rows))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # XGBoost's of a parameter that is refused here
        fit_boosted(examples, setting_of(data, model, 0))
