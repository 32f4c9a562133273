"""Tables of what a model said and what was true, for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation import measures

Doubles = NDArray[np.float64]


def confusion(proba: ArrayLike, y: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Count items by true class (row) and predicted class (column).

    Returns
    -------
    int64 (n_classes, n_classes)
    """
    p, truth = measures.checked(proba, y)
    if p.shape[1] != n_classes:
        raise UsageError(f"The probabilities have {p.shape[1]} classes, not {n_classes}.")
    cells = truth * n_classes + p.argmax(axis=1)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes).astype(np.int64)


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram.

    Attributes
    ----------
    edges : float64 (bins + 1,)
        Of the bins of the top probability.
    confidence, accuracy : float64 (bins,)
        Mean top probability and share of correct items; NaN in an empty bin.
    count : int64 (bins,)
    """

    edges: Doubles
    confidence: Doubles
    accuracy: Doubles
    count: NDArray[np.int64]


def reliability(proba: ArrayLike, y: ArrayLike, bins: int = 10) -> Reliability:
    """Compare what a model claims with how often it is right."""
    p, truth = measures.checked(proba, y)
    if bins < 1:
        raise UsageError(f"A reliability diagram needs at least one bin, not {bins}.")
    place = measures.bin_of(p, bins)
    count = np.bincount(place, minlength=bins)

    def mean(values: NDArray[Any]) -> Doubles:
        total = np.bincount(place, values, minlength=bins)
        return np.asarray(np.divide(total, count, out=np.full(bins, np.nan), where=count > 0))

    top = p.max(axis=1) if len(p) else np.zeros(0)
    right = (p.argmax(axis=1) == truth).astype(np.float64)
    return Reliability(np.linspace(0, 1, bins + 1), mean(top), mean(right), count.astype(np.int64))
