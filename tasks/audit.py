"""The audit: items drawn at random to measure, and the probability with which each is in the draw.

An item's rank is its hash as a number from 0 to 1, divided by its weight; the audit takes the smallest ranks ("priority
sampling", Duffield, Lund and Thorup, 2007; with equal weights bottom-k sampling). Given the smallest rank that was not
drawn, the frontier f, an item of weight w is in the draw with probability min(1, w f). An item that came to the pool
later had only the later frontiers to pass: so each item has the largest frontier since the round that drew it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.campaign import Campaign

DRAWN, RANK, WEIGHT = "__drawn", "__hash_rank", "__weight"
FRAME = 2_000
_LEAST_FRAME_PARTS = 5
"""An active audit draws from `FRAME` items; of a small pool it keeps one of so many from the strategies."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Draw:
    """An audited item as it was drawn.

    Attributes
    ----------
    round : int
        That drew it.
    place : int
        In the round's draw, from 1.
    weight : float
        How many times more likely than others it was.
    probability : float or None
        Of mode ``active``: with which it was drawn among those not drawn yet.
    """

    round: int
    place: int
    weight: float
    probability: float | None


def reserve_size(campaign: Campaign, items: int) -> int:
    """Give how many items all audits of the campaign can need: budget or pool may be what ends first."""
    total = min(campaign.budget.labels, items)
    size = min(campaign.batch.size, total)
    share = max(campaign.batch.audit_share, campaign.audit.then or 0.0)
    needed = math.ceil(total / size) * campaign.batch.audit_items(size, share)
    if campaign.audit.mode == "active" and needed:
        return max(needed, min(FRAME, items // _LEAST_FRAME_PARTS))
    return needed


def oversampled(campaign: Campaign, table: pa.Table) -> Doubles | None:
    """Give how many times more likely each row is to be audited, float64 (n,); None where all are alike.

    The largest weight of those whose condition holds.

    Raises
    ------
    UsageError
        The pool lacks a column, or has one that cannot be compared.
    """
    if not campaign.audit.oversample:
        return None
    from tasks.weak.rules import holds_in_column

    weight = np.ones(table.num_rows)
    for one in campaign.audit.oversample:
        found = holds_in_column(one, table)
        weight[found] = np.maximum(weight[found], one.weight)
    return weight


def frontier_after(reserve: pa.Table, drawn_now: Sequence[int], complete: bool) -> float:
    """Give the smallest rank that is not drawn, 0 to 1.

    Parameters
    ----------
    reserve : pyarrow.Table
        In the order of the ranks, with those that were drawn before marked.
    drawn_now : sequence of int
        Rows that this round draws.
    complete : bool
        Whether all of the pool that may be drawn is in the reserve.
    """
    drawn = np.array(reserve.column(DRAWN).to_pylist(), np.bool_)
    drawn[list(drawn_now)] = True
    ranks = np.asarray(reserve.column(RANK), np.float64)
    open_rows = np.flatnonzero(~drawn)
    if len(open_rows):
        return float(ranks[open_rows[0]])
    return 1.0 if complete or not len(ranks) else float(ranks[-1])


def inclusion_weights(draws: Sequence[Draw], frontiers: Mapping[int, float]) -> Doubles | None:
    """Give the inverse of each audited item's inclusion probability, float64 (n,).

    Parameters
    ----------
    draws : sequence of Draw (n,)
    frontiers : mapping
        Round -> its frontier; rounds of earlier versions of labelrounds have none.

    Returns
    -------
    float64 (n,) or None
        Scaled to a mean of 1; None where all items are equally likely, or a round's frontier is not known.
    """
    numbers = sorted(frontiers)
    if not draws or any(draw.round not in frontiers for draw in draws):
        return None
    largest = dict(
        zip(
            reversed(numbers),
            np.maximum.accumulate([frontiers[number] for number in reversed(numbers)]),
            strict=True,
        )
    )
    probability = np.array([min(1.0, draw.weight * float(largest[draw.round])) for draw in draws])
    if np.ptp(probability) <= 1e-12:
        return None
    weight = 1 / probability
    return np.asarray(weight / weight.mean())


def active_weights(draws: Mapping[str, Draw], ids: Sequence[str], frame: int) -> Doubles | None:
    """Give the LURE weights of items that active draws chose, float64 (n,).

    Parameters
    ----------
    draws : mapping
        All active draws by item.
    ids : sequence of str (n,)
        Those that are labelled.
    frame : int
        Items that were drawn from.

    Returns
    -------
    float64 (n,) or None
        None where an item was not drawn actively: the campaign's audit was another before.
    """
    from tasks.evaluation import lure_weights

    if any(item not in draws for item in ids):
        return None
    order = sorted(draws, key=lambda item: (draws[item].round, draws[item].place))
    chances = [draws[item].probability or 0.0 for item in order]
    weight = dict(zip(order, lure_weights(chances, max(frame, len(order))), strict=True))
    return np.array([weight[item] for item in ids])


def evenly_drawn(ids: Sequence[str], weight: Doubles | None, seed: int) -> NDArray[np.bool_]:
    """Mark a part of a weighted draw in which every item of the pool is equally likely, bool (n,); all of an even one.

    Each item is kept with a chance proportional to the inverse of its inclusion probability (rejection
    sampling), by hash.
    """
    if weight is None or not len(weight):
        return np.ones(len(ids), np.bool_)
    from tasks.pool.sampling import hash_ids, purpose_key

    uniforms = hash_ids(list(ids), purpose_key(seed, "even")).astype(np.float64) / 2.0**64
    return np.asarray(uniforms < weight / weight.max())


def kept_in_window(draws: Mapping[str, Draw], window: int) -> set[str]:
    """Give the items of the newest audit window: the last `window` that were drawn and are labelled."""
    order = sorted(draws, key=lambda item: (draws[item].round, draws[item].place))
    return set(order[-window:])


def draw_of(row: Mapping[str, Any]) -> Draw:
    """Read how an item was drawn from the batch that it came in."""
    reason = row["reason"]
    return Draw(row["round"], row["rank"], float(reason.get("weight", 1.0)), reason.get("active"))
