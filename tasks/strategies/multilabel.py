"""How unsure a model is of an item that may have any number of labels, in a form that every strategy reads.

A multi-label model gives each label a probability of its own, and strategies read probabilities of classes. So the
labels of an item become one uncertainty u in [0, .5], and the item is shown with two columns, [1 - u, u]: margin,
entropy and least confidence then all rank by u, and covers, shares and mixtures work as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.strategies.base import Strategy, walk, wants
from tasks.strategies.uncertainty import check_proba

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

BLIND = frozenset({"committee_proba", "leaves", "leaf_table", "known_classes"})
"""Fields of `Candidates` that say nothing of an item with many labels."""


class Predicting(Protocol):
    """Whatever gives probabilities."""

    def predict(self, X: Floats) -> Floats:
        """Predict float32 (n, n_labels): in a model of many labels each one's own probability."""


@dataclass(frozen=True)
class Proxied:
    """A model of many labels as strategies see it.

    Attributes
    ----------
    model : Predicting
    how : str
        One of `HOWS`.
    """

    model: Predicting
    how: str = "mean"

    def predict(self, X: Floats) -> Floats:
        """Predict float32 (n, 2): sure and unsure."""
        return proxy(self.model.predict(X), self.how)


def proxy(proba: ArrayLike, how: str = "mean") -> Floats:
    """Show each item by how unsure its labels are.

    Parameters
    ----------
    proba : float (n, n_labels)
        Each label's own probability.
    how : str
        Of the uncertainties of the labels, u_l = min(p_l, 1 - p_l):

        - ``mean``: their mean, the expected share of labels that are wrong (Esuli and Sebastiani, 2009, "avg").
          Looks at all labels.
        - ``max``: the largest, that of the label nearest to its boundary (Brinker, 2006). Looks at one label, and
          finds items of rare labels sooner.
        - ``min_margin``: (1 - m) / 2, where m is the smallest difference of a predicted label's probability and
          that of one not predicted, min p_l over p_l >= .5 less max p_l over p_l < .5 (Li and Guo, 2013). Looks at
          the two labels that part the set from its rest; where one side is empty its end is 1 or 0.

    Returns
    -------
    float32 (n, 2)
        [1 - u, u] with u in [0, .5].

    Raises
    ------
    UsageError
        A probability is NaN or outside [0, 1], or there is no such `how`.
    """
    if how not in HOWS:
        raise UsageError(f"Labels' uncertainties are joined by {', '.join(HOWS)}, not {how!r}.")
    p = np.clip(check_proba(proba).astype(np.float64), 0, 1)
    return as_proba(_JOINED[how](p))


def as_proba(uncertainty: ArrayLike) -> Floats:
    """Give uncertainties in [0, .5] as probabilities of two columns, [1 - u, u], float32 (n, 2)."""
    u = np.clip(np.asarray(uncertainty, np.float32), 0, 0.5)
    return np.column_stack([1 - u, u])


def check_strategy_of_sets(strategy: Strategy) -> None:
    """Refuse a strategy that reads more of the model than an item's uncertainty.

    Committees vote on classes, leaves belong to one booster, labels that are sets have no class to count, and costs
    are of one class taken for another.

    Raises
    ------
    UsageError
    """
    read = sorted(wants(strategy) & BLIND)
    if read:
        raise UsageError(
            f"The strategy {strategy.name!r} reads {', '.join(read)}, which a multilabel campaign has not. "
            "Choose one that reads probabilities and features: auto, margin, margin_kmeans, cluster_margin, kcenter."
        )
    for part in walk(strategy):
        if getattr(part, "n_classes", None) is not None:
            raise UsageError(
                f"The strategy {part.name!r} is made for items of one class, and this is a multilabel campaign."
            )


def _unsure(p: Doubles) -> Doubles:
    return np.asarray(np.minimum(p, 1 - p))


def _mean(p: Doubles) -> Doubles:
    total = np.zeros(len(p))
    # Label by label: a sum over rows would depend on how many rows a chunk has.
    for column in _unsure(p).T:
        total += column
    return np.asarray(total / p.shape[1])


def _max(p: Doubles) -> Doubles:
    return np.asarray(_unsure(p).max(axis=1))


def _min_margin(p: Doubles) -> Doubles:
    predicted = p >= 0.5
    least = np.where(predicted, p, 1.0).min(axis=1)
    most = np.where(predicted, 0.0, p).max(axis=1)
    return np.asarray((1 - (least - most)) / 2)


_JOINED: dict[str, Callable[[Any], Doubles]] = {"mean": _mean, "max": _max, "min_margin": _min_margin}
HOWS = tuple(_JOINED)
