"""Hand the batch to the vendors' queue: items, tasks and money in one transaction with the round's state."""

from __future__ import annotations

import logging

from infra.database import batches, rounds
from infra.database.batches import Limits, Pick
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.outputs import campaign_of
from tasks.select import ITEM, KIND, PAYLOAD, PROBABILITY, RANK, REASON, SCORE
from tasks.step import step

log = logging.getLogger(__name__)

PICK_KEY_BITS = 48


@step("publish to the vendors")
def publish(workplace: Workplace, round_: Round) -> Round:
    """Write the stored batch to Postgres; done once, whatever crashes.

    Raises
    ------
    BudgetExceeded
        When labels or money would be overspent; nothing is written.
    """
    if round_.state != "scored":
        return round_
    campaign = campaign_of(round_)
    batches.publish(
        workplace.engine,
        round_,
        picks_of(workplace, round_, campaign),
        overlap=campaign.overlap,
        price_micro=campaign.answer_price_micro,
        due_seconds=round(campaign.close.after_hours * 3600),
        limits=Limits(campaign.budget.labels, campaign.budget.money_micro),
    )
    return rounds.find(workplace.engine, round_.round_id)


def picks_of(workplace: Workplace, round_: Round, campaign: Campaign) -> list[Pick]:
    """Read the stored batch; the order in which vendors get tasks is a hash that tells them nothing."""
    from tasks.pool.sampling import hash_ids, purpose_key

    assert round_.batch is not None
    rows = workplace.fetch_table(round_.batch).to_pylist()
    keys = hash_ids([row[ITEM] for row in rows], purpose_key(campaign.seed, f"order:{round_.number}"))
    return [
        Pick(
            item_id=row[ITEM],
            kind=row[KIND],
            payload=row[PAYLOAD],
            rank=row[RANK],
            score=row[SCORE],
            reason=row[REASON],
            inclusion_probability=row[PROBABILITY],
            pick_key=int(key) >> (64 - PICK_KEY_BITS),
        )
        for row, key in zip(rows, keys, strict=True)
    ]
