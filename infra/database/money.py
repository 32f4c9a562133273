"""What a campaign's money was spent on, as the ledger has it: amounts are whole micro units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.statements import statements


@dataclass(frozen=True)
class Spent:
    """What was paid for answers of one kind, by a vendor, in a round.

    Parameters
    ----------
    round
        Number of the round.
    kind
        ``work``, ``audit``, ``gold`` or ``relabel``.
    answers
        Paid, and not refunded.
    spent_micro
        In the budget's currency, refunds taken off.
    further
        Whether the answers are beyond the first of their items: overlap, answers asked for where labels were
        in doubt, and answers that were refused and paid all the same.
    """

    round: int
    kind: str
    vendor: str
    further: bool
    answers: int
    spent_micro: int


@dataclass(frozen=True)
class Burn:
    """The ledger up to and including a day or a round.

    Parameters
    ----------
    day
        In UTC; of a round the day of its last entry.
    round
        Number of the newest round with an entry so far.
    held_micro
        Reserved for open tasks.
    """

    day: date
    round: int
    spent_micro: int
    held_micro: int


@dataclass(frozen=True)
class Owed:
    """What a vendor may invoice under one set of terms.

    Parameters
    ----------
    currency
        The vendor's own, of `price_micro` and `own_micro`.
    price_micro
        Of one answer; None for answers from before prices were kept by currency.
    rate
        Units of the budget's currency for one of the vendor's.
    own_micro
        Less than answers times price where tasks were published at a lower price.
    spent_micro
        The same in the budget's currency.
    """

    vendor: str
    currency: str
    price_micro: int | None
    rate: Decimal
    answers: int
    own_micro: int
    spent_micro: int


@dataclass(frozen=True)
class Bought:
    """Labels that are believed by now.

    Parameters
    ----------
    round
        That chose their items.
    kind
        ``work`` or ``audit``.
    expected_right
        Sum of their confidences: how many are right if the confidences are.
    """

    round: int
    kind: str
    labels: int
    expected_right: float


def spent(engine: sa.Engine, campaign_id: int) -> list[Spent]:
    """Read what was paid, by round, kind, vendor, and whether the answers are further ones; in that order."""
    return [Spent(**row) for row in _rows(engine, "spent", campaign_id)]


def burn_by_day(engine: sa.Engine, campaign_id: int) -> list[Burn]:
    """Read what was spent and held at the end of each day on which something was booked."""
    return [Burn(**row) for row in _rows(engine, "burn_by_day", campaign_id)]


def burn_by_round(engine: sa.Engine, campaign_id: int) -> list[Burn]:
    """Read what was spent and held by each published round and those before it."""
    return [Burn(**row) for row in _rows(engine, "burn_by_round", campaign_id)]


def owed(engine: sa.Engine, campaign_id: int) -> list[Owed]:
    """Read what each vendor may invoice, in its own currency."""
    return [Owed(**row) for row in _rows(engine, "owed_by_terms", campaign_id)]


def bought(engine: sa.Engine, campaign_id: int) -> list[Bought]:
    """Count the labels that the campaign has paid for, by round and kind."""
    return [Bought(**row) for row in _rows(engine, "labels_bought", campaign_id)]


def _rows(engine: sa.Engine, name: str, campaign_id: int) -> list[dict[str, Any]]:
    with transaction(engine) as connection:
        rows = connection.execute(statements("money")[name], {"campaign_id": campaign_id}).mappings().all()
    return [dict(row) for row in rows]
