"""Where campaigns stand: state, quality, money, and why one stopped."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from flows.names import campaign_name
from infra.database import campaigns, rounds
from infra.database.engine import connect, migrate
from infra.database.rounds import Round
from infra.settings import Settings
from tasks.campaign import Campaign
from tasks.report.state import advice, state_sentence


def standing(settings: Settings, campaign: str) -> dict[str, Any]:
    """Say where one campaign stands.

    Parameters
    ----------
    campaign
        File or name.

    Raises
    ------
    NotFound
        No round of it was ever run.
    """
    name = campaign_name(campaign)
    engine = connect(settings.database_url)
    try:
        migrate(engine)
        return _standing(engine, name)
    finally:
        engine.dispose()


def all_standing(settings: Settings) -> list[dict[str, Any]]:
    """Say where every campaign stands; none where the database has no tables yet."""
    engine = connect(settings.database_url)
    try:
        if not sa.inspect(engine).has_table("campaigns", schema="labelrounds"):
            return []
        return [_standing(engine, name) for name in campaigns.names(engine)]
    finally:
        engine.dispose()


def _standing(engine: sa.Engine, name: str) -> dict[str, Any]:
    row = campaigns.find(engine, name)
    spec = Campaign.model_validate(row.spec)
    known = rounds.rounds_of(engine, name)
    newest = known[-1] if known else None
    measured = next((one for one in reversed(known) if "estimates" in (one.measures or {})), None)
    balance = campaigns.balance(engine, row.campaign_id)
    return {
        "campaign": name,
        "round": None if newest is None else newest.number,
        "state": "new" if newest is None else newest.state,
        "labels": balance.bought,
        "of": spec.budget.labels,
        "spent": balance.spent_micro / 1e6,
        "held": balance.held_micro / 1e6,
        "currency": spec.budget.currency,
        "quality": None if measured is None else state_sentence(measured.measures or {}, spec),
        "stopped": row.stop_reason,
        "do": None if newest is None else _advised(newest),
    }


def _advised(round_: Round) -> str:
    sentence, commands = advice(round_)
    return " ".join([sentence, *(f"`{command}` {what}." for command, what in commands.items())])
