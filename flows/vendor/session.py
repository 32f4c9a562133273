"""One run of the conformance test: the way to the gateway, and what the earlier checks found."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import requests

from tasks.errors import ServiceUnavailable

SANDBOX = "sandbox"
TIMEOUT_SECONDS = 30.0


class Failed(Exception):
    """A check did not hold; the message says how."""


@dataclass
class Session:
    """What the checks share: the way to the gateway, and what the earlier ones found.

    Attributes
    ----------
    lease, request
        Of the lease that all work with.
    answered
        Rows that were accepted.
    """

    url: str
    key: str = field(repr=False)
    campaign: str = SANDBOX
    http: requests.Session = field(default_factory=requests.Session)
    request: str = field(default_factory=lambda: str(uuid.uuid4()))
    lease: dict[str, Any] = field(default_factory=dict)
    answered: list[dict[str, Any]] = field(default_factory=list)

    def ask(
        self, method: str, path: str, *, body: Any = None, key: str | None = None, raw: bytes | None = None,
        kind: str = "application/json",
    ) -> requests.Response:  # fmt: skip
        """Send one request, once."""
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        more: dict[str, Any] = {"json": body} if raw is None and body is not None else {"data": raw}
        if raw is not None:
            headers["Content-Type"] = kind
        try:
            return self.http.request(
                method, self.url.rstrip("/") + path, headers=headers, timeout=TIMEOUT_SECONDS, **more
            )
        except requests.RequestException as error:
            raise ServiceUnavailable(
                f"the gateway at {self.url} gives no reply to {method} {path}: {error}"
            ) from None

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Send a call that has to succeed."""
        reply = self.ask("POST", path, body={"request_id": str(uuid.uuid4()), **body})
        expect(reply.status_code == 200, f"{path} answered {reply.status_code}: {reply.text[:200]}")
        return dict(reply.json())

    def get(self, path: str) -> dict[str, Any]:
        """Ask for a document that has to be there."""
        reply = self.ask("GET", path)
        expect(reply.status_code == 200, f"{path} answered {reply.status_code}: {reply.text[:200]}")
        return dict(reply.json())

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The tasks of the lease that all work with."""
        expect(bool(self.lease.get("tasks")), "there is no lease to work with")
        return list(self.lease["tasks"])

    @property
    def lease_id(self) -> str:
        """The lease that all work with."""
        expect(bool(self.lease.get("lease_id")), "there is no lease to work with")
        return str(self.lease["lease_id"])


def expect(holds: bool, otherwise: str) -> None:
    """Raise Failed unless it holds."""
    if not holds:
        raise Failed(otherwise)
