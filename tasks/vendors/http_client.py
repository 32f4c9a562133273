"""A vendor's client of the gateway: each call is sent again, unchanged, until a reply is in hand."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from tasks.errors import ServiceUnavailable, UsageError

TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
MOST_WAIT_SECONDS = 30.0


class Refused(UsageError):
    """The gateway refused a call as a whole; sending the same again would not help.

    Attributes
    ----------
    status, code
        Of HTTP and of the problem document.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"the gateway refused the call ({status} {code}): {detail}")
        self.status, self.code = status, code


@dataclass(frozen=True)
class Patience:
    """How often and how long a call is tried.

    Attributes
    ----------
    tries
        In all.
    timeout_seconds
        For one reply.
    first_wait_seconds
        Doubled after each failure, with jitter; a server's ``Retry-After`` counts where it is longer.
    """

    tries: int = 12
    timeout_seconds: float = 30.0
    first_wait_seconds: float = 0.1


class GatewayClient:
    """The calls of the contract. Every one may be repeated: the same request id gives the same answer.

    Parameters
    ----------
    url
        Of the gateway, such as ``https://labels.example``.
    key
        The API key, ``lr_...``.
    rng
        Of the waits.
    """

    def __init__(
        self,
        url: str,
        key: str,
        patience: Patience | None = None,
        rng: random.Random | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.url, self._patience = url.rstrip("/"), patience or Patience()
        self._rng, self._sleep = rng or random.Random(), sleep
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {key}"

    def lease(
        self,
        most: int,
        *,
        ttl_s: int | None = None,
        campaign: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Take tasks."""
        body = {
            "request_id": request_id or str(uuid.uuid4()),
            "max": most,
            "ttl_s": ttl_s,
            "campaign": campaign,
        }
        return self.call("POST", "/v1/leases", body)

    def submit(self, rows: Sequence[Any], *, request_id: str | None = None) -> dict[str, Any]:
        """Hand answers in."""
        body = {"request_id": request_id or str(uuid.uuid4()), "rows": list(rows)}
        return self.call("POST", "/v1/annotations", body)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a call until there is a reply.

        Raises
        ------
        Refused
            The reply is an error that trying again does not cure.
        ServiceUnavailable
            There was no reply at any try.
        """
        why = ""
        for attempt in range(self._patience.tries):
            if attempt:
                self._wait(attempt, why)
            try:
                reply = self._session.request(
                    method, self.url + path, json=body, timeout=self._patience.timeout_seconds
                )
                if reply.status_code not in TRY_AGAIN:
                    return _read(reply)
                why = f"HTTP {reply.status_code}, Retry-After {reply.headers.get('Retry-After', '0')}"
            except (requests.RequestException, requests.exceptions.InvalidJSONError) as error:
                why = type(error).__name__
        raise ServiceUnavailable(f"the gateway at {self.url} gives no reply to {method} {path}: {why}")

    def _wait(self, attempt: int, why: str) -> None:
        asked = why.rpartition("Retry-After ")[2]
        limit = min(MOST_WAIT_SECONDS, self._patience.first_wait_seconds * 2 ** (attempt - 1))
        self._sleep(max(self._rng.uniform(0, limit), float(asked) if asked.isdecimal() else 0.0))

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()


def _read(reply: requests.Response) -> dict[str, Any]:
    document: Any = reply.json()
    if not isinstance(document, dict):
        raise Refused(reply.status_code, "NO_DOCUMENT", "the reply is no JSON object")
    if reply.status_code >= 400:
        raise Refused(reply.status_code, str(document.get("code")), str(document.get("detail")))
    return document
