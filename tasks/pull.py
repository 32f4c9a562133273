"""List the pool and pin the round to what is there now."""

from __future__ import annotations

import logging

from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.outputs import campaign_of, folder
from tasks.step import step

log = logging.getLogger(__name__)


@step("pull the pool")
def pull(workplace: Workplace, round_: Round) -> Round:
    """Read the pool once, check it, and store its manifest with the round.

    Raises
    ------
    PoolRejected
        When it is empty, or more of it than the campaign allows had to be set aside.
    """
    if round_.manifest is not None:
        return round_
    from tasks.pool.take import take_manifest

    campaign = campaign_of(round_)
    manifest = take_manifest(workplace.storage, campaign.pool.uri, campaign.pool_spec)
    for reason in manifest.set_aside:
        log.warning("set aside: %d x %s, such as %s", reason.count, reason.reason, ", ".join(reason.examples))
    log.info("%d items in %d objects", manifest.rows, len(manifest.objects))
    reference = workplace.keep(folder(round_), "manifest.parquet", manifest.to_bytes(), manifest.rows)
    return rounds.store(workplace.engine, round_, manifest=reference)
