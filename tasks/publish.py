"""Hand the batch to the vendors' queue: items, tasks and money in one transaction with the round's state."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from infra.database import batches, rounds
from infra.database import labels as label_store
from infra.database.batches import Limits, Pick, Schema
from infra.database.labels import Asked
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.gold import gold_picks
from tasks.outputs import campaign_of
from tasks.select import ITEM, KIND, PAYLOAD, PROBABILITY, RANK, REASON, SCORE, TRAITS, WITNESS
from tasks.step import step
from tasks.vendors.routing import Route, Worker, routes
from tasks.workers import seats_of, workers_of

log = logging.getLogger(__name__)

PICK_KEY_BITS = 48
STEPS = 10


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
    workers = workers_of(workplace, round_.campaign_id, campaign)
    picks = picks_of(workplace, round_, campaign, workers)
    tasks = sum(len(pick.seats) for pick in picks)
    batches.publish(
        workplace.engine,
        round_,
        [*picks, *gold_picks(workplace, round_, campaign, workers, tasks)],
        schema=Schema(campaign.task, campaign.classes, campaign.instructions),
        exclusive=campaign.distinct_by == "vendor",
        due_seconds=round(campaign.close.after_hours * 3600),
        limits=Limits(campaign.budget.labels, campaign.budget.money_micro),
    )
    return rounds.find(workplace.engine, round_.round_id)


def picks_of(
    workplace: Workplace, round_: Round, campaign: Campaign, workers: Sequence[Worker]
) -> list[Pick]:
    """Read the stored batch, and say whom each item is for.

    The more worth labeling are done first, in ten steps; within a step the order is a hash that tells vendors nothing,
    and the audit is strewn over all steps.

    Raises
    ------
    UsageError
        When no vendor is active.
    """
    from tasks.pool.sampling import hash_ids, purpose_key

    assert round_.batch is not None
    if not any(not one.senior for one in workers):
        raise UsageError(
            f"campaign {campaign.name}: none of its vendors is active; `labelrounds vendor list` says why"
        )
    rows = workplace.fetch_table(round_.batch).to_pylist()
    asked = label_store.answers_asked(workplace.engine, round_.campaign_id)
    keys = hash_ids([row[ITEM] for row in rows], purpose_key(campaign.seed, f"order:{round_.number}"))
    work = sum(row[KIND] == "work" for row in rows)
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
            seats=seats_of(routes_of(row, campaign, workers, asked, int(key)), workers),
            priority=(row[RANK] - 1) * STEPS // work if row[KIND] == "work" else int(key) % STEPS,
            witness=row.get(WITNESS),
        )
        for row, key in zip(rows, keys, strict=True)
    ]


def routes_of(
    row: Mapping[str, Any],
    campaign: Campaign,
    workers: Sequence[Worker],
    asked: Mapping[str, Asked],
    key: int,
) -> list[Route]:
    """Say which vendors an item's tasks are for: an item that is asked again is for others, and once."""
    again = row[KIND] == "relabel"
    exclusive = campaign.distinct_by == "vendor"
    before = asked[row[ITEM]].vendors if again and exclusive else frozenset()
    witness = row.get(WITNESS)
    predicted = (
        campaign.classes[witness.index(max(witness))] if witness and campaign.task != "multilabel" else None
    )
    traits = {
        name: None if value is None else str(value)
        for name, value in json.loads(row.get(TRAITS) or "{}").items()
    }
    overlap = 1 if again else campaign.audit_overlap if row[KIND] == "audit" else campaign.overlap
    return routes(workers, traits, predicted, overlap, key, exclusive=exclusive, without=before)
