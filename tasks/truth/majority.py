"""The answer that most annotators gave."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError


def majority(
    item: NDArray[np.integer[Any]],
    answer: NDArray[np.integer[Any]],
    n_classes: int,
    *,
    n_items: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Vote over the annotations of each item.

    Parameters
    ----------
    item : int (n,)
        The item of each annotation, as a code from 0.
    answer : int (n,)
        The class that it says, below `n_classes`.
    n_classes : int
    n_items : int, optional
        Items there are; by default as many as `item` names.

    Returns
    -------
    labels : int64 (n_items,)
        The class with the most votes. A tie goes to the class that comes first in the campaign, whatever the
        order of the annotations; -1 where an item has no annotation.
    confidence : float64 (n_items,)
        The share of the votes that the label got: at most 0.5 where there was a tie; 0 without votes.

    Raises
    ------
    UsageError
        A code is out of range, or the arrays differ in length.
    """
    item, answer = np.asarray(item), np.asarray(answer)
    if item.ndim != 1 or item.shape != answer.shape:
        raise UsageError(f"Each annotation needs an item and an answer, not {item.shape} and {answer.shape}.")
    count = (int(item.max()) + 1 if len(item) else 0) if n_items is None else n_items
    if n_classes < 1:
        raise UsageError(f"A vote needs at least one class, not {n_classes}.")
    if len(item) and (item.min() < 0 or item.max() >= count):
        raise UsageError(f"Item codes must be 0 to {count - 1}, not {item.min()} to {item.max()}.")
    if len(item) and (answer.min() < 0 or answer.max() >= n_classes):
        raise UsageError(f"Answers must be 0 to {n_classes - 1}, not {answer.min()} to {answer.max()}.")
    # Annotated pairs only: a table of a million items by a thousand classes would not fit memory.
    pairs, votes = np.unique(item.astype(np.int64) * n_classes + answer.astype(np.int64), return_counts=True)
    items, classes = pairs // n_classes, pairs % n_classes
    order = np.lexsort((classes, -votes, items))
    first = order[np.flatnonzero(np.diff(items[order], prepend=-1))]
    labels, confidence = np.full(count, -1, np.int64), np.zeros(count)
    labels[items[first]] = classes[first]
    total = np.bincount(item.astype(np.int64), minlength=count)
    confidence[items[first]] = votes[first] / total[items[first]]
    return labels, confidence
