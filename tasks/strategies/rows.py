"""How unsure a model is of an item of many parts: the boxes of an image, the words of a text.

Whoever brings own predictions of detection, segmentation or named entities has several rows of probabilities an item.
Each row has an uncertainty, and the item's is their largest, mean or sum (Brust et al., 2019; Roy et al., 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.strategies import uncertainty
from tasks.strategies.multilabel import Floats, as_proba

HOWS = ("max", "mean", "sum")
_MEASURES: dict[str, Callable[[Any], Floats]] = {
    "least_confidence": uncertainty.least_confidence,
    "margin": uncertainty.margin,
    "entropy": uncertainty.entropy,
}
MEASURES = tuple(_MEASURES)


def aggregate(
    proba: ArrayLike, offsets: ArrayLike, *, measure: str = "margin", how: str = "max"
) -> NDArray[np.float64]:
    """Join the uncertainties of an item's rows.

    Parameters
    ----------
    proba : float (r, n_classes)
        Rows of all items, one item after the other; each sums to 1.
    offsets : int (n + 1,)
        Item i has the rows from offsets[i] to before offsets[i + 1], as in an Arrow list array.
    measure : str
        ``least_confidence``, ``margin`` or ``entropy``.
    how : str
        ``max``: the row that is least sure. ``mean``: however many rows there are. ``sum``: items with many unsure
        rows first.

    Returns
    -------
    float64 (n,)
        0 where an item has no row: nothing was found in it that could be unsure.

    Raises
    ------
    UsageError
        Probabilities that are none, offsets that do not fit, or an unknown measure or way to join.
    """
    if measure not in _MEASURES or how not in HOWS:
        raise UsageError(
            f"Rows are measured by {', '.join(MEASURES)} and joined by {', '.join(HOWS)}, not {measure!r} and {how!r}."
        )
    p = uncertainty.check_proba(proba)
    counts = _counts(offsets, len(p))
    unsure = _MEASURES[measure](p).astype(np.float64)
    item = np.repeat(np.arange(len(counts)), counts)
    if how == "max":
        found = np.zeros(len(counts))
        np.maximum.at(found, item, unsure)
        return found
    # Added one after the other: an item's sum is the same whatever stands beside it.
    total = np.bincount(item, unsure, minlength=len(counts))
    return np.asarray(total if how == "sum" else total / np.maximum(counts, 1))


def proxy_of_rows(
    proba: ArrayLike, offsets: ArrayLike, *, measure: str = "margin", how: str = "max"
) -> Floats:
    """Show items of many rows as `tasks.strategies.multilabel.proxy` shows items of many labels.

    A maximum or mean is divided by the most that the measure can be. A sum s has no such end and becomes
    s / (1 + s), which keeps its order and is the same in every chunk of a pool.

    Returns
    -------
    float32 (n, 2)
        [1 - u, u] with u in [0, .5], rising with `aggregate`.

    Raises
    ------
    UsageError
        As `aggregate`.
    """
    score = aggregate(proba, offsets, measure=measure, how=how)
    n_classes = np.asarray(proba).shape[1]
    highest = {"least_confidence": 1 - 1 / n_classes, "margin": 1.0, "entropy": float(np.log(n_classes))}
    share = score / (1 + score) if how == "sum" else score / (highest[measure] or 1.0)
    return as_proba(share / 2)


def _counts(offsets: ArrayLike, rows: int) -> NDArray[np.int64]:
    ends = np.asarray(offsets)
    if ends.ndim != 1 or not len(ends) or not np.issubdtype(ends.dtype, np.integer):
        raise UsageError("Offsets must be whole numbers, one for each item and one more.")
    counts: NDArray[np.int64] = ends[1:].astype(np.int64) - ends[:-1].astype(np.int64)
    if ends[0] != 0 or ends[-1] != rows or (counts < 0).any():
        raise UsageError(
            f"Offsets must rise from 0 to the number of rows, {rows}; they go from {ends[0]} to {ends[-1]}."
        )
    return counts
