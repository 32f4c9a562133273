"""Expectation maximisation for the label model (Dempster, Laird and Rubin, 1977)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.weak.votes import ABSTAIN, Votes

if TYPE_CHECKING:
    from scipy import sparse

Floats = NDArray[np.float64]

_ACCURACY = 0.85  # what a rule is believed to have before its votes are seen
_STRENGTH = 0.75  # of that belief, in votes for each vote that was cast
_FEWEST = 10.0  # and at least so many
_EVEN = 0.05  # least strength of equal class shares, in items for each item
_ANCHORED = 20.0  # votes on items with a label that weigh as much as all without
_LEAST = 1e-6
_ITERATIONS = 200
# Shares feed on themselves: without an end, the rounding of a sum may decide between classes with equal votes.
_SHARE_ITERATIONS = 20
_CLOSE = 1e-7


@dataclass(frozen=True)
class Fit:
    """Expectation maximisation over patterns.

    cast (p, k) says which kinds of votes a pattern has, n (p,) how often it was seen, several (k,) whether the
    function has other kinds of votes too, anchored (k, c) how many labelled items of each class had each kind of vote.
    """

    cast: sparse.csr_matrix
    n: Floats
    labels: NDArray[np.int64]
    several: NDArray[np.bool_]
    weights: Floats
    anchored: Floats

    @cached_property
    def votes(self) -> Floats:
        """How often each kind of vote was cast (k,)."""
        return np.asarray(self.cast.T @ self.n, np.float64)

    def run(self, fixed: Floats | None, n_classes: int) -> tuple[Floats, Floats, Floats]:
        """Give class shares (c,), likelihood and precision (k, c)."""
        share = np.full(n_classes, 1 / n_classes) if fixed is None else fixed
        items = float(self.n.sum())
        precision = self._belief(share)
        likelihood = self._likelihood(precision, share * items)
        # Functions that name one class each show which rules were written, not which classes are frequent.
        votes = self.weights * self.votes
        evenness = max(_EVEN, float(votes[~self.several].sum()) / float(votes.sum()) if votes.sum() else 1.0)
        silent = np.asarray(self.cast.sum(axis=1)).ravel() == 0
        for iteration in range(_ITERATIONS):
            proba = posterior(self.cast, share, likelihood, self.weights)
            proba[silent] = share
            precision = self._precision(proba, self._belief(share))
            mass = self.n @ proba
            if fixed is None and items and iteration < _SHARE_ITERATIONS:
                even = evenness * items
                share = (mass + even / n_classes) / (items + even)
            before, likelihood = likelihood, self._likelihood(precision, mass)
            settled = fixed is not None or iteration >= _SHARE_ITERATIONS
            if not likelihood.size or (settled and np.abs(likelihood - before).max() < _CLOSE):
                break
        return share, likelihood, precision

    def _belief(self, share: Floats) -> Floats:
        """Precision (k, c) that a vote is believed to have before any is seen.

        A rule for one class was written to be right where it fires. One that sorts items into classes is as often
        right on each, so that its votes for a rare class are less often right.
        """
        belief = np.full((len(self.labels), len(share)), (1 - _ACCURACY) / max(1, len(share) - 1))
        belief[np.arange(len(self.labels)), self.labels] = _ACCURACY if len(share) > 1 else 1.0
        sorted_ = belief * share
        return np.where(self.several[:, None], sorted_ / sorted_.sum(axis=1, keepdims=True), belief)

    def _precision(self, proba: Floats, belief: Floats) -> Floats:
        votes = self.votes
        strength = np.maximum(_FEWEST, _STRENGTH * votes)[:, None]
        seen = self.cast.T @ (self.n[:, None] * proba)
        guess = (seen + strength * belief) / (votes[:, None] + strength)
        known = self.anchored.sum(axis=1, keepdims=True)
        return np.asarray((_ANCHORED * guess + self.anchored) / (_ANCHORED + known), np.float64)

    def _likelihood(self, precision: Floats, mass: Floats) -> Floats:
        """Chance of each vote given the class, by Bayes; for no class higher than for the one that it names."""
        chance = self.votes[:, None] * precision / np.maximum(mass, _LEAST)
        named = chance[np.arange(len(self.labels)), self.labels][:, None]
        return np.asarray(np.clip(np.minimum(chance, named), _LEAST, 1 - _LEAST), np.float64)


def posterior(cast: sparse.csr_matrix, share: Floats, likelihood: Floats, weights: Floats) -> Floats:
    """Class probabilities (n, c) of rows that have the kinds of votes in `cast` (n, k); the shares without votes."""
    scores = np.log(np.maximum(share, _LEAST)) + cast @ (weights[:, None] * np.log(likelihood))
    scores -= scores.max(axis=1, keepdims=True)
    proba = np.exp(scores)
    return np.asarray(proba / proba.sum(axis=1, keepdims=True), np.float64)


def kinds_of(patterns: Votes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the kinds of votes that were cast: function (k,) and class (k,) that it names."""
    pairs = [
        (function, int(label))
        for function in range(patterns.shape[1])
        for label in np.unique(patterns[:, function])
        if label != ABSTAIN
    ]
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def cast_votes(votes: Votes, functions: NDArray[np.int64], labels: NDArray[np.int64]) -> sparse.csr_matrix:
    """Give which kinds of votes each row has: float64 (n, k), sparse."""
    from scipy import sparse

    n_labels = int(labels.max()) + 1 if len(labels) else 1
    place = np.full((votes.shape[1], n_labels), -1, np.int64)
    place[functions, labels] = np.arange(len(functions))
    row, column = np.nonzero((votes != ABSTAIN) & (votes < n_labels))
    kind = place[column, votes[row, column]]
    row, kind = row[kind >= 0], kind[kind >= 0]
    return sparse.csr_matrix((np.ones(len(row)), (row, kind)), shape=(len(votes), len(functions)))
