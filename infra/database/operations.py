"""What an operator does to work that is out: pause, cancel, refuse answers, ask for more of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from infra.database.batches import as_array
from infra.database.engine import transaction
from infra.database.queue import cancel_items
from infra.database.statements import statements
from tasks.errors import BudgetExceeded, NotFound


@dataclass(frozen=True)
class Further:
    """One more answer that is wanted for an item.

    Parameters
    ----------
    eligible, capable
        As `infra.database.batches.Seat` has them.
    """

    batch_item_id: int
    eligible: tuple[int, ...] | None = None
    capable: tuple[int, ...] | None = None


def pause(engine: sa.Engine, campaign_id: int, reason: str) -> bool:
    """Stop leasing the campaign's tasks; what is leased may be answered.

    Returns
    -------
    bool
        Whether it was running.
    """
    with transaction(engine) as connection:
        values = {"campaign_id": campaign_id, "reason": reason}
        return bool(connection.execute(statements("operations")["pause"], values).rowcount)


def resume(engine: sa.Engine, campaign_id: int) -> bool:
    """Lease the campaign's tasks again.

    Returns
    -------
    bool
        Whether it was paused.
    """
    with transaction(engine) as connection:
        return bool(
            connection.execute(statements("operations")["resume"], {"campaign_id": campaign_id}).rowcount
        )


def show(engine: sa.Engine, campaign_id: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read the open round's tasks by state and vendor, and its dead letters: tasks that were leased too often."""
    sql = statements("operations")
    with transaction(engine) as connection:
        tasks = connection.execute(sql["show"], {"campaign_id": campaign_id}).mappings().all()
        dead = connection.execute(sql["dead_letters"], {"campaign_id": campaign_id}).mappings().all()
    return [dict(row) for row in tasks], [dict(row) for row in dead]


def revive(engine: sa.Engine, campaign_id: int) -> int:
    """Free the open round's dead tasks once more; give how many."""
    with transaction(engine) as connection:
        return connection.execute(statements("operations")["revive"], {"campaign_id": campaign_id}).rowcount


def cancel(engine: sa.Engine, campaign_id: int, item_ids: Sequence[str] | None = None) -> int:
    """Withdraw open items from the vendors, all of the open round by default.

    Items with an answer are complete with what they have, the others free for a later round; money is released and
    vendors who hold a task are told.

    Returns
    -------
    int
        Items withdrawn; those that a vendor's call holds at this moment are left.
    """
    values = {"campaign_id": campaign_id, "everything": item_ids is None, "item_ids": list(item_ids or ())}
    with transaction(engine) as connection:
        locked = connection.execute(statements("operations")["open_items_named"], values).scalars()
        return len(cancel_items(connection, list(locked)))


def reroute(engine: sa.Engine, campaign_id: int, seconds: float) -> int:
    """Let all who are able take what waited for its vendors longer than `seconds`; give the number of tasks."""
    values = {"campaign_id": campaign_id, "seconds": seconds}
    with transaction(engine) as connection:
        return connection.execute(statements("operations")["reroute"], values).rowcount


def rework(
    engine: sa.Engine,
    campaign_id: int,
    vendor: str,
    item_ids: Sequence[str] | None,
    reason: str,
    *,
    refund: bool,
    price_micro: int,
    money_micro: int | None,
) -> list[str]:
    """Refuse a vendor's answers of the open round, and ask for them again.

    Parameters
    ----------
    item_ids
        None for all of its answers.
    refund
        Take the price back from the vendor.
    price_micro
        Held for each new task.
    money_micro
        What the campaign may spend in all; None without a limit.

    Returns
    -------
    list of str
        Items whose answer was refused.

    Raises
    ------
    NotFound
        No such answer; nothing is written.
    BudgetExceeded
        The money does not suffice to ask again; nothing is written.
    """
    sql = statements("operations")
    named = {
        "campaign_id": campaign_id, "vendor": vendor, "everything": item_ids is None, "item_ids": list(item_ids or ()),
    }  # fmt: skip
    with transaction(engine) as connection:
        # Two who ask again at once would each see the money that the other is about to hold.
        connection.execute(statements("campaigns")["lock_campaign"], {"campaign_id": campaign_id})
        round_id = _lock_open_round(connection, campaign_id)
        found = connection.execute(sql["filled_by"], named).mappings().all()
        items = sorted({row["batch_item_id"] for row in found})
        connection.execute(sql["lock_items"], {"items": items, "round_id": round_id})
        connection.execute(sql["lock_tasks_of"], {"items": items})
        # Looked up once more behind the locks: another operator may have been faster.
        rows = connection.execute(sql["filled_by"], named).mappings().all()
        rows = [row for row in rows if row["batch_item_id"] in set(items)]
        if not rows:
            raise NotFound(f"vendor {vendor} has no counted answer for {_named(item_ids)} in the open round")
        tasks = [row["task_id"] for row in rows]
        connection.execute(sql["forget_seats"], {"tasks": tasks})
        connection.execute(sql["void_tasks"], {"tasks": tasks})
        assignments = [str(row["assignment_id"]) for row in rows]
        connection.execute(sql["refuse"], {"assignments": assignments, "reason": reason, "refund": refund})
        if refund:
            connection.execute(sql["refund"], {"tasks": tasks})
        again = [Further(row["batch_item_id"], row["eligible"], row["capable"]) for row in rows]
        _add_tasks(connection, again, price_micro)
        _check_money(connection, campaign_id, money_micro)
        told = {"assignments": assignments, "reason": reason, "refunded": refund}
        values = {"vendor_id": rows[0]["vendor_id"], "kind": "rework.requested", "body": json.dumps(told)}
        connection.execute(statements("vendors")["tell_vendor"], values)
    return [row["item_id"] for row in rows]


def ask_further(
    engine: sa.Engine, campaign_id: int, further: Sequence[Further], price_micro: int, money_micro: int | None
) -> int:
    """Ask for one more answer for each of these items of the open round, as far as the money goes.

    Returns
    -------
    int
        Tasks made: as many of the first as can be paid.
    """
    if not further:
        return 0
    sql = statements("operations")
    with transaction(engine) as connection:
        connection.execute(statements("campaigns")["lock_campaign"], {"campaign_id": campaign_id})
        round_id = _lock_open_round(connection, campaign_id)
        if money_micro is not None:
            left = money_micro - _used(connection, campaign_id)
            further = further[: max(0, left // price_micro)] if price_micro else further
        wanted = {one.batch_item_id: one for one in further}
        values = {"items": sorted(wanted), "round_id": round_id}
        locked = connection.execute(sql["lock_items"], values).mappings().all()
        connection.execute(sql["lock_tasks_of"], {"items": sorted(wanted)})
        asked = [wanted[row["batch_item_id"]] for row in locked]
        _add_tasks(connection, asked, price_micro)
    return len(asked)


def _lock_open_round(connection: sa.Connection, campaign_id: int) -> int | None:
    """Keep the campaign's published round from being closed; None where there is none."""
    query = statements("operations")["lock_open_round"]
    found: int | None = connection.execute(query, {"campaign_id": campaign_id}).scalar_one_or_none()
    return found


def _add_tasks(connection: sa.Connection, further: Sequence[Further], price_micro: int) -> None:
    sql = statements("operations")
    # One task an item a time: the next number of a task follows from those that are there.
    waiting = list(further)
    while waiting:
        now = list({one.batch_item_id: one for one in waiting}.values())
        for one in now:
            waiting.remove(one)
        values: dict[str, Any] = {
            "items": [one.batch_item_id for one in now],
            "eligible": [as_array(one.eligible) for one in now],
            "capable": [as_array(one.capable) for one in now],
            "price_micro": price_micro,
        }
        connection.execute(sql["add_tasks"], values)
    connection.execute(sql["want_more"], {"items": sorted({one.batch_item_id for one in further})})


def _check_money(connection: sa.Connection, campaign_id: int, money_micro: int | None) -> None:
    if money_micro is not None and _used(connection, campaign_id) > money_micro:
        raise BudgetExceeded(
            f"asking again would pass budget.money {money_micro / 1e6:.2f}; nothing was written: "
            "raise the budget, or refuse fewer answers, or with a refund"
        )


def _used(connection: sa.Connection, campaign_id: int) -> int:
    query = statements("campaigns")["budget_state"]
    state = connection.execute(query, {"campaign_id": campaign_id}).mappings().one()
    return int(state["spent_micro"] + state["held_micro"])


def _named(item_ids: Sequence[str] | None) -> str:
    return "any item" if item_ids is None else ", ".join(item_ids)
