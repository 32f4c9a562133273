"""Who may knock: the gateway's own login, the vendors' API keys, and the bells that their systems may ring."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from infra.database.engine import transaction
from infra.database.statements import statements
from infra.database.vendors import set_login
from tasks.errors import NotFound, SettingsError, UsageError

GRACE_SECONDS = 24 * 3600
CONNECTIONS = 64
"""Of one gateway login: several processes share it."""

TIMEOUTS = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
}


@dataclass(frozen=True)
class ApiKey:
    """A key at the only moment at which it is known.

    Attributes
    ----------
    key_id
        Its number, by which it is revoked.
    key
        ``lr_`` and 43 letters; only its SHA-256 is stored.
    """

    key_id: int
    key: str = field(repr=False)


def digest(token: str) -> bytes:
    """Return the SHA-256 under which a key or token is stored."""
    return hashlib.sha256(token.encode()).digest()


def admit_gateway(engine: sa.Engine, role: str, password: str) -> None:
    """Make the gateway's login, or give the one of that name this password.

    Parameters
    ----------
    role
        Letters, digits and ``_``.

    Raises
    ------
    SettingsError
        When our own login may not create roles.
    UsageError
        When the role's name has other characters.
    """
    if not role.isascii() or not role.replace("_", "a").isalnum():
        raise UsageError(f"gateway login {role!r}: the name must be of letters, digits and _")
    try:
        with transaction(engine) as connection:
            set_login(connection, role, password, "labelrounds_gateway", connections=CONNECTIONS)
            # A gateway that hangs must not hold a vendor's rows.
            for name, value in TIMEOUTS.items():
                connection.exec_driver_sql(f"ALTER ROLE {role} SET {name} = '{value}'")
            connection.execute(statements("access")["admit_gateway"], {"role": role})
    except sa.exc.ProgrammingError as error:
        why = str(error.orig).strip().splitlines()[0]
        raise SettingsError(
            f"gateway login {role} cannot be made: {why} (our login needs CREATEROLE)"
        ) from error


def gateway_login(engine: sa.Engine) -> str:
    """Make a login for a gateway, or a fresh password for the one there is.

    Returns
    -------
    str
        The URL that the gateway connects with.
    """
    with transaction(engine) as connection:
        known = connection.execute(statements("access")["gateway_role"]).scalar_one_or_none()
    role, password = known or f"lr_gateway_{secrets.token_hex(6)}", secrets.token_urlsafe(24)
    admit_gateway(engine, role, password)
    return engine.url.set(username=role, password=password).render_as_string(hide_password=False)


def admit_url(engine: sa.Engine, url: str) -> None:
    """Make the login that a gateway's URL names, with its password.

    Raises
    ------
    SettingsError
        When the URL has no user or password.
    """
    named = make_url(url)
    if not named.username or not named.password:
        raise SettingsError("LABELROUNDS_GATEWAY_DATABASE_URL: must name the gateway's own user and password")
    admit_gateway(engine, named.username, str(named.password))


def issue_key(engine: sa.Engine, vendor: str) -> ApiKey:
    """Give a vendor a further API key.

    Raises
    ------
    NotFound
        There is no such vendor.
    """
    with transaction(engine) as connection:
        return _issue(connection, _vendor(connection, vendor))


def rotate_key(engine: sa.Engine, vendor: str, grace_seconds: float = GRACE_SECONDS) -> ApiKey:
    """Give a vendor a new API key; the older ones work on for a grace period.

    Parameters
    ----------
    grace_seconds
        0 ends them at once.
    """
    with transaction(engine) as connection:
        vendor_id = _vendor(connection, vendor)
        key = _issue(connection, vendor_id)
        values = {"vendor_id": vendor_id, "key_id": key.key_id, "grace": grace_seconds}
        connection.execute(statements("access")["shorten_keys"], values)
        return key


def revoke_key(engine: sa.Engine, key_id: int) -> None:
    """End a key at once.

    Raises
    ------
    NotFound
        There is no such key, or it was revoked before.
    """
    with transaction(engine) as connection:
        found = connection.execute(
            statements("access")["revoke_key"], {"key_id": key_id}
        ).scalar_one_or_none()
    if found is None:
        raise NotFound(f"no API key {key_id} that could be revoked; `labelrounds vendor keys` lists them")


def list_keys(engine: sa.Engine, vendor: str | None = None) -> list[dict[str, Any]]:
    """Read all keys, or one vendor's: number, beginning, times, state; never the key."""
    with transaction(engine) as connection:
        if vendor is not None:
            _vendor(connection, vendor)
        rows = connection.execute(statements("access")["list_keys"], {"name": vendor}).mappings().all()
    return [dict(row) for row in rows]


def give_bell(engine: sa.Engine, vendor: str) -> str:
    """Make the secret part of the address at which a vendor's system may say that it has something.

    It replaces the vendor's earlier one.
    """
    token = secrets.token_urlsafe(32)
    with transaction(engine) as connection:
        vendor_id = _vendor(connection, vendor)
        connection.execute(statements("access")["remove_bells"], {"vendor_id": vendor_id})
        values = {"token_sha256": digest(token), "vendor_id": vendor_id}
        connection.execute(statements("access")["insert_bell"], values)
    return token


def take_rings(engine: sa.Engine) -> list[str]:
    """Return the vendors whose bells rang since the last call, by name."""
    with transaction(engine) as connection:
        return list(connection.execute(statements("access")["take_rings"]).scalars())


def _vendor(connection: sa.Connection, name: str) -> int:
    row = connection.execute(statements("access")["find_vendor"], {"name": name}).mappings().one_or_none()
    if row is None:
        raise NotFound(
            f"no vendor {name}; `labelrounds vendor list` shows them, `labelrounds vendor add` makes one"
        )
    return int(row["vendor_id"])


def _issue(connection: sa.Connection, vendor_id: int) -> ApiKey:
    key = f"lr_{secrets.token_urlsafe(32)}"
    values = {"vendor_id": vendor_id, "key_sha256": digest(key), "prefix": key[:9]}
    return ApiKey(connection.execute(statements("access")["insert_key"], values).scalar_one(), key)
