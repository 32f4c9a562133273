"""The verbs of `labelrounds vendor` for people: report, limit, disable, enable."""

from __future__ import annotations

import click

from flows import console
from flows.vendor.reach import JSON, database


def register(group: click.Group) -> None:
    """Add the verbs to the group `vendor`."""
    for command in (report, limit, disable, enable):
        group.add_command(command)


@click.command("report")
@click.argument("campaign")
@click.option(
    "--days", default=30.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Of work."
)
@JSON
def report(campaign: str, days: float, as_json: bool) -> None:
    """Show how good, fast and dear a campaign's vendors are: gold with exact intervals, agreement, turnaround, cost.

    Example: labelrounds vendor report spam
    """
    from flows.vendor.report import report as measure
    from flows.vendor.report import table
    from infra.settings import load_settings
    from infra.workplace import Workplace

    place = Workplace(load_settings())
    try:
        rows = measure(place, campaign, days)
    finally:
        place.close()
    console.document(rows) if as_json else console.show_rows(f"vendors of {campaign}", table(rows))


@click.command("limit")
@click.argument("name")
@click.argument("tasks", type=click.IntRange(1, 10_000_000))
@JSON
def limit(name: str, tasks: int, as_json: bool) -> None:
    """Say how many tasks a vendor may hold at once, in all campaigns together: 1,000 unless told.

    Example: labelrounds vendor limit acme 5000
    """
    from infra.database import vendors

    with database() as engine:
        vendors.set_limit(engine, name, tasks)
    said = f"vendor {name} may hold {tasks:,} tasks"
    console.document({"vendor": name, "max_open": tasks}) if as_json else click.echo(said)


@click.command("disable")
@click.argument("name")
@click.option("--reason", required=True, help="The vendor is told.")
@click.option("--for-good", is_flag=True, help="Close it: it cannot be enabled again, and its keys end.")
@JSON
def disable(name: str, reason: str, for_good: bool, as_json: bool) -> None:
    """Suspend a vendor: it leases no more, what it holds goes to others, what it still sends is kept unpaid.

    Example: labelrounds vendor disable acme --reason "answers at random"
    """
    from infra.database import vendors

    state = "closed" if for_good else "suspended"
    with database() as engine:
        done = vendors.suspend(engine, name, reason, state=state)
    said = f"vendor {name} is {state}" if done else f"vendor {name} was {state} before"
    console.document({"vendor": name, "state": state, "changed": done}) if as_json else click.echo(said)


@click.command("enable")
@click.argument("name")
@JSON
def enable(name: str, as_json: bool) -> None:
    """Let a suspended vendor lease again.

    Example: labelrounds vendor enable acme
    """
    from infra.database import vendors

    with database() as engine:
        done = vendors.reactivate(engine, name)
    said = f"vendor {name} is active" if done else f"vendor {name} was active before"
    console.document({"vendor": name, "state": "active", "changed": done}) if as_json else click.echo(said)
