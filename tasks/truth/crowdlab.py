"""CROWDLAB (Goh, Tkachenko and Mueller, 2022): a weighted mean of what the model and the annotators say.

Written from the paper, arXiv 2210.06812. Weights say how much better than always answering the commonest class a
source, or the model, agrees with the others. The mean is never surer than its witnesses: five answers that agree are
believed hardly more than one, so its probabilities rank items well but are far too timid (docs/truth.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.truth.answers import Answers, Belief, Doubles
from tasks.truth.method import Sums

_LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Pooled:
    """Of sources and the model.

    Attributes
    ----------
    agreement : float64 (n_sources,)
        With others on shared items; the mean where nothing is shared.
    weight : float64 (n_sources,)
        At most 1, for one who never errs.
    model_weight : float
    right : float
        The chance that an answer is the consensus, taken for all sources alike.
    """

    agreement: Doubles
    weight: Doubles
    model_weight: float
    right: float


@dataclass(frozen=True)
class Crowdlab:
    """The method.

    Notes
    -----
    Over the items with two answers or more: P is the mean share of answers that agree with the consensus, E the error
    of always answering the commonest consensus, s_j the share of others' answers that agree with source j's.

    ``w_j = max(1 - (1 - s_j) / E, 1e-6)``, and the model's weight the same of its agreement with the consensus, times
    the root of the mean number of answers. An item's belief is the mean, by these weights, of the model's
    probabilities and of one row for each answer: P for the class that it says, (1 - P) / (K - 1) for each other.

    Where no item has a second answer, which the paper leaves out, nothing tells sources apart: all weights are 1, and
    P is the share of answers that the model does not contradict, ties counting for the answer.
    """

    name: str = "crowdlab"

    def stepped(self, learnt: Pooled) -> Crowdlab:
        """Nothing is kept."""
        return self

    def sums(self, answers: Answers, proba: Doubles, model: Doubles | None) -> Sums:
        """Count agreements with the consensus, which is the most probable class."""
        assert model is not None
        consensus, rows = proba.argmax(axis=1), np.arange(answers.n_items)
        several = answers.counts >= 2
        votes = answers.votes
        share = votes[rows, consensus] / np.maximum(answers.counts, 1)
        confirmed = model[rows, consensus] >= model.max(axis=1)
        known = answers.counts > 0
        return Sums(
            np.stack(
                [
                    answers.per_source(votes[answers.item, answers.label] - 1),
                    answers.per_source((answers.counts[answers.item] - 1).astype(float)),
                ]
            ),
            np.bincount(consensus[several], minlength=answers.n_classes).astype(float),
            np.array(
                [several.sum(), share[several].sum(), confirmed[several].sum(),
                 known.sum(), len(answers), confirmed[known].sum()], np.float64,
            ),
        )  # fmt: skip

    def learn(self, sums: Sums) -> Pooled:
        """Give the weights."""
        same, others = sums.of_source
        several, share, confirmed, known, n_answers, confirmed_all = sums.total
        n_sources = len(same)
        if several < 0.5:
            right = confirmed_all / known if known else 0.5
            return Pooled(np.full(n_sources, right), np.ones(n_sources), 1.0, max(right, _LEAST))
        agreement = np.divide(
            same, others, out=np.full(n_sources, same.sum() / others.sum()), where=others > 0.5
        )
        error = max(1 - sums.of_class.max() / several, _LEAST)
        weight = np.maximum(1 - (1 - agreement) / error, _LEAST)
        model_weight = max(1 - (1 - confirmed / several) / error, _LEAST) * np.sqrt(n_answers / known)
        return Pooled(agreement, weight, float(model_weight), share / several)

    def posterior(self, answers: Answers, learnt: Pooled, model: Doubles | None) -> Doubles:
        """Take the weighted mean."""
        assert model is not None
        wrong = (1 - learnt.right) / (answers.n_classes - 1)
        given = answers.per_item(learnt.weight)[:, None]
        said = answers.tally(learnt.weight) * (learnt.right - wrong) + given * wrong
        mixed = (learnt.model_weight * model + said) / (learnt.model_weight + given)
        return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))

    def belief(self, answers: Answers, proba: Doubles, learnt: Pooled) -> Belief:
        """Put it together."""
        return Belief(self.name, proba, answers.counts, learnt.agreement, learnt.weight, learnt.model_weight)
