"""Label Studio's webhooks: sent once, within a second, unsigned. So they only say that asking is worthwhile now."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.errors import UsageError
from tasks.vendors.label_studio.client import Client

SECRET_HEADER = "X-Labelrounds-Secret"
ACTIONS = (
    "ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED", "TASKS_DELETED"
)  # fmt: skip


class WrongSecret(UsageError):
    """Whoever called does not know the webhook's secret."""


@dataclass(frozen=True)
class Hint:
    """Something happened in a project: ask soon.

    Attributes
    ----------
    project
        Its id; None where the hook sends no payload.
    kind
        One of `ACTIONS`.
    """

    project: int | None
    kind: str


def read_event(body: bytes, headers: Mapping[str, str], secret: str) -> Hint:
    """Read a call of Label Studio; nothing of its payload is believed or kept, since it holds the project's token.

    Raises
    ------
    WrongSecret
        It does not say the secret, or there is none to say.
    UsageError
        It is no event.
    """
    given = next((value for name, value in headers.items() if name.lower() == SECRET_HEADER.lower()), "")
    if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
        raise WrongSecret("the webhook's secret is missing or wrong")
    try:
        event = json.loads(body)
        project = event.get("project")
        kind = event["action"]
    except (ValueError, KeyError, AttributeError, RecursionError):
        raise UsageError("the body is no event of Label Studio") from None
    number = project.get("id") if isinstance(project, dict) else None
    return Hint(number if isinstance(number, int) else None, str(kind)[:100])


def register_webhook(client: Client, project: int, url: str, secret: str) -> None:
    """Make Label Studio call `url` when a project's answers change; the same hook is made once."""
    wanted = {
        "project": project,
        "url": url,
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
        "headers": {SECRET_HEADER: secret},
        "actions": sorted(ACTIONS),  # always: a change without them leaves the hook with none
    }
    for known in client.call("GET", "/api/webhooks/", params={"project": project}):
        if known.get("url") == url:
            known = {**known, "actions": sorted(known.get("actions") or ())}
            if any(known.get(name) != value for name, value in wanted.items()):
                address = {"project": project}
                client.call("PATCH", f"/api/webhooks/{known['id']}/", params=address, json=wanted)
            return
    client.call("POST", "/api/webhooks/", json=wanted)
