"""ActiveLab (Goh and Mueller, 2023): labelled and unlabelled items by how much one more answer is worth.

Written from the paper, arXiv 2301.11856, with the weights of CROWDLAB; turned round to our convention, higher is more
worth labeling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasks.errors import UsageError
from tasks.truth.answers import Answers, Doubles, check_model
from tasks.truth.believe import believe
from tasks.truth.method import normal, slopes

_FLOOR = 1e-9
_ROUNDS = 50
_POWERS = (0.05, 20.0)


@dataclass(frozen=True, eq=False)
class Worth:
    """What one more answer is worth, on one scale, 0 and above; higher is more.

    Attributes
    ----------
    again : float64 (n_items,)
        Of each item with answers; -1 of one without.
    fresh : float64 (m,)
        Of each item that nobody has answered.
    """

    again: Doubles
    fresh: Doubles


def active_lab(answers: Answers, model_proba: ArrayLike, fresh_proba: ArrayLike) -> Worth:
    """Score items by ActiveLab.

    Parameters
    ----------
    answers : Answers
    model_proba : float (n_items, n_classes)
        Out-of-fold, of the items with answers.
    fresh_proba : float (m, n_classes)
        Of the others.

    Notes
    -----
    With the weights w of the item's sources, the model's w_M, their mean w, and the consensus' quality q:

        again = 1 - ((w_M + sum w_j) q + w / K) / (w_M + sum w_j + w)
        fresh = 1 - (w_M max_c p_c + w / K) / (w_M + w)

    that is 1 minus what would be believed of the label after one more answer that says nothing. The model's
    probabilities are raised to the power (the inverse of a temperature) with which they fit the shares of the answers
    best, before anything else is done with them.
    """
    fresh = np.asarray(fresh_proba, np.float64)
    if fresh.ndim != 2 or fresh.shape[1] != answers.n_classes:
        raise UsageError(
            f"The probabilities of fresh items need {answers.n_classes} columns, not {fresh.shape}."
        )
    model = check_model(model_proba, answers)
    assert model is not None
    power = _power(answers, model)
    belief = believe(answers, "crowdlab", _raised(model, power))
    usual = float(belief.weight.mean())
    nothing = usual / answers.n_classes
    given = belief.model_weight + answers.per_item(belief.weight)
    again = 1 - (given * belief.proba.max(axis=1) + nothing) / (given + usual)
    sure = _raised(fresh, power).max(axis=1, initial=0.0)
    new = 1 - (belief.model_weight * sure + nothing) / (belief.model_weight + usual)
    return Worth(np.where(answers.counts > 0, again, -1.0), np.asarray(new))


def _power(answers: Answers, model: Doubles) -> float:
    """Give the power with which the model's probabilities fit the shares of the answers best, by Newton's method."""
    known = answers.counts > 0
    logs = np.log(np.maximum(model[known], _FLOOR))
    said = answers.votes[known] / answers.counts[known][:, None]
    power = 1.0
    for _ in range(_ROUNDS):
        slope, bend = slopes(power, logs, said)
        step = slope / bend if bend > 0 else 0.0
        power = float(np.clip(power + np.clip(step, -0.5, 0.5), *_POWERS))
        if abs(step) < 1e-6:
            break
    return power


def _raised(proba: Doubles, power: float) -> Doubles:
    return normal(power * np.log(np.maximum(proba, _FLOOR)))
