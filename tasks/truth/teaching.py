"""How sure a label is for a model that learns from it."""

from __future__ import annotations

import numpy as np

from tasks.truth.answers import Answers, Belief, Doubles
from tasks.truth.method import normal
from tasks.truth.witness import Witness


def teaching(answers: Answers, belief: Belief) -> Doubles:
    """Give the confidence with which a model should learn each label.

    A model that is taught what an earlier one thought learns its mistakes. So where the model was a witness, this is
    the mean of two chances of the label: that of the belief, and that of the answers alone, by the same accuracies.
    Of a label on which the answers and the model contradict each other little is left, so it is hardly learnt at all.

    Parameters
    ----------
    answers : Answers
    belief : Belief
        Of these answers.

    Returns
    -------
    float64 (n_items,)
        0 of an item without answers. Without a model, or by another method than ``witness``, the confidence.
    """
    if belief.method != Witness.name or not belief.model_weight:
        return belief.confidence
    alone = normal(answers.tally(belief.weight))
    both = (alone + belief.proba) / 2
    chosen = both[np.arange(answers.n_items), np.maximum(belief.labels, 0)]
    return np.where(answers.counts > 0, chosen, 0.0)
