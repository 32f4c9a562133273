"""Watch the vendors by the items whose label is known."""

from __future__ import annotations

import logging

from infra.database import labels as label_store
from infra.database import vendors as vendor_store
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign

log = logging.getLogger(__name__)


def watch_vendors(workplace: Workplace, round_: Round, campaign: Campaign) -> list[str]:
    """Suspend vendors whose answers to gold items say that they are not good enough.

    What they hold goes to others; what they answered stays, and weighs as much as they are believed.

    Returns
    -------
    list of str
        Names of those that this call suspended.
    """
    from tasks.truth import GoldTest

    if campaign.gold is None or not campaign.gold.suspend:
        return []
    test = GoldTest(passes=campaign.gold.passes)
    suspended = []
    for name, (right, wrong) in label_store.gold_results(workplace.engine, round_.campaign_id).items():
        if not bool(test.suspends(right, wrong)):
            continue
        active = vendor_store.find_vendor(workplace.engine, name).state == "active"
        reason = f"campaign {round_.campaign}: {wrong} of {right + wrong} gold answers are wrong"
        if active and vendor_store.suspend(workplace.engine, name, reason):
            log.warning("vendor %s is suspended: %s", name, reason)
            suspended.append(name)
    return suspended
