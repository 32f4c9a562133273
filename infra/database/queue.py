"""The queue's upkeep: lapsed leases, the claim's low-water mark, closing a round.

Vendors use the functions of the schema ``vendor`` and nothing else.
"""

from __future__ import annotations

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.rounds import Round
from infra.database.statements import statements

MAX_ATTEMPTS = 10
EXPIRE_AT_ONCE = 10_000


def expire(engine: sa.Engine) -> dict[str, int]:
    """Free the tasks of lapsed leases, and let claims begin where free tasks are.

    Returns
    -------
    dict
        ``ready`` tasks that are free again and ``dead`` ones that were leased too often.
    """
    counts = {"ready": 0, "dead": 0}
    values = {"at_most": EXPIRE_AT_ONCE, "max_attempts": MAX_ATTEMPTS}
    while True:
        with transaction(engine) as connection:
            states = connection.execute(statements("queue")["expire"], values).scalars().all()
        for state in states:
            counts[state] += 1
        if len(states) < EXPIRE_AT_ONCE:
            break
    with transaction(engine) as connection:
        connection.execute(statements("queue")["lock_published_rounds"])
        connection.execute(statements("queue")["low_water"])
    return counts


def withdraw_overdue(engine: sa.Engine, round_: Round, close_share: float) -> bool:
    """End the wait for answers when enough items are complete or the due time has passed.

    Open tasks are cancelled and their reservations released; unanswered items are free for a later round.
    Items that a vendor's call holds locked at this moment are left for the next time.

    Returns
    -------
    bool
        Whether no item of the round is open any more.
    """
    sql = statements("queue")
    with transaction(engine) as connection:
        row = (
            connection.execute(sql["lock_published_round"], {"round_id": round_.round_id})
            .mappings()
            .one_or_none()
        )
        if row is None:
            return False
        counts = (
            connection.execute(statements("batches")["progress"], {"round_id": round_.round_id})
            .mappings()
            .one()
        )
        # Gold is measured with while there is work; nobody waits for it.
        if not row["overdue"] and counts["complete"] < close_share * counts["items"]:
            return False
        locked = connection.execute(sql["lock_open_items"], {"round_id": round_.round_id}).scalars()
        cancel_items(connection, list(locked))
        return not connection.execute(sql["has_open_items"], {"round_id": round_.round_id}).scalar_one()


def cancel_items(connection: sa.Connection, locked: list[int]) -> list[int]:
    """Cancel the open tasks of items that this transaction holds locked, and release their money.

    Returns
    -------
    list of int
        The items that it was done for; the others have a task that a vendor's call holds at this moment.
    """
    # The order of all locks: items by id, tasks by id. `held_items` then looks anew at what came meanwhile.
    sql = statements("queue")
    tasks = list(connection.execute(sql["lock_open_tasks"], {"items": locked}).scalars())
    held = set(connection.execute(sql["held_items"], {"items": locked, "tasks": tasks}).scalars())
    items = [item for item in locked if item not in held]
    connection.execute(sql["cancel_tasks"], {"items": items})
    connection.execute(sql["settle_open_items"], {"items": items})
    return items
