"""What a round of a campaign would do, and would cost, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from infra.database import campaigns
from infra.database.engine import connect
from infra.settings import Settings
from infra.storage import Storage
from tasks.campaign import Campaign
from tasks.errors import NotFound

if TYPE_CHECKING:
    from tasks.campaign import LabelFile
    from tasks.pool.schema import Columns


@dataclass(frozen=True)
class Forecast:
    """What the next round would do.

    Parameters
    ----------
    seed_labels
        Class -> how many are known before the first round.
    holdout
        Items that only measure.
    batch, audit
        Items that it would publish, and how many of them only measure.
    cost_micro
        At most, in micro units of the campaign's currency.
    """

    items: int
    objects: int
    set_aside: list[dict[str, Any]]
    columns: dict[str, list[str]]
    seed_labels: dict[str, int]
    holdout: int
    bought: int
    spent_micro: int
    held_micro: int
    stop_reason: str | None
    batch: int
    audit: int
    cost_micro: int


def forecast(settings: Settings, campaign: Campaign) -> Forecast:
    """Read pool, known labels and database, write nothing.

    Raises
    ------
    PoolRejected, NotFound, UsageError
        As the round would.
    """
    from tasks.pool.take import take_manifest

    storage = Storage.from_settings(settings)
    manifest = take_manifest(storage, campaign.pool.uri, campaign.pool_spec)
    seed = _known_labels(storage, campaign, campaign.seed_labels, None)
    holdout = _known_labels(storage, campaign, campaign.holdout, manifest.columns)
    bought, spent, held, stopped = _so_far(settings, campaign.name)
    size = min(campaign.batch.size, max(0, campaign.budget.labels - bought), manifest.rows)
    price = campaign.item_price_micro
    if campaign.budget.money_micro is not None and price:
        size = min(size, max(0, campaign.budget.money_micro - spent - held) // price)
    columns = manifest.columns
    return Forecast(
        items=manifest.rows,
        objects=len(manifest.objects),
        set_aside=[
            {"reason": one.reason, "count": one.count, "examples": list(one.examples)}
            for one in manifest.set_aside
        ],
        columns={
            kind: list(getattr(columns, kind)) for kind in ("text", "numeric", "categorical", "embedding")
        },
        seed_labels={name: seed.count(name) for name in campaign.classes},
        holdout=len(holdout),
        bought=bought,
        spent_micro=spent,
        held_micro=held,
        stop_reason=stopped,
        batch=size,
        audit=campaign.batch.audit_items(size),
        cost_micro=size * price,
    )


def _known_labels(
    storage: Storage, campaign: Campaign, file: LabelFile | None, columns: Columns | None
) -> list[str]:
    from tasks.pool.read import read_labels

    if file is None:
        return []
    table = read_labels(
        storage, file.uri, id=file.id, label=file.label, classes=campaign.classes, columns=columns
    )
    return list(table.column(file.label).to_pylist())


def _so_far(settings: Settings, name: str) -> tuple[int, int, int, str | None]:
    engine = connect(settings.database_url)
    try:
        row = campaigns.find(engine, name)
        used = campaigns.balance(engine, row.campaign_id)
        return used.bought, used.spent_micro, used.held_micro, row.stop_reason
    except NotFound:
        return 0, 0, 0, None
    except sa.exc.ProgrammingError:
        # The schema is not there yet: no round of anything ever ran.
        return 0, 0, 0, None
    finally:
        engine.dispose()


def lines(campaign: Campaign, found: Forecast) -> list[str]:
    """Say it in plain lines."""
    currency = campaign.budget.currency
    said = [
        f"campaign {campaign.name} is valid: {len(campaign.classes)} classes, strategy {campaign.strategy.title}",
        f"pool: {found.items:,} items in {found.objects:,} objects under {campaign.pool.uri}",
    ]
    said += [
        f"set aside: {one['count']} x {one['reason']}, such as {', '.join(one['examples'])}"
        for one in found.set_aside
    ]
    said += [f"{kind}: {', '.join(names)}" for kind, names in found.columns.items() if names]
    if campaign.seed_labels is not None:
        counts = ", ".join(f"{name} {n:,}" for name, n in found.seed_labels.items())
        said.append(f"seed labels: {sum(found.seed_labels.values()):,} ({counts})")
    if campaign.holdout is not None:
        said.append(f"hold-out: {found.holdout:,} items")
    said.append(f"vendors see only: {', '.join(campaign.pool.payload)}")
    said.append(
        f"so far: {found.bought:,} of {campaign.budget.labels:,} labels bought, "
        f"{(found.spent_micro + found.held_micro) / 1e6:.2f} {currency} spent or reserved"
    )
    if found.stop_reason:
        said.append(f"stopped: {found.stop_reason} Once it goes on:")
    said.append(
        f"a round would publish {found.batch:,} items ({found.audit:,} of them drawn to measure), "
        f"{campaign.overlap} answer(s) each, for at most {found.cost_micro / 1e6:.2f} {currency}"
    )
    said.append("nothing was written")
    return said
