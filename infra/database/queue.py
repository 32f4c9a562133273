"""The operator's side of the queue: lapsed leases, closing a round, vendors and their logins.

Vendors use the functions of the schema ``vendor`` and nothing else.
"""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.rounds import Round
from infra.database.statements import statements
from tasks.errors import SettingsError

MAX_ATTEMPTS = 10
EXPIRE_AT_ONCE = 10_000
IDLE_TRANSACTION = "60s"


def expire(engine: sa.Engine) -> dict[str, int]:
    """Free the tasks of lapsed leases.

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
        if counts["complete"] == counts["items"]:
            return True
        if not row["overdue"] and counts["complete"] < close_share * counts["items"]:
            return False
        _withdraw(connection, round_)
        return not connection.execute(sql["has_open_items"], {"round_id": round_.round_id}).scalar_one()


def _withdraw(connection: sa.Connection, round_: Round) -> None:
    # The order of all locks: items by id, tasks by id. `held_items` then looks anew at what came meanwhile.
    sql = statements("queue")
    locked = list(connection.execute(sql["lock_open_items"], {"round_id": round_.round_id}).scalars())
    tasks = list(connection.execute(sql["lock_open_tasks"], {"items": locked}).scalars())
    held = set(connection.execute(sql["held_items"], {"items": locked, "tasks": tasks}).scalars())
    items = [item for item in locked if item not in held]
    connection.execute(sql["cancel_tasks"], {"items": items})
    connection.execute(sql["settle_open_items"], {"items": items})


def add_vendor(engine: sa.Engine, name: str) -> None:
    """Register a vendor; a no-op for a known one."""
    with transaction(engine) as connection:
        connection.execute(statements("queue")["create_vendor"], {"name": name})


def give_login(engine: sa.Engine, name: str) -> str:
    """Give a vendor its own database login, or a fresh password for the one it has.

    Returns
    -------
    str
        The URL with which it reaches the functions of the schema ``vendor``; the password is shown once.

    Raises
    ------
    SettingsError
        When our own login may not create roles.
    """
    password = secrets.token_urlsafe(24)
    try:
        with transaction(engine) as connection:
            row = connection.execute(statements("queue")["create_vendor"], {"name": name}).mappings().one()
            role = row["db_role"] or f"lr_vendor_{secrets.token_hex(6)}"
            _set_login(connection, role, password)
            connection.execute(statements("queue")["set_vendor_login"], {"name": name, "db_role": role})
    except sa.exc.ProgrammingError as error:
        why = str(error.orig).strip().splitlines()[0]
        raise SettingsError(
            f"vendor {name}: no login could be made: {why} (our login needs CREATEROLE)"
        ) from error
    return engine.url.set(drivername="postgresql", username=role, password=password).render_as_string(
        hide_password=False
    )


def _set_login(connection: sa.Connection, role: str, password: str) -> None:
    from psycopg2.extensions import encrypt_password

    # A database that was restored on another server knows a login that is not there.
    known = connection.execute(statements("queue")["role_exists"], {"role": role}).scalar_one()
    # The server sees the SCRAM verifier only, and so does its log.
    driver: Any = connection.connection.driver_connection
    verifier = encrypt_password(password, role, scope=driver, algorithm="scram-sha-256")
    # Role and verifier are made of letters, digits and `_+/=:$-`: nothing to quote.
    verb = "ALTER" if known else "CREATE"
    connection.exec_driver_sql(f"{verb} ROLE {role} LOGIN INHERIT CONNECTION LIMIT 8 PASSWORD '{verifier}'")
    connection.exec_driver_sql(f"GRANT labelrounds_vendor TO {role}")
    # A client that forgets to commit would hold its tasks, which no sweep can see, for ever.
    connection.exec_driver_sql(
        f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION}'"
    )


def list_vendors(engine: sa.Engine) -> list[dict[str, Any]]:
    """Read all vendors with what they hold, answered and earned."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("queue")["list_vendors"]).mappings().all()
    return [dict(row) for row in rows]
