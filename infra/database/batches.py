"""Publishing a batch: items, tasks and the budget's reservation in one transaction with the round's state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.rounds import Round
from infra.database.statements import statements
from infra.database.text import check_ids
from tasks.errors import BudgetExceeded

ITEMS_AT_ONCE = 2_000  # payloads are large, and a statement is one string


@dataclass(frozen=True)
class Seat:
    """One task of an item.

    Parameters
    ----------
    price_micro
        What is held for it: the price of the dearest vendor that may take it.
    eligible
        Vendors that may take it; None for all of the campaign.
    capable
        Vendors that it may go to when those are late; None for all.
    """

    price_micro: int
    eligible: tuple[int, ...] | None = None
    capable: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Pick:
    """One item of a batch.

    Parameters
    ----------
    kind
        ``work``, ``audit`` or ``gold``.
    payload, reason
        JSON texts: what the vendor sees, and why the item was chosen.
    rank
        1 = most worth labeling, in its kind.
    pick_key
        48-bit random number: within a priority, the order in which vendors get tasks tells them nothing.
    seats
        Its tasks; at least one.
    priority
        0 = done first, to 9.
    expected
        The known label of a gold item.
    witness
        What a model that had not seen its label said of it, by class.
    """

    item_id: str
    kind: str
    payload: str
    rank: int
    score: float | None
    reason: str
    inclusion_probability: float | None
    pick_key: int
    seats: tuple[Seat, ...]
    priority: int = 0
    expected: str | None = None
    witness: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Schema:
    """What vendors are asked; a change of it is a new version.

    Parameters
    ----------
    task
        ``classification`` or ``multilabel``.
    instructions
        For the people who label.
    """

    task: str
    classes: tuple[str, ...]
    instructions: str = ""


@dataclass(frozen=True)
class Limits:
    """What publishing may not pass.

    Parameters
    ----------
    labels
        Items that the campaign may buy in all.
    money_micro
        What it may spend in all; None without a limit.
    """

    labels: int
    money_micro: int | None


def publish(
    engine: sa.Engine,
    round_: Round,
    picks: Sequence[Pick],
    *,
    schema: Schema,
    exclusive: bool,
    due_seconds: int,
    limits: Limits,
) -> bool:
    """Commit the batch; a no-op when the round was published before.

    Parameters
    ----------
    exclusive
        Whether each task of an item goes to another vendor; else to another person.
    due_seconds
        From now until what is still open is withdrawn.

    Returns
    -------
    bool
        Whether this call published it.

    Raises
    ------
    BudgetExceeded
        When labels or money would be overspent; nothing is written.
    UsageError
        When an id cannot be stored; nothing is written.
    """
    check_ids((pick.item_id for pick in picks), f"campaign {round_.campaign}, round {round_.number}")
    sql = statements("batches")
    with transaction(engine) as connection:
        values: dict[str, Any] = {"round_id": round_.round_id, "seconds": due_seconds}
        if connection.execute(sql["mark_published"], values).rowcount == 0:
            return False
        bought = sum(pick.kind != "gold" for pick in picks)
        price = sum(seat.price_micro for pick in picks for seat in pick.seats)
        _check_budget(connection, round_, bought, price, limits)
        version = _store_schema(connection, round_, schema)
        for start in range(0, len(picks), ITEMS_AT_ONCE):
            some = picks[start : start + ITEMS_AT_ONCE]
            connection.execute(sql["insert_items"], _item_columns(round_, some))
        gold = {pick.item_id: pick.expected for pick in picks if pick.expected is not None}
        values = {"round_id": round_.round_id, "item_ids": list(gold), "expected": list(gold.values())}
        connection.execute(sql["insert_gold"], values)
        connection.execute(sql["insert_tasks"], _task_columns(round_, picks) | {"exclusive": exclusive})
        connection.execute(sql["reserve"], {"round_id": round_.round_id})
        opened = {"campaign": round_.campaign, "schema": {"id": round_.campaign, "version": version}}
        _tell(connection, round_, "batch.opened", opened)
    return True


def progress(engine: sa.Engine, round_: Round) -> dict[str, int]:
    """Count the round's items: all that are wanted, complete, cancelled."""
    with transaction(engine) as connection:
        row = (
            connection.execute(statements("batches")["progress"], {"round_id": round_.round_id})
            .mappings()
            .one()
        )
    return dict(row)


def batch_of(engine: sa.Engine, round_: Round) -> list[dict[str, Any]]:
    """Read the round's items, work before audit, most worth first."""
    with transaction(engine) as connection:
        query = statements("batches")["batch_of_round"]
        rows = connection.execute(query, {"round_id": round_.round_id}).mappings().all()
    return [dict(row) for row in rows]


def _check_budget(connection: sa.Connection, round_: Round, items: int, price: int, limits: Limits) -> None:
    sql = statements("campaigns")
    connection.execute(sql["lock_campaign"], {"campaign_id": round_.campaign_id})
    state = connection.execute(sql["budget_state"], {"campaign_id": round_.campaign_id}).mappings().one()
    if state["bought"] + items > limits.labels:
        raise BudgetExceeded(
            f"campaign {round_.campaign}: {items} items on top of {state['bought']} would pass budget.labels "
            f"{limits.labels}; nothing was published"
        )
    used = state["spent_micro"] + state["held_micro"]
    if limits.money_micro is not None and used + price > limits.money_micro:
        raise BudgetExceeded(
            f"campaign {round_.campaign}: {price / 1e6:.2f} on top of {used / 1e6:.2f} would pass "
            f"budget.money {limits.money_micro / 1e6:.2f}; nothing was published"
        )


def _store_schema(connection: sa.Connection, round_: Round, schema: Schema) -> int:
    """Give the version of the schema that the round's vendors get; a changed one is a new version."""
    sql = statements("batches")
    row = (
        connection.execute(sql["newest_schema"], {"campaign_id": round_.campaign_id}).mappings().one_or_none()
    )
    wanted = {"task": schema.task, "classes": list(schema.classes), "instructions": schema.instructions}
    version = 1 if row is None else row["version"]
    if row is None or {key: row[key] for key in wanted} != wanted:
        version += row is not None
        values = {"campaign_id": round_.campaign_id, "version": version, **wanted}
        connection.execute(sql["insert_schema"], values | {"classes": json.dumps(wanted["classes"])})
        if version > 1:
            _tell(connection, round_, "schema.published", {"id": round_.campaign, "version": version})
    connection.execute(sql["set_schema"], {"round_id": round_.round_id, "version": version})
    return version


def _tell(connection: sa.Connection, round_: Round, kind: str, body: dict[str, Any]) -> None:
    values = {"campaign_id": round_.campaign_id, "kind": kind, "body": json.dumps(body)}
    connection.execute(statements("batches")["tell_vendors"], values)


def _item_columns(round_: Round, picks: Sequence[Pick]) -> dict[str, Any]:
    return {
        "round_id": round_.round_id,
        "campaign_id": round_.campaign_id,
        "item_ids": [pick.item_id for pick in picks],
        "kinds": [pick.kind for pick in picks],
        "payloads": [pick.payload for pick in picks],
        "ranks": [pick.rank for pick in picks],
        "scores": [pick.score for pick in picks],
        "reasons": [pick.reason for pick in picks],
        "probabilities": [pick.inclusion_probability for pick in picks],
        "needs": [len(pick.seats) for pick in picks],
        "priorities": [pick.priority for pick in picks],
        "witnesses": [as_array(pick.witness) for pick in picks],
    }


def _task_columns(round_: Round, picks: Sequence[Pick]) -> dict[str, Any]:
    tasks = [(pick, number, seat) for pick in picks for number, seat in enumerate(pick.seats, start=1)]
    return {
        "round_id": round_.round_id,
        "item_ids": [pick.item_id for pick, _, _ in tasks],
        "task_nos": [number for _, number, _ in tasks],
        # The more urgent first, then breadth first: every item's first task before any item's second.
        "pick_keys": [(pick.priority << 56) | (number << 48) | pick.pick_key for pick, number, _ in tasks],
        "prices": [seat.price_micro for _, _, seat in tasks],
        "eligible": [as_array(seat.eligible) for _, _, seat in tasks],
        "capable": [as_array(seat.capable) for _, _, seat in tasks],
    }


def as_array(values: Sequence[float] | None) -> str | None:
    """Write numbers as Postgres reads an array: arrays of arrays of different lengths have no other way in."""
    return None if values is None else "{" + ",".join(map(str, values)) + "}"
