"""Campaigns, what they may spend, and the vendors that they are offered to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.statements import statements
from tasks.errors import NotFound, UsageError


@dataclass(frozen=True)
class CampaignRow:
    """A row of `campaigns` with its balance.

    Parameters
    ----------
    key
        Tells it from campaigns of that name in other databases.
    spent_micro, held_micro
        Owed to vendors, and reserved for open tasks; micro units of the campaign's currency.
    resume_until
        Soft stop rules do not stop rounds up to this number, since a person let the campaign go on; None
        where nobody did.
    """

    campaign_id: int
    name: str
    key: UUID
    spec: dict[str, Any]
    stop_reason: str | None
    experiment_id: str | None
    mlflow_run_id: str | None
    spent_micro: int
    held_micro: int
    resume_until: int | None = None


@dataclass(frozen=True)
class Offer:
    """What a campaign pays a vendor, and what it lets it hold.

    Parameters
    ----------
    price_micro
        Of one answer, in micro units of the campaign's currency.
    lease_seconds
        How long a vendor may hold a task without prolonging it.
    max_open
        Tasks of the campaign that it may hold at once; None for as many as it may hold anywhere.
    correction_seconds
        How long after it was taken an answer may be corrected.
    own_micro
        The price in micro units of the vendor's own currency; None where that is the campaign's.
    currency
        The vendor's own.
    rate
        Units of the campaign's currency for one of the vendor's.
    """

    vendor: str
    price_micro: int
    lease_seconds: int
    max_open: int | None = None
    correction_seconds: int = 7 * 24 * 3600
    own_micro: int | None = None
    currency: str = "USD"
    rate: Decimal = Decimal(1)


@dataclass(frozen=True)
class Balance:
    """What a campaign has used of its budget.

    Parameters
    ----------
    bought
        Items chosen and not withdrawn.
    """

    bought: int
    spent_micro: int
    held_micro: int


def register(
    engine: sa.Engine, name: str, spec: dict[str, Any], digest: str, offers: Sequence[Offer]
) -> CampaignRow:
    """Make the campaign's row, or bring it to the newest file; lift a stop when budget or stop rules changed.

    Raises
    ------
    UsageError
        When task, classes or currency differ from those of earlier rounds.
    """
    sql = statements("campaigns")
    with transaction(engine) as connection:
        used = connection.execute(sql["meaning_in_use"], {"name": name}).mappings().one_or_none()
        if used is not None:
            _check_meaning(name, dict(used), spec)
        values = {"name": name, "spec": json.dumps(spec), "digest": digest}
        campaign_id = connection.execute(sql["register_campaign"], values).mappings().one()["campaign_id"]
        # In the order of names: two campaigns with the same new vendors would otherwise wait for each other.
        for offer in sorted(offers, key=lambda offer: offer.vendor):
            connection.execute(sql["register_vendor"], {"name": offer.vendor})
            values = _offered(offer) | {"campaign_id": campaign_id}
            connection.execute(sql["agree_terms"], values)
            connection.execute(sql["offer_to_vendor"], values)
        names = [offer.vendor for offer in offers]
        connection.execute(sql["withdraw_from_vendors"], {"campaign_id": campaign_id, "names": names})
    return find(engine, name)


def _offered(offer: Offer) -> dict[str, Any]:
    return {
        "name": offer.vendor,
        "own_micro": offer.price_micro if offer.own_micro is None else offer.own_micro,
        "currency": offer.currency,
        "rate": offer.rate,
        "price_micro": offer.price_micro,
        "lease_seconds": offer.lease_seconds,
        "max_open": offer.max_open,
        "correction_seconds": offer.correction_seconds,
    }


def _check_meaning(name: str, used: dict[str, Any], spec: dict[str, Any]) -> None:
    now = {
        "classes": spec["classes"],
        "task": spec.get("task", "classification"),
        "currency": spec.get("budget", {}).get("currency", "USD"),
    }
    for key in now:
        if used[key] != now[key]:
            what = "amounts" if key == "currency" else "labels"
            raise UsageError(
                f"campaign {name}: {key} in earlier rounds: {used[key]}; now: {now[key]}; "
                f"{what} would change their meaning: start a campaign with another name"
            )


def find(engine: sa.Engine, name: str) -> CampaignRow:
    """Read a campaign.

    Raises
    ------
    NotFound
        When no round of it was ever run; the message names those that exist.
    """
    sql = statements("campaigns")
    with transaction(engine) as connection:
        row = connection.execute(sql["find_campaign"], {"name": name}).mappings().one_or_none()
        known = connection.execute(sql["list_campaigns"]).scalars().all() if row is None else []
    if row is None:
        raise NotFound(f"campaign {name} has no rounds in this database; known: {', '.join(known) or 'none'}")
    return CampaignRow(**row)


def balance(engine: sa.Engine, campaign_id: int) -> Balance:
    """Tell what the campaign has used of its budget."""
    with transaction(engine) as connection:
        query = statements("campaigns")["budget_state"]
        row = connection.execute(query, {"campaign_id": campaign_id}).mappings().one()
    return Balance(**row)


def lift_stop(engine: sa.Engine, campaign_id: int) -> None:
    """Let a stopped campaign go on."""
    with transaction(engine) as connection:
        connection.execute(
            statements("campaigns")["stop_campaign"], {"campaign_id": campaign_id, "reason": None}
        )


def resume(engine: sa.Engine, name: str, rounds: int) -> CampaignRow:
    """Let a campaign go on: lift its stop, and keep soft stop rules from stopping it for so many rounds.

    Hard limits (labels, money, rounds, date) stop it all the same.

    Parameters
    ----------
    rounds
        After the last round that there is; at least 1.

    Raises
    ------
    NotFound
        When no round of it was ever run.
    UsageError
        When `rounds` is less than 1.
    """
    if rounds < 1:
        raise UsageError(f"campaign {name}: to go on takes 1 round or more, not {rounds}")
    with transaction(engine) as connection:
        connection.execute(statements("campaigns")["resume_campaign"], {"name": name, "rounds": rounds})
    return find(engine, name)


def link_mlflow(engine: sa.Engine, campaign_id: int, experiment_id: str, run_id: str) -> None:
    """Remember the campaign's MLflow experiment and run."""
    values = {"campaign_id": campaign_id, "experiment_id": experiment_id, "run_id": run_id}
    with transaction(engine) as connection:
        connection.execute(statements("campaigns")["link_mlflow"], values)


def names(engine: sa.Engine) -> list[str]:
    """Name all campaigns that ever ran."""
    with transaction(engine) as connection:
        return list(connection.execute(statements("campaigns")["list_campaigns"]).scalars())


def labels_by_round(engine: sa.Engine, campaign_id: int) -> list[tuple[int, str, int]]:
    """Count the labels that each round brought: round, class, labels."""
    return _history(engine, campaign_id, "labels_by_round")


def spend_by_round(engine: sa.Engine, campaign_id: int) -> list[tuple[int, str, int]]:
    """Add up what each round's answers cost: round, vendor, micro units."""
    return _history(engine, campaign_id, "spend_by_round")


def _history(engine: sa.Engine, campaign_id: int, statement: str) -> list[tuple[int, str, int]]:
    with transaction(engine) as connection:
        rows = connection.execute(statements("campaigns")[statement], {"campaign_id": campaign_id}).all()
    return [(number, name, amount) for number, name, amount in rows]
