"""Vendors: their state, their logins, and what they hold, answered and earned."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.statements import statements
from tasks.errors import NotFound, SettingsError, UsageError

IDLE_TRANSACTION = "60s"
LONGEST_TRANSACTION_SECONDS = 60


@dataclass(frozen=True)
class Vendor:
    """A row of `vendors`.

    Parameters
    ----------
    state
        ``active``, ``suspended`` or ``closed``.
    reason
        Why it is not active.
    """

    vendor_id: int
    name: str
    state: str
    reason: str | None
    max_open: int


@dataclass(frozen=True)
class CampaignVendor:
    """A vendor of a campaign, and what it is paid for an answer."""

    vendor_id: int
    name: str
    state: str
    price_micro: int


def add_vendor(engine: sa.Engine, name: str) -> None:
    """Register a vendor; a no-op for a known one."""
    with transaction(engine) as connection:
        connection.execute(statements("vendors")["create_vendor"], {"name": name})


def find_vendor(engine: sa.Engine, name: str) -> Vendor:
    """Read a vendor.

    Raises
    ------
    NotFound
        There is none of that name; the message names those that there are.
    """
    sql = statements("vendors")
    with transaction(engine) as connection:
        row = connection.execute(sql["find_vendor"], {"name": name}).mappings().one_or_none()
        known = connection.execute(sql["vendor_names"]).scalars().all() if row is None else []
    if row is None:
        raise NotFound(f"there is no vendor {name}; known: {', '.join(known) or 'none'}")
    return Vendor(**row)


def vendors_of(engine: sa.Engine, campaign_id: int) -> list[CampaignVendor]:
    """Read the vendors of a campaign, by name."""
    with transaction(engine) as connection:
        query = statements("vendors")["vendors_of"]
        rows = connection.execute(query, {"campaign_id": campaign_id}).mappings().all()
    return [CampaignVendor(**row) for row in rows]


def suspend(engine: sa.Engine, name: str, reason: str, *, state: str = "suspended") -> bool:
    """Stop a vendor from leasing, and give others what it holds; its answers stay, and what it still sends is kept.

    Parameters
    ----------
    state
        ``suspended``, or ``closed`` for good.

    Returns
    -------
    bool
        Whether it was in another state before.
    """
    vendor = find_vendor(engine, name)
    sql = statements("vendors")
    values = {"vendor_id": vendor.vendor_id}
    with transaction(engine) as connection:
        done = connection.execute(sql["set_state"], {"name": name, "state": state, "reason": reason}).rowcount
        if not done:
            return False
        tasks = list(connection.execute(sql["held_tasks"], values).scalars())
        connection.execute(sql["give_back"], {"tasks": tasks})
        connection.execute(sql["route_around"], values)
        body = json.dumps({"state": state, "reason": reason})
        connection.execute(sql["tell_vendor"], values | {"kind": f"vendor.{state}", "body": body})
        body = json.dumps({"vendor": name, "state": state, "reason": reason})
        connection.execute(sql["tell_vendor"], {"vendor_id": None, "kind": f"vendor.{state}", "body": body})
    return True


def reactivate(engine: sa.Engine, name: str) -> bool:
    """Let a suspended vendor lease again.

    Returns
    -------
    bool
        Whether it was suspended.

    Raises
    ------
    UsageError
        It is closed.
    """
    if find_vendor(engine, name).state == "closed":
        raise UsageError(f"vendor {name} is closed, which is for good; register it under another name")
    with transaction(engine) as connection:
        values = {"name": name, "state": "active", "reason": None}
        return bool(connection.execute(statements("vendors")["set_state"], values).rowcount)


def set_limit(engine: sa.Engine, name: str, most: int) -> None:
    """Say how many tasks a vendor may hold at once, in all campaigns together; it keeps what it holds.

    Raises
    ------
    NotFound
        There is no such vendor.
    """
    values = {"vendor_id": find_vendor(engine, name).vendor_id, "most": most}
    with transaction(engine) as connection:
        connection.execute(statements("vendors")["set_limit"], values)


def figures(engine: sa.Engine, vendor_id: int, since: datetime, until: datetime) -> dict[str, Any]:
    """Give what a vendor leased, answered and earned in a span of time, as it is told itself."""
    values = {"vendor_id": vendor_id, "since": since, "until": until}
    with transaction(engine) as connection:
        return dict(connection.execute(statements("vendors")["figures"], values).scalar_one())


def end_idle(engine: sa.Engine) -> int:
    """End connections of vendors' own logins that keep a transaction open too long.

    What they lease in it is invisible to everybody and would never lapse.

    Returns
    -------
    int
        How many were ended; none where our login may not end those of others.
    """
    try:
        with transaction(engine) as connection:
            values = {"seconds": LONGEST_TRANSACTION_SECONDS}
            return int(connection.execute(statements("vendors")["end_idle"], values).scalar_one())
    except sa.exc.ProgrammingError:
        return 0


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
            row = connection.execute(statements("vendors")["create_vendor"], {"name": name}).mappings().one()
            role = row["db_role"] or f"lr_vendor_{secrets.token_hex(6)}"
            set_login(connection, role, password, "labelrounds_vendor")
            connection.execute(statements("vendors")["set_vendor_login"], {"name": name, "db_role": role})
    except sa.exc.ProgrammingError as error:
        why = str(error.orig).strip().splitlines()[0]
        raise SettingsError(
            f"vendor {name}: no login could be made: {why} (our login needs CREATEROLE)"
        ) from error
    return engine.url.set(drivername="postgresql", username=role, password=password).render_as_string(
        hide_password=False
    )


def set_login(
    connection: sa.Connection, role: str, password: str, group: str, *, connections: int = 8
) -> None:
    """Make a login that is a member of a group and nothing more, or give it another password.

    Parameters
    ----------
    role
        Letters, digits and ``_``.
    connections
        How many it may have at once.
    """
    from psycopg2.extensions import encrypt_password

    # A database that was restored on another server knows a login that is not there.
    known = connection.execute(statements("vendors")["role_exists"], {"role": role}).scalar_one()
    # The server sees the SCRAM verifier only, and so does its log.
    driver: Any = connection.connection.driver_connection
    verifier = encrypt_password(password, role, scope=driver, algorithm="scram-sha-256")
    # Role and verifier are made of letters, digits and `_+/=:$-`: nothing to quote.
    verb = "ALTER" if known else "CREATE"
    connection.exec_driver_sql(
        f"{verb} ROLE {role} LOGIN INHERIT CONNECTION LIMIT {connections} PASSWORD '{verifier}'"
    )
    connection.exec_driver_sql(f"GRANT {group} TO {role}")
    # A client that forgets to commit would hold its tasks, which no sweep can see, for ever.
    connection.exec_driver_sql(
        f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION}'"
    )


def list_vendors(engine: sa.Engine) -> list[dict[str, Any]]:
    """Read all vendors with what they hold, answered and earned: micro units by the vendor's own currency."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("vendors")["list_vendors"]).mappings().all()
    return [dict(row) for row in rows]
