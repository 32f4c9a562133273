"""The classes that most annotators gave, where a label is a set of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.truth.labelset import Indicators, check_indicators


@dataclass(frozen=True)
class SetVote:
    """What the annotators of each item say together.

    Attributes
    ----------
    labels : int8 (n_items, n_labels)
        1 where the item has the class; all 0 where nobody said anything.
    agreement : float64 (n_items, n_labels)
        Share of the item's annotators who say of the class what `labels` says; 0 without annotators.
    confidence : float64 (n_items,)
        The least agreement over the classes: a set is as sure as what is least sure of it. A mean over many
        classes would be near 1 whatever the annotators say, since most classes are far from most items.
    """

    labels: Indicators
    agreement: NDArray[np.float64]
    confidence: NDArray[np.float64]


def majority_of_sets(
    item: NDArray[np.integer[Any]], answers: ArrayLike, *, n_items: int | None = None
) -> SetVote:
    """Vote over the annotations of each item, on each class by itself.

    A class is in the set when more than half of the item's annotators named it. At a tie it is not: of most classes
    most items have none, so with annotators who err alike in both directions a tie says rather no; the agreement of
    .5 shows it.

    Parameters
    ----------
    item : int (n,)
        The item of each annotation, as a code from 0.
    answers : int8 (n, n_labels)
        1 where the annotation names the class.
    n_items : int, optional
        Items there are; by default as many as `item` names.

    Raises
    ------
    UsageError
        A code is out of range, or the arrays do not fit together.
    """
    item, named = np.asarray(item), check_indicators(answers)
    if item.shape != (len(named),):
        raise UsageError(f"Each annotation needs an item and a set, not {item.shape} and {named.shape}.")
    count = (int(item.max()) + 1 if len(item) else 0) if n_items is None else n_items
    if len(item) and (item.min() < 0 or item.max() >= count):
        raise UsageError(f"Item codes must be 0 to {count - 1}, not {item.min()} to {item.max()}.")
    votes = np.zeros((count, named.shape[1]), np.int64)
    np.add.at(votes, item, named)
    total = np.bincount(item.astype(np.int64), minlength=count)[:, None]
    labels = (2 * votes > total).astype(np.int8)
    agreeing = np.where(labels == 1, votes, total - votes)
    agreement = np.divide(agreeing, total, out=np.zeros(votes.shape), where=total > 0)
    return SetVote(labels, agreement, agreement.min(axis=1))
