"""The default: one accuracy each source, drawn towards the usual one, and the model as one more witness.

An item's belief is the product of what the model gives its classes, raised to a power that says how far the model can
be trusted, and of what each answer says, by its source's accuracy. Sources of few answers are believed as sources
usually are, so it does not fall below the majority as plain maximum likelihood does; docs/truth.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tasks.truth.answers import Answers, Belief, Doubles
from tasks.truth.method import Sums, normal, slopes

USUAL = 0.85
"""The accuracy that sources are thought to have before anything is known of them."""
_SURE_OF_USUAL = 60.0  # answers that this guess counts
_SURE_OF_SOURCE = 10.0  # answers that the usual accuracy counts in the estimate of one source
_MOST = 0.9999
# What a probability of 0 counts: a model that errs must not decide alone. A known class (gold) is such a row.
_FLOOR = 1e-9
# How sure it is, in squared steps, that the model's probabilities are right as they are.
_SURE_OF_POWER = 1.0
_POWERS = (0.0, 5.0)


@dataclass(frozen=True, eq=False)
class Learnt:
    """Of the sources and the model.

    Attributes
    ----------
    accuracy : float64 (n_sources,)
    weight : float64 (n_sources,)
        Log odds that an answer adds to its class; never negative.
    power : float
        Of the model's probabilities: 0 it is no help, 1 they are right, above 1 they are too timid.
    common : float64 (n_classes,)
        What speaks for a class where answers of an item differ and no model helps: the logarithm of its share over
        that of the commonest, but at least minus half an answer, so that it decides little more than ties.
    """

    accuracy: Doubles
    weight: Doubles
    power: float
    common: Doubles


@dataclass(frozen=True)
class Witness:
    """The method.

    Attributes
    ----------
    power : float
        Of the model's probabilities, where the next step begins.

    Notes
    -----
    The answer of a source of accuracy a is right with chance a, else one of the K - 1 other classes, each alike; so it
    adds log(a (K - 1) / (1 - a)) to its class. Accuracies and power are the modes of their distribution, found by
    expectation maximisation; the power by one Newton step a round. Classes have no prior but the model's; without a
    model their shares break ties, but a lone answer stands, however rare its class, and so do two that agree.
    """

    power: float = 1.0
    name: str = "witness"

    def stepped(self, learnt: Learnt) -> Witness:
        """Go on from what was learnt."""
        return replace(self, power=learnt.power)

    def sums(self, answers: Answers, proba: Doubles, model: Doubles | None) -> Sums:
        """Sum up expected right answers; without a model an answer that stands alone tells nothing of its source."""
        right = proba[answers.item, answers.label]
        told = (
            np.ones(len(answers)) if model is not None else (answers.counts >= 2)[answers.item].astype(float)
        )
        slope = bend = 0.0
        if model is not None:
            known = answers.counts > 0
            slope, bend = slopes(self.power, np.log(np.maximum(model[known], _FLOOR)), proba[known])
        return Sums(
            np.stack([answers.per_source(right * told), answers.per_source(told)]),
            proba[answers.counts >= 2].sum(axis=0),
            np.array([slope, bend]),
        )

    def learn(self, sums: Sums) -> Learnt:
        """Give the modes: of the usual accuracy, of each source's around it, and of the power."""
        right, told = sums.of_source
        usual = (right.sum() + USUAL * _SURE_OF_USUAL) / (told.sum() + _SURE_OF_USUAL)
        n_classes = len(sums.of_class)
        accuracy = (right + usual * _SURE_OF_SOURCE) / (told + _SURE_OF_SOURCE)
        accuracy = np.clip(accuracy, 1 / n_classes, _MOST)
        weight = np.log(accuracy * (n_classes - 1) / (1 - accuracy))
        mean = (told * weight).sum() / max(told.sum(), 1.0)
        share = np.log(np.maximum(sums.of_class, 0) + 1)
        common = np.maximum(share - share.max(), -0.5 * mean)
        slope, bend = sums.total
        step = (slope - 2 * _SURE_OF_POWER * (self.power - 1)) / (bend + 2 * _SURE_OF_POWER)
        power = float(np.clip(self.power + np.clip(step, -1, 1), *_POWERS))
        return Learnt(accuracy, weight, power, common)

    def posterior(self, answers: Answers, learnt: Learnt, model: Doubles | None) -> Doubles:
        """Multiply what the model and the sources say."""
        said = answers.tally(learnt.weight)
        if model is None:
            return normal(said + np.where(answers.counts[:, None] >= 2, learnt.common, 0.0))
        return normal(said + learnt.power * np.log(np.maximum(model, _FLOOR)))

    def belief(self, answers: Answers, proba: Doubles, learnt: Learnt) -> Belief:
        """Put it together."""
        return Belief(self.name, proba, answers.counts, learnt.accuracy, learnt.weight, learnt.power)
