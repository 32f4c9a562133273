"""Weak examples: what labeling functions teach a model while labels are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.weak.label_model import LabelModel
from tasks.weak.scan import Scan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WEIGHT = 200.0
"""Labels that all weak examples together weigh as much as, before the first label is in."""
FADE = 50.0
"""Labels after which half of that is left."""
LEAST_TRUST = 0.3
"""Trust below which weak examples are left out: thousands of rows disturb a model even when they weigh little."""
LEAST = 0.05
"""Probability below which a class gets no row of its own."""


@dataclass(frozen=True)
class WeakRows:
    """Rows to train on that no label stands behind; an item has one for each class that it may be.

    Attributes
    ----------
    position : int64 (r,)
        The item of each row, as a position in the probabilities that the rows were made of.
    y : int64 (r,)
        Class.
    weight : float64 (r,)
        In labels.
    """

    position: Ints
    y: Ints
    weight: Floats


def weak_examples(
    scan: Scan, model: LabelModel, *, n_labels: int, trust: float = 1.0, prior: Floats | None = None
) -> WeakRows:
    """Make weak examples of a scan's sample.

    Parameters
    ----------
    scan : Scan
    model : LabelModel
        With what labels there are as anchors.
    n_labels : int
        Labels that the model trains on; the more, the less all weak examples weigh together.
    trust : float
        From `trust_in`, 0 to 1.
    prior : float64 (c,), optional
        Class shares of the rows; by default those of all items with votes, although the sample has as many
        of each class.

    Returns
    -------
    WeakRows
        With positions in ``scan.ids``.
    """
    return weak_rows(
        model.predict(scan.votes),
        total=weak_weight(n_labels, trust=trust),
        prior=model.shares(scan.counts) if prior is None else prior,
    )


def weak_weight(n_labels: int, *, trust: float = 1.0, weight: float = WEIGHT, fade: float = FADE) -> float:
    """Give what all weak examples together weigh, in labels: ``weight * trust * fade / (fade + n_labels)``.

    Parameters
    ----------
    n_labels : int
        Labels that the model trains on.
    trust : float
        From `trust_in`, 0 to 1.
    weight, fade : float
        The weight before the first label, and the number of labels that halves it.
    """
    if n_labels < 0 or not 0 <= trust <= 1 or weight < 0 or fade <= 0:
        raise UsageError(
            "weak_weight needs n_labels >= 0, trust in 0 to 1, weight >= 0 and fade > 0, not "
            f"{n_labels}, {trust}, {weight}, {fade}."
        )
    return weight * trust * fade / (fade + n_labels)


def trust_in(proba: Floats, labels: Ints) -> float:
    """Say how far weak probabilities of labelled items deserve trust.

    Parameters
    ----------
    proba : float64 (l, c)
        From a label model that did not see these labels; NaN where nobody voted.
    labels : int64 (l,)

    Returns
    -------
    float
        1 when they are right or there is nothing to judge them by, 0 when they are little better than chance: the
        mean of Beta(1 + right, wrong) on the voted items, rescaled from chance; 0 below 0.3.
    """
    voted = ~np.isnan(proba[:, 0]) if len(proba) else np.empty(0, np.bool_)
    chance = 1 / proba.shape[1]
    right = float((proba[voted].argmax(axis=1) == labels[voted]).sum())
    share = (1 + right) / (1 + float(voted.sum()))
    trust = float(np.clip((share - chance) / (1 - chance), 0.0, 1.0)) if chance < 1 else 1.0
    return trust if trust >= LEAST_TRUST else 0.0


def weak_rows(proba: Floats, *, total: float, prior: Floats | None = None, least: float = LEAST) -> WeakRows:
    """Turn class probabilities into weighted rows.

    Parameters
    ----------
    proba : float64 (s, c)
        Of a sample of items; those with NaN, on which nobody voted, give no rows.
    total : float
        What all rows together weigh, from `weak_weight`.
    prior : float64 (c,), optional
        Shares of the classes that the rows get: which items have votes depends on who wrote rules for what. As
        the probabilities say when None.
    least : float
        Classes less probable than this get no row.

    Returns
    -------
    WeakRows
        Sorted by item, then class; none when `total` is 0.
    """
    if proba.ndim != 2 or not 0 <= least < 1 or total < 0:
        raise UsageError(
            f"weak_rows needs probabilities (items, classes), least in 0 to 1 and total >= 0, not "
            f"{proba.shape}, {least}, {total}."
        )
    share = np.where(np.isnan(proba) | (proba < min(least, 1 / proba.shape[1])), 0.0, proba)
    sums = share.sum(axis=1, keepdims=True)
    share = np.divide(share, sums, out=np.zeros_like(share), where=sums > 0)
    if prior is not None:
        share = share * _lift(share, prior)
    position, y = np.nonzero(share) if total > 0 else np.empty((2, 0), np.int64)
    weight = share[position, y]
    return WeakRows(position, y, weight * (total / weight.sum() if len(weight) else 1.0))


def _lift(share: Floats, prior: Floats) -> Floats:
    """Give the factor of each class (c,) that brings its weight to its prior share; at most 10 for rare ones."""
    mass = share.sum(axis=0)
    target = np.asarray(prior, np.float64) * (mass > 0)
    target = target / target.sum() if target.sum() else target
    wanted = np.divide(target * mass.sum(), mass, out=np.zeros_like(mass), where=mass > 0)
    return np.asarray(np.minimum(wanted, 10.0), np.float64)
