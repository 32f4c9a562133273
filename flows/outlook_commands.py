"""The verbs about what comes next in a campaign: `labelrounds forecast` and `labelrounds resume`."""

from __future__ import annotations

import os

import click

from flows import console
from flows.vendor.reach import JSON
from infra.settings import load_settings


@click.command()
@click.argument("campaign")
@click.option(
    "--labels",
    type=click.IntRange(1),
    metavar="N",
    help="Further labels to forecast for, beside the next batch and the rest of the budget.",
)
@JSON
def forecast(campaign: str, labels: int | None, as_json: bool) -> None:
    """Say what the next labels would bring and cost, with 90 % intervals, and buy nothing.

    Example: labelrounds forecast spam --labels 500
    """
    settings = load_settings()
    os.environ.update(settings.environment())
    from flows.forecast import forecast_campaign, show

    found = forecast_campaign(settings, campaign, labels)
    console.document(found) if as_json else show(found)


@click.command()
@click.argument("campaign")
@click.option(
    "--rounds", default=1, show_default=True, type=click.IntRange(1), help="Batches that stop rules let pass."
)
@JSON
def resume(campaign: str, rounds: int, as_json: bool) -> None:
    """Let a stopped campaign go on, whatever target, plateau and the other soft stop rules say.

    Budget, money, rounds and date end it all the same: raise those in the file. Example: labelrounds resume spam
    """
    from flows.operate import resume_campaign

    told = resume_campaign(load_settings(), campaign, rounds)
    console.document(told) if as_json else click.echo(told["sentence"])
