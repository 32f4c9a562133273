"""Take the vendors' answers in, make labels of them, ask on where doubt is left, and close the round."""

from __future__ import annotations

import logging

from infra.database import batches, operations, queue, rounds
from infra.database import vendors as vendor_store
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.beliefs import believe, make_labels
from tasks.errors import RoundBusy
from tasks.further import ask_further
from tasks.outputs import campaign_of
from tasks.step import step
from tasks.watch import watch_vendors

log = logging.getLogger(__name__)


@step("free lapsed leases")
def free_lapsed(workplace: Workplace) -> dict[str, int]:
    """Free the tasks that vendors held too long, and those in transactions that a vendor never ends."""
    ended = vendor_store.end_idle(workplace.engine)
    if ended:
        log.warning("%d connections of vendors were ended: their transactions stood open too long", ended)
    return queue.expire(workplace.engine)


@step("take answers in")
def collect(workplace: Workplace, round_: Round) -> Round:
    """Turn the answers of complete items into labels, and close the round when its labels are in.

    Vendors that fail on gold are suspended, and items whose label is in doubt are asked again, before anything is
    closed. A round whose due time has passed, or of which the campaign's share is labelled, is closed with what it
    has: open tasks are cancelled and their reservations released.
    """
    if round_.state != "published":
        return round_
    campaign = campaign_of(round_)
    watch_vendors(workplace, round_, campaign)
    if campaign.reroute_after_hours is not None:
        operations.reroute(workplace.engine, round_.campaign_id, campaign.reroute_after_hours * 3600)
    beliefs = believe(workplace, round_.campaign_id, campaign)
    new = make_labels(workplace, round_, campaign, beliefs)
    if beliefs is not None:
        ask_further(workplace, round_, campaign, beliefs)
    done = queue.withdraw_overdue(workplace.engine, round_, campaign.close.share)
    if done:
        # Items that were partly answered are complete now. Labels before the state: a crash between the two is
        # mended by doing both again.
        beliefs = believe(workplace, round_.campaign_id, campaign)
        new += make_labels(workplace, round_, campaign, beliefs)
    counts = batches.progress(workplace.engine, round_)
    log.info("%d new labels; %d of %d items complete", new, counts["complete"], counts["items"])
    if done:
        _close(workplace, round_)
    return rounds.find(workplace.engine, round_.round_id)


@step("renew labels")
def renew_labels(workplace: Workplace, round_: Round) -> Round:
    """Infer the labels anew before they are learned from: answers may have been corrected since they were made."""
    if round_.state == "opened" and round_.labels is None:
        campaign = campaign_of(round_)
        make_labels(workplace, round_, campaign, believe(workplace, round_.campaign_id, campaign))
    return round_


def _close(workplace: Workplace, round_: Round) -> None:
    try:
        rounds.store(workplace.engine, round_, "closed")
    except RoundBusy:
        log.info("round %d of %s was closed by another process, or asked on", round_.number, round_.campaign)
