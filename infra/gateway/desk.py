"""The way to the database: a bounded pool, one transaction a call, faults turned into answers."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from infra.database.statements import statements
from infra.gateway.problems import AWAY, BUSY, Meaning, Problem, meaning

log = logging.getLogger(__name__)

TRIES = 3
POOL_SECONDS = 5
KNOWN_SECONDS = 60.0
KNOWN_KEYS = 10_000


@dataclass(frozen=True)
class Told:
    """What a function of the database said.

    Attributes
    ----------
    text
        JSON, as the database wrote it: a repeated request gives the same bytes.
    """

    vendor: str
    text: str


class Desk:
    """Calls for vendors; safe to share between threads.

    Parameters
    ----------
    url
        Of the gateway's own login.
    connections
        At most so many at once; who finds none free within five seconds is told to come again.
    """

    def __init__(self, url: str, connections: int) -> None:
        self.engine = sa.create_engine(
            url,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_recycle=1800,
            connect_args={
                "connect_timeout": 5,
                "application_name": "labelrounds-gateway",
                "keepalives_idle": 30,
                "tcp_user_timeout": 30_000,
            },
        )
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def call(self, function: str, key: bytes, values: dict[str, Any]) -> Told:
        """Call a function for the vendor whose key has this digest.

        Raises
        ------
        Problem
            401 for a key that is none, else what the function's SQLSTATE means.
        """
        row = self.ask(function, {"key": key, **values})
        if row is None:
            raise unauthorized()
        self._remember(key)
        return Told(row[1], row[2])

    def check_key(self, key: bytes) -> None:
        """Raise Problem 401 for a key that is none; one that was good a minute ago is not looked up."""
        with self._lock:
            known = self._known.get(key, 0.0) > time.monotonic()
        if not known:
            self.call("authenticate", key, {})

    def ask(self, statement: str, values: dict[str, Any]) -> Any:
        """Run one statement in a transaction of its own; tried again where that may help.

        Returns
        -------
        sqlalchemy.Row or None
            The first row.

        Raises
        ------
        Problem
            What went wrong, in the caller's terms.
        """
        for attempt in range(1, TRIES + 1):
            try:
                with self.engine.begin() as connection:
                    return connection.execute(statements("gateway")[statement], values).first()
            except sa.exc.TimeoutError:
                raise _problem(BUSY, "") from None
            except sa.exc.DBAPIError as error:
                found = _meaning(error)
                if found is None:
                    raise
                if not found.again or attempt == TRIES:
                    if found.status >= 500:
                        log.warning("%s: %s", statement, _first_line(error))
                    raise _problem(found, _first_line(error)) from None
        raise AssertionError("unreachable")

    def rows(self, statement: str, values: dict[str, Any]) -> list[Any]:
        """Run one statement and return all its rows; errors are the driver's own."""
        with self.engine.begin() as connection:
            return list(connection.execute(statements("gateway")[statement], values))

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def _remember(self, key: bytes) -> None:
        with self._lock:
            self._known[key] = time.monotonic() + KNOWN_SECONDS
            self._known.move_to_end(key)
            while len(self._known) > KNOWN_KEYS:
                self._known.popitem(last=False)


def unauthorized() -> Problem:
    """Return the answer to a key that is missing, unknown, expired or revoked: one for all."""
    return Problem(
        401,
        "send your API key as `Authorization: Bearer lr_...`; this one is not valid, or there is none",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _meaning(error: sa.exc.DBAPIError) -> Meaning | None:
    state = getattr(error.orig, "pgcode", None)
    # A connection that cannot be opened has no SQLSTATE.
    lost = error.connection_invalidated or (state is None and isinstance(error, sa.exc.OperationalError))
    return AWAY if lost and state is None else meaning(state, lost)


def _problem(found: Meaning, said: str) -> Problem:
    return Problem(found.status, found.detail or said, headers=found.headers)


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]
