"""Hold the pool of a round against that of the round before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.outputs import campaign_of, space_of
from tasks.watched import scanned_before, watched_of

if TYPE_CHECKING:
    from tasks.features import FeatureSpace

_MOVING = frozenset({"date", "prediction"})
"""Kinds of features that move by themselves: times while a pool grows, predictions with each version of them."""


def drift_of(workplace: Workplace, round_: Round) -> dict[str, Any]:
    """Compare the samples of the pool that scoring left in this round and in the last one.

    Returns
    -------
    dict
        Of `Drift.to_json`; or why nothing can be said, as a sentence under ``why_not``.
    """
    from tasks.evaluation.drift import drift

    earlier = scanned_before(workplace, round_)
    old = None if earlier is None else watched_of(workplace, earlier)
    new = watched_of(workplace, round_)
    if old is None or new is None:
        return {"why_not": "No earlier round has seen the pool by the same columns."}
    space = space_of(workplace, round_)
    found = drift(
        old.ids,
        old.X,
        new.ids,
        new.X,
        space.names,
        seed=campaign_of(round_).seed,
        without=moving_names(space),
    )
    return {"why_not": found} if isinstance(found, str) else found.to_json()


def moving_names(space: FeatureSpace) -> frozenset[str]:
    """Name the columns of the matrix that move although the pool's items stay alike."""
    kinds = [block.kind for block in space.blocks for _ in block.names]
    return frozenset(name for name, kind in zip(space.names, kinds, strict=True) if kind in _MOVING)
