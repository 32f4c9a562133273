"""Another answer for an item that has some, or a first one for a fresh item: both on one scale, for one budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tasks.errors import UsageError
from tasks.truth.active_lab import Worth
from tasks.truth.answers import Belief, Doubles, Ints
from tasks.truth.method import normal
from tasks.truth.sets import SetBelief

AUTO, OFF = "auto", "off"
# Below this worth no further answer is bought, whatever else there is.
_SURE = 0.05
_LEARNT = 3.0


@dataclass(frozen=True, eq=False)
class Plan:
    """How a round's answers are shared.

    Attributes
    ----------
    again : int64 (r,)
        Items that get one more answer, in order of worth.
    worth : float64 (r,)
        Of each.
    fresh : int
        Answers left for items that have none: as many items as the strategy is to choose.
    """

    again: Ints
    worth: Doubles
    fresh: int


def doubt(belief: Belief | SetBelief, fresh_proba: ArrayLike) -> Worth:
    """Give three times the chance that a label is wrong, or once that one guessed from the model would be.

    The model's probabilities are raised to the power that the belief found right, as they are in the belief itself, so
    that both are on one scale. A wrong label counts more than one that is not there, for the model learns from it; that
    it counts three times was measured (docs/truth.md). It is ActiveLab's idea (`tasks.truth.active_lab`) with beliefs
    that are calibrated.

    Parameters
    ----------
    belief : Belief or SetBelief
        Of the items that have answers, with the model as a witness.
    fresh_proba : float (m, n_classes), or (m, n_labels) with a `SetBelief`
        The model's, of items that nobody has answered.
    """
    fresh = np.asarray(fresh_proba, np.float64)
    if isinstance(belief, SetBelief):
        sure = np.ones(len(fresh))
        for one, chance in zip(belief.per_label, fresh.T, strict=True):
            sure = np.minimum(sure, _sharpened(np.column_stack([1 - chance, chance]), one).max(axis=1))
    else:
        sure = _sharpened(fresh, belief).max(axis=1, initial=0.0)
    again = np.where(belief.counts > 0, _LEARNT * (1 - belief.confidence), -1.0)
    return Worth(again, 1 - sure)


def _sharpened(proba: Doubles, belief: Belief) -> Doubles:
    if belief.method != "witness" or not belief.model_weight:
        return proba
    return normal(belief.model_weight * np.log(np.maximum(proba, 1e-9)))


def plan(
    worth: Worth,
    counts: ArrayLike,
    k: int,
    relabel: str | float = AUTO,
    *,
    at_most: int = 5,
) -> Plan:
    """Share the answers of a round.

    Parameters
    ----------
    worth : Worth
        From `doubt` or `tasks.truth.active_lab.active_lab`.
    counts : int (n_items,)
        Answers of each item, and those that are asked for already.
    k : int
        Answers that the round buys.
    relabel : {'auto', 'off'} or float
        ``auto``: the k items of most worth, of both kinds; as many fresh ones as are among them are left to the
        strategy. A number from 0 to 1 gives that share to the items that have answers. ``off``: none.
    at_most : int
        Answers of an item.

    Raises
    ------
    UsageError
        Another `relabel`, or counts that do not fit.
    """
    asked = np.asarray(counts)
    if asked.shape != worth.again.shape:
        raise UsageError(f"There are {len(worth.again)} items, and counts of {asked.shape}.")
    share = check_relabel(relabel)
    open_ = np.flatnonzero((worth.again > _SURE) & (asked < at_most))
    # Equal worth: those with fewer answers first.
    order = open_[np.lexsort((open_, asked[open_], -worth.again[open_]))]
    if share is None:
        taken = _merged(worth.again[order], np.sort(worth.fresh)[::-1], k)
    else:
        taken = min(len(order), round(share * k))
    again = order[:taken]
    return Plan(again, worth.again[again], k - len(again))


def check_relabel(relabel: str | float) -> float | None:
    """Give the share of the answers that goes to items that have some; None where it is found anew each round.

    Raises
    ------
    UsageError
        Neither ``auto``, ``off`` nor a number from 0 to 1.
    """
    if relabel == AUTO:
        return None
    if relabel == OFF:
        return 0.0
    if isinstance(relabel, int | float) and not isinstance(relabel, bool) and 0 <= relabel <= 1:
        return float(relabel)
    raise UsageError(f"relabel is auto, off or a share from 0 to 1, not {relabel!r}.")


def _merged(again: Doubles, fresh: Doubles, k: int) -> int:
    """Count the first kind among the k greatest of both; both sorted, greatest first; ties go to fresh items."""
    ahead = np.searchsorted(-fresh, -again, side="right") + np.arange(len(again))
    return int((ahead < k).sum())
