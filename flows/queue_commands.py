"""The verbs of `labelrounds queue`: work that is out at vendors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from flows import console
from flows.vendor.reach import JSON, database

if TYPE_CHECKING:
    import sqlalchemy as sa

ITEMS = click.option("--item", "items", multiple=True, help="Only this item; may be repeated.")


@click.group("queue")
def queue() -> None:
    """Work that is out at vendors: show it, pause it, withdraw it, ask for it again."""


@queue.command("show")
@click.argument("campaign")
@JSON
def show(campaign: str, as_json: bool) -> None:
    """Show the open round's tasks by state and vendor, and its dead letters.

    Example: labelrounds queue show spam
    """
    from infra.database import operations

    with _campaign(campaign) as (engine, row):
        tasks, dead = operations.show(engine, row.campaign_id)
    if as_json:
        console.document({"campaign": row.name, "tasks": tasks, "dead": dead})
        return
    console.show_rows(f"tasks of {row.name}", tasks)
    if dead:
        console.show_rows("dead letters: leased too often without an answer", dead)


@queue.command("pause")
@click.argument("campaign")
@click.option("--reason", required=True, help="For the event log.")
@JSON
def pause(campaign: str, reason: str, as_json: bool) -> None:
    """Lease no more tasks of a campaign; what is leased may be answered.

    Example: labelrounds queue pause spam --reason "guidelines change"
    """
    from infra.database import operations

    with _campaign(campaign) as (engine, row):
        done = operations.pause(engine, row.campaign_id, reason)
    _tell({"campaign": row.name, "paused": done}, "is paused" if done else "was paused before", as_json)


@queue.command("resume")
@click.argument("campaign")
@JSON
def resume(campaign: str, as_json: bool) -> None:
    """Lease the tasks of a paused campaign again.

    Example: labelrounds queue resume spam
    """
    from infra.database import operations

    with _campaign(campaign) as (engine, row):
        done = operations.resume(engine, row.campaign_id)
    _tell({"campaign": row.name, "resumed": done}, "goes on" if done else "was not paused", as_json)


@queue.command("cancel")
@click.argument("campaign")
@ITEMS
@JSON
def cancel(campaign: str, items: tuple[str, ...], as_json: bool) -> None:
    """Withdraw open items from the vendors, all of the open round without --item; their money is released.

    Example: labelrounds queue cancel spam --item mail-17
    """
    from infra.database import operations

    with _campaign(campaign) as (engine, row):
        count = operations.cancel(engine, row.campaign_id, items or None)
    _tell({"campaign": row.name, "cancelled": count}, f"{count} items are withdrawn", as_json)


@queue.command("revive")
@click.argument("campaign")
@JSON
def revive(campaign: str, as_json: bool) -> None:
    """Free dead letters once more: tasks that were leased too often.

    Example: labelrounds queue revive spam
    """
    from infra.database import operations

    with _campaign(campaign) as (engine, row):
        count = operations.revive(engine, row.campaign_id)
    _tell({"campaign": row.name, "revived": count}, f"{count} tasks are free again", as_json)


@queue.command("rework")
@click.argument("campaign")
@click.option("--vendor", required=True, help="Whose answers.")
@ITEMS
@click.option("--reason", required=True, help="The vendor is told.")
@click.option("--refund", is_flag=True, help="Take the price of the refused answers back.")
@JSON
def rework(
    campaign: str, vendor: str, items: tuple[str, ...], reason: str, refund: bool, as_json: bool
) -> None:
    """Refuse a vendor's answers of the open round, all without --item, and ask for them again.

    Example: labelrounds queue rework spam --vendor acme --item mail-17 --reason "wrong language"
    """
    from infra.database import operations
    from tasks.campaign import Campaign

    with _campaign(campaign) as (engine, row):
        spec = Campaign.model_validate(row.spec)
        refused = operations.rework(
            engine,
            row.campaign_id,
            vendor,
            items or None,
            reason,
            refund=refund,
            price_micro=spec.answer_price_micro,
            money_micro=spec.budget.money_micro,
        )
    said = f"{len(refused)} answers of {vendor} are refused and asked for again"
    _tell({"campaign": row.name, "vendor": vendor, "items": refused, "refunded": refund}, said, as_json)


@contextmanager
def _campaign(name: str) -> Iterator[tuple[sa.Engine, Any]]:
    from flows.names import campaign_name
    from infra.database import campaigns

    found = campaign_name(name)
    with database() as engine:
        yield engine, campaigns.find(engine, found)


def _tell(document: dict[str, Any], said: str, as_json: bool) -> None:
    console.document(document) if as_json else click.echo(f"campaign {document['campaign']}: {said}")
