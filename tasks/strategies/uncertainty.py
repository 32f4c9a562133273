"""How unsure a model is of each item, from its class probabilities alone (Settles, 2009, section 3.1).

Each measure takes probabilities (n, n_classes) whose rows sum to 1, and gives float32 (n,), higher = more
worth labeling. For two classes the three give one order; for more they differ: of (.5, .5, 0) and
(.4, .3, .3) margin prefers the first, entropy and least confidence the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError

Floats = NDArray[np.float32]

# Probabilities in float32 or float16 overshoot a little.
_SLACK = 1e-3


def least_confidence(proba: ArrayLike) -> Floats:
    """Score by what the likeliest class leaves: 1 - p_(1).

    Parameters
    ----------
    proba : float (n, n_classes)

    Returns
    -------
    float32 (n,)
        0 where one class is certain, 1 - 1/n_classes where all are equal.

    Raises
    ------
    UsageError
        A probability is NaN, infinite or outside [0, 1], or the array has another shape.
    """
    first, _ = _two_largest(_checked(proba))
    return np.asarray(1 - first, np.float32)


def margin(proba: ArrayLike) -> Floats:
    """Score by how close the two likeliest classes are: 1 - (p_(1) - p_(2)) (Scheffer et al., 2001).

    Parameters
    ----------
    proba : float (n, n_classes)

    Returns
    -------
    float32 (n,)
        0 where one class is certain, 1 where the two likeliest are equal.

    Raises
    ------
    UsageError
        As in `least_confidence`.
    """
    first, second = _two_largest(_checked(proba))
    return np.asarray(1 - (first - second), np.float32)


def entropy(proba: ArrayLike) -> Floats:
    """Score by Shannon's entropy in nats: -sum_c p_c ln p_c, with 0 ln 0 = 0.

    Parameters
    ----------
    proba : float (n, n_classes)

    Returns
    -------
    float32 (n,)
        0 where one class is certain, ln(n_classes) where all are equal.

    Raises
    ------
    UsageError
        As in `least_confidence`.
    """
    # float64, and column by column: the sum must not depend on how many rows a chunk has.
    p = _checked(proba).astype(np.float64)
    total = np.zeros(len(p))
    for column in p.T:
        total -= column * np.log(np.where(column > 0, column, 1))
    return np.maximum(total, 0).astype(np.float32)


def _two_largest(p: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find the largest and second largest of each row; of one class alone the second is 0."""
    first, second = p[:, 0], np.zeros(len(p), p.dtype)
    for column in p.T[1:]:
        second = np.maximum(second, np.minimum(first, column))
        first = np.maximum(first, column)
    return first, second


def _checked(proba: ArrayLike) -> NDArray[Any]:
    p = np.asarray(proba)
    if p.ndim != 2 or p.shape[1] == 0:
        raise UsageError(f"Probabilities must have the shape (items, classes), not {p.shape}.")
    if not np.issubdtype(p.dtype, np.floating):
        p = p.astype(np.float64)
    # A comparison with NaN is false, so this finds NaN too.
    fine = (p >= -_SLACK) & (p <= 1 + _SLACK)
    if not fine.all():
        row = int(np.flatnonzero(~fine.all(axis=1))[0])
        raise UsageError(
            f"Probabilities must lie in [0, 1]; row {row} is {p[row].tolist()}. "
            "Check the model, or the predictions that were brought."
        )
    return p
