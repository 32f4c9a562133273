"""The verb `labelrounds money`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from flows import console
from flows.vendor.reach import JSON, database


@click.command("money")
@click.argument("campaign")
@JSON
def money(campaign: str, as_json: bool) -> None:
    """Show what was spent on what, what is left and how long it lasts.

    CAMPAIGN is a campaign file, or the name of a campaign that ran before. Example: labelrounds money spam
    """
    from flows.money.figures import figures
    from flows.money.show import show
    from flows.names import campaign_name
    from infra.database import campaigns

    name = campaign_name(campaign)
    with database() as engine:
        found = figures(engine, campaigns.find(engine, name), datetime.now(UTC).date())
    console.document(found) if as_json else show(found)
