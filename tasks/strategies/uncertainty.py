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
    first, _ = _two_largest(check_proba(proba))
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
    first, second = _two_largest(check_proba(proba))
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
    p = check_proba(proba).astype(np.float64)
    total = np.zeros(len(p))
    for column in p.T:
        total -= column * np.log(np.where(column > 0, column, 1))
    return np.maximum(total, 0).astype(np.float32)


def expected_cost(proba: ArrayLike, costs: ArrayLike) -> Floats:
    """Score by what the cheapest answer is expected to cost: min_a sum_y p_y costs[y, a].

    The Bayes risk of the best decision (Margineantu, 2005; Chen and Lin, 2013). With the cost 0 for a right
    answer and 1 for each wrong one it is least confidence.

    Parameters
    ----------
    proba : float (n, n_classes)
    costs : float (n_classes, n_classes)
        Row: the true class; column: the answer given.

    Returns
    -------
    float32 (n,)
        In the unit of the costs.

    Raises
    ------
    UsageError
        As in `least_confidence` and `check_costs`, or the costs are of another number of classes.
    """
    p, matrix = check_proba(proba), check_costs(costs)
    if len(matrix) != p.shape[1]:
        raise UsageError(
            f"costs has {len(matrix)} rows and columns and there are {p.shape[1]} classes: "
            "give one row for each true class, one column for each answer."
        )
    columns = np.ascontiguousarray(p.T, np.float64)
    cheapest = np.full(len(p), np.inf)
    for answer in range(len(matrix)):
        # Class by class: a matrix product would depend on how many rows a chunk has.
        total = np.zeros(len(p))
        for truth in np.flatnonzero(matrix[:, answer]):
            total += columns[truth] * matrix[truth, answer]
        np.minimum(cheapest, total, out=cheapest)
    return cheapest.astype(np.float32)


def check_costs(costs: ArrayLike) -> NDArray[np.float64]:
    """Give a cost matrix as float64 (n_classes, n_classes).

    Raises
    ------
    UsageError
        It is not square, or a cost is no finite number.
    """
    try:
        matrix = np.asarray(costs, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"costs must be a square table of numbers: {error}.") from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise UsageError(
            f"costs has the shape {matrix.shape}: give one row for each true class, one column for each answer."
        )
    # float32 scores must stay finite as well.
    if not (np.abs(matrix) < np.finfo(np.float32).max).all():
        truth, answer = np.argwhere(~(np.abs(matrix) < np.finfo(np.float32).max))[0]
        raise UsageError(f"costs must be finite; row {truth}, column {answer} is {matrix[truth, answer]}.")
    return matrix


def _two_largest(p: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find the largest and second largest of each row; of one class alone the second is 0."""
    first, second = p[:, 0], np.zeros(len(p), p.dtype)
    for column in p.T[1:]:
        second = np.maximum(second, np.minimum(first, column))
        first = np.maximum(first, column)
    return first, second


def check_proba(proba: ArrayLike) -> NDArray[Any]:
    """Give probabilities as a floating array (n, n_classes).

    Raises
    ------
    UsageError
        A probability is NaN, infinite or outside [0, 1], or the array has another shape.
    """
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
