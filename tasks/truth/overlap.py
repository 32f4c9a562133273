"""Dynamic overlap: another answer only while it is unsure what to believe."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.truth.answers import Belief
from tasks.truth.sets import SetBelief


def needs_more(
    belief: Belief | SetBelief,
    counts: ArrayLike,
    confidence: float,
    at_most: int,
    *,
    at_least: int = 1,
) -> NDArray[np.bool_]:
    """Tell which items want one more answer.

    Parameters
    ----------
    belief : Belief or SetBelief
    counts : int (n_items,)
        Answers of each item, and those that are asked for already.
    confidence : float
        It is sure enough when the label's probability reaches this.
    at_most, at_least : int
        Answers of an item.

    Returns
    -------
    bool (n_items,)

    Raises
    ------
    UsageError
        A setting out of range, or counts that do not fit.

    Notes
    -----
    The method must be calibrated, or the rule asks for ever or never: ``witness``, not ``crowdlab``, whose mean stays
    below its witnesses, or the plain ``one_coin``, which believes its sources too much.
    """
    asked = np.asarray(counts)
    if asked.shape != belief.confidence.shape:
        raise UsageError(f"There are {len(belief.confidence)} items, and counts of {asked.shape}.")
    if not 0 < confidence <= 1:
        raise UsageError(f"The confidence must be above 0 and at most 1, not {confidence:g}.")
    if not 1 <= at_least <= at_most:
        raise UsageError(f"An item needs 1 to {at_most} answers at least, not {at_least}.")
    return (asked < at_least) | ((asked < at_most) & (belief.confidence < confidence))
