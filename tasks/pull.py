"""List the pool and pin the round to what is there now."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.added import pins
from tasks.outputs import campaign_of, folder, manifest_of
from tasks.step import step

if TYPE_CHECKING:
    from tasks.pool.schema import Columns

log = logging.getLogger(__name__)


@step("pull the pool")
def pull(workplace: Workplace, round_: Round) -> Round:
    """Read the pool once, check it, and store its manifest with the round.

    Raises
    ------
    PoolRejected
        When it is empty, or more of it than the campaign allows had to be set aside.
    PoolChanged
        When a column that the last round learned from is gone, or holds something else now.
    UsageError
        When predictions that the campaign brings are none, or of other items, or its text model does not load.
    """
    if round_.manifest is not None:
        return round_
    from tasks.pool.take import take_manifest

    campaign = campaign_of(round_)
    manifest = take_manifest(
        workplace.storage,
        campaign.pool.uri,
        campaign.pool_spec,
        earlier=columns_so_far(workplace, round_.campaign, before=round_.number),
    )
    for reason in manifest.set_aside:
        log.warning("set aside: %d x %s, such as %s", reason.count, reason.reason, ", ".join(reason.examples))
    for note in manifest.notes:
        log.info("%s", note)
    log.info("%d items in %d objects", manifest.rows, len(manifest.objects))
    reference = workplace.keep(folder(round_), "manifest.parquet", manifest.to_bytes(), manifest.rows)
    return rounds.store(
        workplace.engine, round_, manifest=reference, measures=pins(workplace, campaign, manifest) or None
    )


def columns_so_far(workplace: Workplace, campaign: str, before: int | None = None) -> Columns | None:
    """Give the columns that the campaign's last round learned from; None before its first.

    Parameters
    ----------
    before
        Look only at rounds before this one.
    """
    for earlier in reversed(rounds.rounds_of(workplace.engine, campaign)):
        if earlier.features is not None and (before is None or earlier.number < before):
            return manifest_of(workplace, earlier).columns
    return None
