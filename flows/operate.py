"""The operators' verbs: stack, vendors, labels. No flow runs for them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import console
from tasks.errors import UsageError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from infra.settings import Settings
    from infra.stack import PartStatus


def start_stack(home: Path, only: set[str] | None) -> None:
    """Start what is not up, with progress on stderr."""
    from infra import stack

    said: dict[str, str] = {}
    terminal = console.stderr()

    def progress(part: PartStatus) -> None:
        if said.get(part.name) != part.health:
            said[part.name] = part.health
            terminal.print(f"  {part.name:<9} {part.health:<9} {part.address or ''}", soft_wrap=True)

    stack.up(home, progress, only)


def stack_rows(home: Path) -> list[dict[str, Any]]:
    """Give the parts of the stack as rows."""
    from infra import stack

    return [asdict(part) for part in stack.status(home)]


def upload(settings: Settings, path: Path, uri: str) -> list[dict[str, Any]]:
    """Copy files into S3.

    Parameters
    ----------
    path
        A file, or a directory whose files are copied with their relative names.
    uri
        ``s3://bucket/folder/``; of one file also its whole address.

    Raises
    ------
    UsageError
        When `uri` is no S3 address.
    """
    from infra.storage import Storage

    bucket, slash, _ = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not slash:
        raise UsageError(f"{uri}: must be an S3 address such as s3://bucket/folder/")
    storage = Storage.from_settings(settings)
    storage.ensure_bucket(bucket)
    if path.is_file():
        names = {path: uri + path.name if uri.endswith("/") else uri}
    else:
        files = sorted(one for one in path.rglob("*") if one.is_file())
        names = {one: f"{uri.rstrip('/')}/{one.relative_to(path).as_posix()}" for one in files}
    for file, target in names.items():
        storage.upload_file(target, file)
    return [
        {"file": str(file), "uri": target, "bytes": file.stat().st_size} for file, target in names.items()
    ]


def add_vendor(settings: Settings, name: str) -> str:
    """Register a vendor and give it a login."""
    from infra.database import vendors
    from tasks.campaign.values import check_name

    try:
        check_name(name)
    except ValueError as error:
        raise UsageError(f"vendor {name!r}: the name {error}") from None
    with _database(settings) as engine:
        return vendors.give_login(engine, name)


def list_vendors(settings: Settings) -> list[dict[str, Any]]:
    """Read all vendors; what they earned in their own currencies."""
    from infra.database import vendors

    with _database(settings) as engine:
        rows = vendors.list_vendors(engine)
    return [
        {
            **{k: v for k, v in row.items() if k != "earned_micro"},
            "earned": {currency: micro / 1e6 for currency, micro in row["earned_micro"].items()},
        }
        for row in rows
    ]


def export_labels(settings: Settings, campaign: str, as_of: int | None, as_json: bool) -> None:
    """Print a campaign's labels: the newest, or those that a round began with."""
    from flows.names import campaign_name
    from infra.database import campaigns, rounds
    from infra.database import labels as label_store
    from tasks.campaign import Campaign
    from tasks.targets import targets_of

    name = campaign_name(campaign)
    with _database(settings) as engine:
        spec = campaigns.find(engine, name).spec
        before = None if as_of is None else rounds.round_number(engine, name, as_of).opened_at
        rows = label_store.export(engine, name, before)
    if as_json:
        targets = targets_of(Campaign.model_validate(spec))
        console.document([{**row, "label": targets.shown(row["label"])} for row in rows])
        return
    columns = (
        "item_id",
        "label",
        "confidence",
        "kind",
        "method",
        "n_answers",
        "version",
        "round",
        "vendors",
        "at",
    )
    writer = csv.DictWriter(sys.stdout, columns)
    writer.writeheader()
    writer.writerows(rows)


def resume_campaign(settings: Settings, campaign: str, rounds: int) -> dict[str, Any]:
    """Lift a campaign's stop, and keep soft stop rules from stopping it for so many rounds.

    Raises
    ------
    NotFound
        When no round of it was ever run.
    """
    from flows.names import campaign_name
    from infra.database import campaigns

    name = campaign_name(campaign)
    with _database(settings) as engine:
        before = campaigns.find(engine, name).stop_reason
        row = campaigns.resume(engine, name, rounds)
    was = "it was not stopped" if before is None else f"it was stopped: {before.rstrip('.')}"
    return {
        "campaign": name,
        "was_stopped": before,
        "until_round": row.resume_until,
        "sentence": f"campaign {name} goes on up to round {row.resume_until}; {was}",
    }


@contextmanager
def _database(settings: Settings) -> Iterator[sa.Engine]:
    from infra.database.engine import connect, migrate

    engine = connect(settings.database_url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()
