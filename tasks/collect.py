"""Take the vendors' answers in, make labels of them, and close the round that is complete."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from infra.database import batches, queue, rounds
from infra.database import labels as label_store
from infra.database.labels import Answer, Belief
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.outputs import campaign_of
from tasks.step import step
from tasks.targets import Targets, targets_of

log = logging.getLogger(__name__)


@step("free lapsed leases")
def free_lapsed(workplace: Workplace) -> dict[str, int]:
    """Free the tasks that vendors held too long."""
    return queue.expire(workplace.engine)


@step("take answers in")
def collect(workplace: Workplace, round_: Round) -> Round:
    """Turn the answers of complete items into labels, and close the round when its labels are in.

    A round whose due time has passed, or of which the campaign's share is labelled, is closed with what it
    has: open tasks are cancelled and their reservations released.
    """
    if round_.state != "published":
        return round_
    campaign = campaign_of(round_)
    done = queue.withdraw_overdue(workplace.engine, round_, campaign.close.share)
    # Labels before the state: a crash between the two is mended by doing both again.
    new = make_labels(workplace, round_, campaign)
    counts = batches.progress(workplace.engine, round_)
    log.info("%d new labels; %d of %d items complete", new, counts["complete"], counts["items"])
    if done:
        _close(workplace, round_)
    return rounds.find(workplace.engine, round_.round_id)


def make_labels(workplace: Workplace, round_: Round, campaign: Campaign) -> int:
    """Infer a label for every complete item that has none; items that all vendors skipped get none.

    Returns
    -------
    int
        How many labels are new.
    """
    answers = label_store.unlabelled_answers(workplace.engine, round_)
    if not answers:
        return 0
    targets = targets_of(campaign)
    return label_store.insert_labels(workplace.engine, round_, believe(answers, targets), targets.method)


def believe(answers: list[Answer], targets: Targets[Any, Any]) -> list[Belief]:
    """Decide by majority what several answers say of each item."""
    items = list(dict.fromkeys(answer.batch_item_id for answer in answers))
    item_code = {item: code for code, item in enumerate(items)}
    labels, confidence = targets.believe(
        np.array([item_code[answer.batch_item_id] for answer in answers]),
        [answer.label for answer in answers],
    )
    inputs: dict[int, list[Answer]] = {item: [] for item in items}
    for answer in answers:
        inputs[answer.batch_item_id].append(answer)
    return [
        Belief(
            item_id=inputs[item][0].item_id,
            kind=inputs[item][0].kind,
            label=labels[code],
            confidence=float(confidence[code]),
            inputs=tuple(answer.annotation_id for answer in inputs[item]),
        )
        for item, code in item_code.items()
    ]


def _close(workplace: Workplace, round_: Round) -> None:
    from tasks.errors import RoundBusy

    try:
        rounds.store(workplace.engine, round_, "closed")
    except RoundBusy:
        log.info("round %d of %s was closed by another process", round_.number, round_.campaign)
