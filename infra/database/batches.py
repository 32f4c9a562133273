"""Publishing a batch: items, tasks and the budget's reservation in one transaction with the round's state."""

from __future__ import annotations

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
class Pick:
    """One item of a batch.

    Parameters
    ----------
    kind
        ``work`` or ``audit``.
    payload, reason
        JSON texts: what the vendor sees, and why the item was chosen.
    rank
        1 = most worth labeling, in its kind.
    pick_key
        48-bit random number: the order in which vendors get tasks tells them nothing.
    """

    item_id: str
    kind: str
    payload: str
    rank: int
    score: float | None
    reason: str
    inclusion_probability: float | None
    pick_key: int


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
    overlap: int,
    price_micro: int,
    due_seconds: int,
    limits: Limits,
) -> bool:
    """Commit the batch; a no-op when the round was published before.

    Parameters
    ----------
    price_micro
        Held for each task: the dearest of the campaign's vendors.

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
        values = {"round_id": round_.round_id, "seconds": due_seconds}
        if connection.execute(sql["mark_published"], values).rowcount == 0:
            return False
        _check_budget(connection, round_, len(picks), len(picks) * overlap * price_micro, limits)
        for start in range(0, len(picks), ITEMS_AT_ONCE):
            some = picks[start : start + ITEMS_AT_ONCE]
            connection.execute(sql["insert_items"], _item_columns(round_, some, overlap))
        task_values = {
            "round_id": round_.round_id,
            "item_ids": [pick.item_id for pick in picks],
            "pick_keys": [pick.pick_key for pick in picks],
            "overlap": overlap,
            "price_micro": price_micro,
        }
        connection.execute(sql["insert_tasks"], task_values)
        connection.execute(sql["reserve"], {"round_id": round_.round_id})
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


def _item_columns(round_: Round, picks: Sequence[Pick], overlap: int) -> dict[str, Any]:
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
        "overlap": overlap,
    }
