"""Further answers for items whose label is in doubt, one at a time, and of a senior vendor where doubt is left."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from infra.database import labels as label_store
from infra.database import operations
from infra.database.operations import Further
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.beliefs import Beliefs
from tasks.campaign import Campaign
from tasks.vendors.routing import Worker, seniors
from tasks.workers import workers_of

log = logging.getLogger(__name__)


def ask_further(workplace: Workplace, round_: Round, campaign: Campaign, beliefs: Beliefs) -> int:
    """Ask for one more answer where it is wanted, can be given and can be paid; nothing after the due time.

    The most doubtful first, as far as the money goes.

    Returns
    -------
    int
        Tasks made.
    """
    workers = workers_of(workplace, round_.campaign_id, campaign)
    most = campaign.truth.max_answers or campaign.overlap
    if most <= campaign.overlap and not any(one.senior for one in workers):
        return 0
    if round_.due_at is not None and round_.due_at <= datetime.now(UTC):
        return 0
    asked = label_store.answers_asked(workplace.engine, round_.campaign_id)
    wanted = []
    for row, item in _doubted(round_, campaign, beliefs):
        counted = asked.get(item, label_store.Asked(0, frozenset()))
        route = _route(workers, counted, most, campaign.distinct_by == "vendor")
        if route is not None:
            newest = beliefs.answers[item][-1]
            wanted.append((beliefs.believed.confidence[row], Further(newest.batch_item_id, *route)))
    wanted.sort(key=lambda pair: (pair[0], pair[1].batch_item_id))
    made = operations.ask_further(
        workplace.engine,
        round_.campaign_id,
        [further for _, further in wanted],
        campaign.answer_price_micro,
        campaign.budget.money_micro,
    )
    if made:
        log.info("%d further answers asked for: labels were in doubt", made)
    return made


def _doubted(round_: Round, campaign: Campaign, beliefs: Beliefs) -> list[tuple[int, str]]:
    """Give the round's items that are complete and believed with too little confidence."""
    unsure = beliefs.believed.confidence < campaign.truth.confidence
    place = beliefs.place
    return [
        (place[item], item)
        for item, answers in beliefs.answers.items()
        if unsure[place[item]]
        and answers[-1].round_id == round_.round_id
        and all(answer.state == "complete" for answer in answers)
    ]


def _route(
    workers: list[Worker], asked: label_store.Asked, most: int, exclusive: bool
) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None] | None:
    """Say who may give the next answer; None where nobody should."""
    if asked.answers < most:
        free = tuple(
            one.vendor_id
            for one in workers
            if not one.senior and not (exclusive and one.vendor_id in asked.vendors)
        )
        if free:
            return free, free
    able = seniors(workers, asked.vendors)
    return (able, able) if able else None
