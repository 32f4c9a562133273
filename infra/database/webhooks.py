"""The operator's side of webhooks: who is told of what, and what became of it."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.statements import statements
from tasks.errors import NotFound, UsageError

KINDS = (
    "annotation.rejected",
    "batch.opened",
    "lease.expired",
    "rework.requested",
    "schema.published",
    "task.cancelled",
    "vendor.closed",
    "vendor.suspended",
)
"""What a vendor can be told."""

OPERATOR_KINDS = ("round.closed", "submission.taken", "vendor.closed", "vendor.suspended")
"""What a webhook of the operator's own can be told."""


@dataclass(frozen=True)
class NewSecret:
    """A webhook and its secret, which is shown once.

    Attributes
    ----------
    secret
        ``whsec_`` and base64 of 32 random bytes, as Standard Webhooks writes it.
    """

    webhook_id: int
    secret: str = field(repr=False)


def add_webhook(
    engine: sa.Engine, vendor: str | None, url: str, kinds: Sequence[str] = (), *, private: bool = False
) -> NewSecret:
    """Have a receiver told of events from now on.

    Parameters
    ----------
    vendor
        Whose events; None: the operator's own.
    kinds
        Which events; none are all.
    private
        Whether plain http is good enough, for receivers in the own network.

    Raises
    ------
    UsageError
        The address or a kind is none.
    NotFound
        There is no such vendor.
    """
    check_url(url, private=private)
    known = OPERATOR_KINDS if vendor is None else KINDS
    if unknown := sorted(set(kinds) - set(known)):
        raise UsageError(f"no events of kind {', '.join(unknown)}; there are {', '.join(known)}")
    sql, secret = statements("webhooks"), new_secret()
    with transaction(engine) as connection:
        vendor_id = None
        if vendor is not None:
            vendor_id = connection.execute(sql["find_vendor"], {"name": vendor}).scalar_one_or_none()
            if vendor_id is None:
                raise NotFound(f"no vendor {vendor}; `labelrounds vendor list` shows them")
        values = {"vendor_id": vendor_id, "url": url, "secret": secret, "kinds": sorted(set(kinds))}
        return NewSecret(connection.execute(sql["insert_webhook"], values).scalar_one(), secret)


def list_webhooks(engine: sa.Engine) -> list[dict[str, Any]]:
    """Read all webhooks with what is pending and dead; never their secrets."""
    with transaction(engine) as connection:
        return [dict(row) for row in connection.execute(statements("webhooks")["list_webhooks"]).mappings()]


def rotate_secret(engine: sa.Engine, webhook_id: int) -> NewSecret:
    """Give a webhook a new secret; the one before goes on signing beside it until the next rotation."""
    secret = new_secret()
    _one(engine, "rotate_secret", webhook_id, secret=secret)
    return NewSecret(webhook_id, secret)


def remove_webhook(engine: sa.Engine, webhook_id: int) -> None:
    """Forget a webhook and its deliveries; the events themselves stay."""
    _one(engine, "remove_webhook", webhook_id)


def enable_webhook(engine: sa.Engine, webhook_id: int) -> None:
    """Let a disabled webhook be told of what happens from now on; what was given up can be delivered again."""
    _one(engine, "enable_webhook", webhook_id)


def list_deliveries(
    engine: sa.Engine, webhook_id: int, state: str | None = None, at_most: int = 100
) -> list[dict[str, Any]]:
    """Read a webhook's newest deliveries, all or those in one state: pending, sent or dead."""
    values = {"webhook_id": webhook_id, "state": state, "at_most": at_most}
    with transaction(engine) as connection:
        rows = connection.execute(statements("webhooks")["list_deliveries"], values).mappings().all()
    return [dict(row) for row in rows]


def redeliver(engine: sa.Engine, webhook_id: int, seq: int | None = None) -> int:
    """Send again: one event, whatever became of it, or all that were given up.

    Returns
    -------
    int
        How many will be sent.
    """
    with transaction(engine) as connection:
        values = {"webhook_id": webhook_id, "seq": seq}
        return len(connection.execute(statements("webhooks")["redeliver"], values).all())


def check_url(url: str, *, private: bool) -> None:
    """Refuse what cannot be a receiver's address.

    Raises
    ------
    UsageError
        With the reason.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"webhook {url!r}: {error}") from None
    if not host or not url.isascii() or any(c.isspace() or ord(c) < 32 for c in url):
        raise UsageError(f"webhook {url!r}: must be an address such as https://vendor.example/hooks")
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise UsageError(f"webhook {url}: must be https (LABELROUNDS_GATEWAY_PRIVATE_WEBHOOKS allows http)")
    if parts.username is not None or parts.fragment:
        raise UsageError(f"webhook {url}: must be without user, password and #fragment; requests are signed")


def new_secret() -> str:
    """Make a signing secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _one(engine: sa.Engine, statement: str, webhook_id: int, **values: Any) -> None:
    with transaction(engine) as connection:
        sql = statements("webhooks")[statement]
        found = connection.execute(sql, {"webhook_id": webhook_id, **values}).scalar_one_or_none()
    if found is None:
        raise NotFound(f"no webhook {webhook_id}; `labelrounds vendor webhook list` shows them")
