"""What a round of a campaign would do, and would cost, without doing it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from infra.database import campaigns
from infra.database.engine import connect
from infra.settings import Settings
from infra.storage import Storage
from tasks.campaign import Campaign
from tasks.errors import NotFound
from tasks.serve import check_connectors
from tasks.targets import targets_of

if TYPE_CHECKING:
    from tasks.campaign import LabelFile
    from tasks.pool.manifest import Manifest
    from tasks.pool.schema import Columns


@dataclass(frozen=True)
class Forecast:
    """What the next round would do.

    Parameters
    ----------
    seed_labels
        Class -> how many items are known to have it before the first round.
    seed_items
        Items of which the label is known before.
    holdout
        Items that only measure.
    predictions
        What the campaign brings in place of a model, see `tasks.predictions.study.Study`; None where it trains one.
    text_model
        Name and numbers of what encodes texts; None where nothing does.
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
    seed_items: int
    holdout: int
    predictions: dict[str, Any] | None
    text_model: dict[str, Any] | None
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
    check_connectors(storage, campaign)
    manifest = take_manifest(storage, campaign.pool.uri, campaign.pool_spec)
    seed = _known_labels(storage, campaign, campaign.seed_labels, None)
    holdout = _known_labels(storage, campaign, campaign.holdout, manifest.columns)
    bought, spent, held, stopped = _so_far(settings, campaign.name)
    size = min(campaign.batch.size, max(0, campaign.budget.labels - bought), manifest.rows)
    if campaign.budget.money_micro is not None:
        size = campaign.affordable(campaign.budget.money_micro - spent - held, size)
    columns, targets = manifest.columns, targets_of(campaign)
    return Forecast(
        items=manifest.rows,
        objects=len(manifest.objects),
        set_aside=[
            {"reason": one.reason, "count": one.count, "examples": list(one.examples)}
            for one in manifest.set_aside
        ],
        columns={kind: list(names) for kind, names in columns.by_kind.items()},
        seed_labels=dict(zip(campaign.classes, targets.counts(targets.codes(seed)), strict=True)),
        seed_items=len(seed),
        holdout=len(holdout),
        predictions=_predictions(storage, campaign, manifest),
        text_model=_text_model(campaign, columns),
        bought=bought,
        spent_micro=spent,
        held_micro=held,
        stop_reason=stopped,
        batch=size,
        audit=campaign.batch.audit_items(size),
        cost_micro=campaign.cost_micro(size),
    )


def _known_labels(
    storage: Storage, campaign: Campaign, file: LabelFile | None, columns: Columns | None
) -> list[str]:
    from tasks.pool.read import read_labels

    if file is None:
        return []
    table = read_labels(
        storage, file.uri, id=file.id, label=file.label, classes=campaign.classes, columns=columns,
        task=campaign.task,
    )  # fmt: skip
    return list(table.column(file.label).to_pylist())


def _predictions(storage: Storage, campaign: Campaign, manifest: Manifest) -> dict[str, Any] | None:
    from tasks.added import study_predictions

    spec = campaign.prediction_spec
    if spec is None:
        return None
    with tempfile.TemporaryDirectory(prefix="labelrounds-check-") as folder:
        study = study_predictions(storage, campaign, spec, manifest, Path(folder) / "index.bin")
    return {**study.to_json(), "objects": len(study.objects)}


def _text_model(campaign: Campaign, columns: Columns) -> dict[str, Any] | None:
    from tasks.added import text_encoder

    if campaign.features.text_model is None:
        return None
    encoder = text_encoder(campaign, columns)
    return {"name": encoder.name, "dimension": encoder.dimension}


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
        said.append(f"seed labels: {found.seed_items:,} ({counts})")
    if campaign.holdout is not None:
        said.append(f"hold-out: {found.holdout:,} items")
    said += _added_lines(campaign, found)
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


def _added_lines(campaign: Campaign, found: Forecast) -> list[str]:
    said = []
    if found.text_model is not None:
        said.append(
            f"texts are encoded by {found.text_model['name']}: {found.text_model['dimension']:,} numbers each"
        )
    given = found.predictions
    if given is not None and campaign.predictions is not None:
        said.append(
            f"predictions: {given['rows']:,} items in {given['objects']:,} objects under {campaign.predictions.uri}; "
            "no model is trained"
        )
        said.append(
            f"they cover {given['items'] - given['missing']:,} of {given['items']:,} items of the pool"
        )
        if given["unused"]:
            said.append(f"{given['unused']:,} predictions are of no item of the pool")
    return said
