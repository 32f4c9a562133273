"""The simulated vendor at the SQL door: what the gateway's client does over HTTP, over a login of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import psycopg2

from tasks.errors import ServiceUnavailable


class Door:
    """Calls the vendors' functions; a connection that was lost is made anew by the next call."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection: Any = None

    def lease(
        self,
        most: int,
        *,
        ttl_s: int | None = None,
        campaign: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        return self._call("lease", request_id, most, ttl_s, campaign)

    def submit(self, rows: Sequence[Any], *, request_id: str | None = None) -> dict[str, Any]:
        return self._call("submit", request_id, json.dumps(list(rows)))

    def _call(self, function: str, *arguments: Any) -> dict[str, Any]:
        places = ", ".join(["%s"] * len(arguments))
        try:
            if self.connection is None:
                self.connection = psycopg2.connect(self.url)
                self.connection.autocommit = True
            with self.connection.cursor() as cursor:
                cursor.execute(f"SELECT vendor.{function}({places})", arguments)
                found: dict[str, Any] = cursor.fetchone()[0]
                return found
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self.connection = None
            raise ServiceUnavailable(str(error)) from error
