"""Sources with a confusion matrix (Dawid and Skene, 1979) or one accuracy each, by expectation maximisation.

Both do what crowd-kit does, to the last step: start from the shares of the votes, end when the evidence lower bound
per answer gains less than a tolerance. That makes them comparable; what a campaign uses with few answers an item is
`tasks.truth.witness`, since plain maximum likelihood falls below the majority there (docs/truth.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.truth.answers import Answers, Belief, Doubles, Ints
from tasks.truth.method import normal

if TYPE_CHECKING:
    from scipy import sparse

# What no probability falls below: an answer that was never wrong may be.
_LEAST = 1e-10


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Answers counted by item and by what was said by whom; only pairs of source and label that occur."""

    of_item: sparse.csr_matrix
    of_pair: sparse.csr_matrix
    source: Ints
    label: Ints
    of_source: sparse.csr_matrix

    @classmethod
    def of(cls, answers: Answers) -> _Pairs:
        from scipy import sparse

        codes, pair = np.unique(answers.source * answers.n_classes + answers.label, return_inverse=True)
        one, m = np.ones(len(answers)), len(codes)
        of_item = sparse.csr_matrix((one, (answers.item, pair)), shape=(answers.n_items, m))
        source, label = codes // answers.n_classes, codes % answers.n_classes
        of_source = sparse.csr_matrix((np.ones(m), (source, np.arange(m))), shape=(answers.n_sources, m))
        return cls(of_item, of_item.T.tocsr(), source, label, of_source)


_Errors = Callable[[_Pairs, Doubles], Doubles]


def dawid_skene(answers: Answers, *, iterations: int = 100, tolerance: float = 1e-5) -> Belief:
    """Infer labels and a confusion matrix for each source.

    Parameters
    ----------
    answers : Answers
    iterations : int
        At most so many.
    tolerance : float
        Ends when the evidence lower bound per answer gains less, in nats.

    Returns
    -------
    Belief
        `accuracy` is the expected share of right answers.

    Notes
    -----
    Dawid and Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm, 1979. Equal to
    ``crowdkit.aggregation.DawidSkene`` 1.4.2 where each class was answered at least once; a class that nobody
    answered is never believed.
    """
    return _maximise(answers, _confusions, "dawid_skene", iterations, tolerance)


def one_coin(answers: Answers, *, iterations: int = 100, tolerance: float = 1e-5) -> Belief:
    """Infer labels and one accuracy for each source, whose wrong answers spread evenly over the other classes.

    Parameters and result are those of `dawid_skene`; equal to ``crowdkit.aggregation.OneCoinDawidSkene`` 1.4.2.

    Notes
    -----
    Zhang, Chen, Zhou and Jordan, Spectral methods meet EM, JMLR 17, 2016.
    """
    return _maximise(answers, _coins, "one_coin", iterations, tolerance)


def _maximise(answers: Answers, errors_of: _Errors, method: str, iterations: int, tolerance: float) -> Belief:
    n_items, n_classes = answers.n_items, answers.n_classes
    known = answers.counts > 0
    if not known.any():
        even = np.full(answers.n_sources, 1 / n_classes)
        proba = np.full((n_items, n_classes), 1 / n_classes)
        return Belief(method, proba, answers.counts, even, even)
    pairs = _Pairs.of(answers)
    proba = answers.votes / np.maximum(answers.counts, 1)[:, None]
    never = answers.votes.sum(axis=0) == 0
    last = -np.inf
    for step in range(iterations + 1):
        prior = np.clip(proba[known].mean(axis=0), _LEAST, None)
        said = np.asarray(pairs.of_pair @ proba)
        errors = errors_of(pairs, said)
        log_prior, log_errors = np.log(prior), np.log(errors)
        if step:
            bound = _bound(answers, proba, said, log_prior, log_errors)
            if bound - last < tolerance:
                break
            last = bound
        if step < iterations:
            proba = normal(np.where(never, -np.inf, log_prior) + pairs.of_item @ log_errors)
    accuracy = _accuracy(pairs, said, answers.n_sources)
    return Belief(method, proba, answers.counts, accuracy, accuracy)


def _confusions(pairs: _Pairs, said: Doubles) -> Doubles:
    """Give the chance of each pair's label, by true class, float64 (m, n_classes)."""
    errors = np.clip(said, _LEAST, None)
    total = np.asarray(pairs.of_source @ errors)
    return np.asarray(errors / total[pairs.source])


def _coins(pairs: _Pairs, said: Doubles) -> Doubles:
    n_classes = said.shape[1]
    skill = _accuracy(pairs, said, pairs.of_source.shape[0])[pairs.source]
    errors = np.repeat(((1 - skill) / (n_classes - 1))[:, None], n_classes, axis=1)
    errors[np.arange(len(skill)), pairs.label] = skill
    return np.asarray(np.clip(errors, _LEAST, 1 - _LEAST))


def _accuracy(pairs: _Pairs, said: Doubles, n_sources: int) -> Doubles:
    """Give the expected share of right answers of each source; of one without any, that of all."""
    right = pairs.of_source @ said[np.arange(len(pairs.label)), pairs.label]
    total = pairs.of_source @ said.sum(axis=1)
    usual = right.sum() / total.sum()
    return np.asarray(np.divide(right, total, out=np.full(n_sources, usual), where=total > 0))


def _bound(answers: Answers, proba: Doubles, said: Doubles, log_prior: Doubles, log_errors: Doubles) -> float:
    """Give the evidence lower bound per answer as crowd-kit counts it: the prior once an answer, not once an item."""
    joint = float((said * log_errors).sum() + (said.sum(axis=0) * log_prior).sum())
    safe = np.clip(proba[answers.counts > 0], _LEAST, None)
    return (joint - float((safe * np.log(safe)).sum())) / len(answers)
