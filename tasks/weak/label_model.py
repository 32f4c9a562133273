"""What to believe of labeling functions that disagree: classes from votes alone.

A class-conditional model of the votes that were cast (Dawid and Skene, 1979; for labeling functions Ratner et al.,
2016), fitted by expectation maximisation on counts of vote patterns. Abstentions are taken for no evidence: where a
rule does not fire says more of its author than of the item, and models that use it go astray when rules cover separate
kinds of items. Priors hold each function near an accuracy that a person's rule usually has; a vote never counts
against the class that it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.weak.expectation import Fit, cast_votes, kinds_of, posterior
from tasks.weak.votes import ABSTAIN, VoteCounts, Votes

Floats = NDArray[np.float64]

_COPY = 0.8  # share of equal votes from which on two functions begin to count as one


@dataclass(frozen=True)
class LabelModel:
    """A fitted label model.

    Attributes
    ----------
    prior : float64 (c,)
        Shares of the classes.
    functions, labels : int64 (k,)
        The kinds of votes that there are: function and class that it names.
    likelihood : float64 (k, c)
        Chance of each kind of vote on an item of each class.
    precision : float64 (k, c)
        Chance of each class where that vote was cast.
    weights : float64 (m,)
        1 for a function of its own; 1/3 for each of three copies.
    accuracy : float64 (m,)
        Estimated share of right votes; NaN for a function that never voted.
    """

    prior: Floats
    functions: NDArray[np.int64]
    labels: NDArray[np.int64]
    likelihood: Floats
    precision: Floats
    weights: Floats
    accuracy: Floats

    def predict(self, votes: Votes) -> Floats:
        """Give class probabilities.

        Parameters
        ----------
        votes : int16 (n, m)

        Returns
        -------
        float64 (n, c)
            Rows sum to 1; NaN where nobody voted.
        """
        votes = np.asarray(votes)
        if votes.ndim != 2 or votes.shape[1] != len(self.weights):
            raise UsageError(
                f"The label model knows {len(self.weights)} functions, votes have {votes.shape}."
            )
        cast = cast_votes(votes, self.functions, self.labels)
        proba = posterior(cast, self.prior, self.likelihood, self.weights[self.functions])
        proba[(votes == ABSTAIN).all(axis=1)] = np.nan
        return proba

    def shares(self, counts: VoteCounts) -> Floats:
        """Give the shares (c,) of the classes among the items with votes; the prior where there are none."""
        proba = self.predict(counts.patterns)
        voted = ~np.isnan(proba[:, 0])
        mass = counts.counts[voted] @ proba[voted]
        return np.asarray(mass / mass.sum() if mass.sum() else self.prior, np.float64)


def fit_label_model(
    counts: VoteCounts,
    n_classes: int,
    *,
    prior: Sequence[float] | Floats | None = None,
    anchor_votes: Votes | None = None,
    anchor_labels: NDArray[np.int64] | None = None,
) -> LabelModel:
    """Fit the label model.

    Parameters
    ----------
    counts : VoteCounts
        Of the pool or a uniform sample of it.
    n_classes : int
        c.
    prior : float (c,), optional
        Shares of the classes where they are known. By default estimated, drawn towards equal shares the more, the
        more votes are of functions that name one class only.
    anchor_votes : int16 (l, m), optional
        Votes on items with a label, wherever these come from.
    anchor_labels : int64 (l,), optional
        Their labels.

    Raises
    ------
    UsageError
        The shapes do not fit, a vote names no class, or the prior is none.
    """
    _check(counts, n_classes, anchor_votes, anchor_labels)
    fixed = None if prior is None else _shares(prior, n_classes)
    functions, labels = kinds_of(counts.patterns)
    weights = copy_weights(counts, n_classes)
    cast = cast_votes(counts.patterns, functions, labels)
    anchored = np.zeros((len(functions), n_classes))
    if anchor_votes is not None and anchor_labels is not None and len(anchor_labels):
        known = np.eye(n_classes)[anchor_labels]
        anchored = cast_votes(np.asarray(anchor_votes), functions, labels).T @ known
    several = np.bincount(functions, minlength=len(weights))[functions] > 1
    fit = Fit(cast, counts.counts.astype(np.float64), labels, several, weights[functions], anchored)
    share, likelihood, precision = fit.run(fixed, n_classes)
    right = precision[np.arange(len(labels)), labels] * fit.votes
    total = np.bincount(functions, fit.votes, minlength=len(weights))
    with np.errstate(invalid="ignore"):
        accuracy = np.bincount(functions, right, minlength=len(weights)) / total
    return LabelModel(share, functions, labels, likelihood, precision, weights, accuracy)


def copy_weights(counts: VoteCounts, n_classes: int) -> Floats:
    """Weigh functions down that vote as others do, so that three copies of a rule count as one.

    Two functions count as the same to the degree by which the share of equal votes, among the items on which either
    voted, exceeds 0.8.

    Returns
    -------
    float64 (m,)
        1 for a function of its own.
    """
    patterns, n = counts.patterns, counts.counts.astype(np.float64)
    voted = (patterns != ABSTAIN).astype(np.float64)
    together = (voted * n[:, None]).T @ voted
    equal = np.zeros_like(together)
    for label in range(n_classes):
        named = (patterns == label).astype(np.float64)
        if named.any():
            equal += (named * n[:, None]).T @ named
    own = np.diag(together)
    either = own[:, None] + own[None, :] - together
    same = np.clip((equal / np.maximum(either, 1.0) - _COPY) / (1 - _COPY), 0.0, 1.0)
    np.fill_diagonal(same, 1.0)
    weights: Floats = 1.0 / same.sum(axis=1)
    return weights


def _shares(prior: Sequence[float] | Floats, n_classes: int) -> Floats:
    shares = np.asarray(prior, np.float64)
    if (
        shares.shape != (n_classes,)
        or not np.all(np.isfinite(shares))
        or shares.min() < 0
        or not shares.sum()
    ):
        raise UsageError(f"The prior must be {n_classes} shares, not {prior}.")
    # A class that was not seen yet is not impossible.
    shares = np.maximum(shares / shares.sum(), 0.01 / n_classes)
    return np.asarray(shares / shares.sum(), np.float64)


def _check(counts: VoteCounts, n_classes: int, votes: Votes | None, labels: NDArray[np.int64] | None) -> None:
    if (votes is None) != (labels is None):
        raise UsageError("anchor_votes and anchor_labels belong together.")
    width = counts.patterns.shape[1]
    given = [counts.patterns] if votes is None else [counts.patterns, np.asarray(votes)]
    for array in given:
        if array.ndim != 2 or array.shape[1] != width:
            raise UsageError(f"Votes must have {width} columns, not shape {array.shape}.")
        if array.size and (array.min() < ABSTAIN or array.max() >= n_classes):
            raise UsageError(f"Votes must be -1 to {n_classes - 1}, not {array.min()} to {array.max()}.")
    if votes is not None and labels is not None:
        if len(votes) != len(labels):
            raise UsageError(f"There are {len(votes)} rows of anchor votes and {len(labels)} labels.")
        if len(labels) and (np.min(labels) < 0 or np.max(labels) >= n_classes):
            raise UsageError(f"Anchor labels must be 0 to {n_classes - 1}.")
