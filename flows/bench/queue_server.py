"""A fresh database to measure the queue in: on the server that there is, or on one that may be killed."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from infra.database.engine import connect
from infra.settings import read_given, stack_settings
from infra.stack import down, up
from tasks.errors import UsageError


@dataclass(frozen=True)
class Server:
    """Where the fresh database is.

    Parameters
    ----------
    url
        Of the database.
    home
        Of the stack, where the server is our own and may be killed.
    """

    url: str
    home: Path | None

    def kill(self) -> float:
        """Kill the server with all its processes, and start it again; give the seconds until it answered."""
        if self.home is None:
            raise UsageError("only a server of the benchmark's own is killed")
        begun = time.monotonic()
        found = up(self.home, only={"postgres"}).processes["postgres"]
        postmaster = psutil.Process(found.pid)
        for process in [postmaster, *postmaster.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs([postmaster], timeout=10)
        up(self.home, only={"postgres"})
        return time.monotonic() - begun


@contextlib.contextmanager
def fresh_database(*, own_server: bool) -> Iterator[Server]:
    """Make a database, and drop it with the logins that were made for it.

    Parameters
    ----------
    own_server
        Start a server for it, whatever there is already. One is started too where there is none.

    Raises
    ------
    UsageError
        A server of our own is wanted, but the settings name another.
    """
    given = read_given()
    url = given.database_url or stack_settings(given.home).get("database_url")
    if own_server and given.database_url is not None:
        raise UsageError(
            "killing Postgres takes a server of the benchmark's own: unset LABELROUNDS_DATABASE_URL for it"
        )
    if url is not None and not own_server:
        with _database(url) as fresh:
            yield Server(fresh, None)
        return
    # Not under a directory that only its owner may enter: root lends PostgreSQL another account.
    with tempfile.TemporaryDirectory(prefix="labelrounds-bench-") as directory:
        home = Path(directory) / "stack"
        try:
            with _database(up(home, only={"postgres"}).settings["database_url"]) as fresh:
                yield Server(fresh, home)
        finally:
            down(home)


@contextlib.contextmanager
def _database(url: str) -> Iterator[str]:
    name = f"labelrounds_bench_{secrets.token_hex(4)}"
    admin = connect(url)
    _run(admin, f"CREATE DATABASE {name}")
    fresh = admin.url.set(database=name).render_as_string(hide_password=False)
    try:
        yield fresh
    finally:
        inside = connect(fresh)
        with inside.connect() as connection:
            table = connection.exec_driver_sql("SELECT to_regclass('labelrounds.vendors')").scalar_one()
            query = "SELECT db_role FROM labelrounds.vendors WHERE db_role IS NOT NULL"
            logins = connection.exec_driver_sql(query).scalars().all() if table else []
        inside.dispose()
        _run(admin, f"DROP DATABASE {name} WITH (FORCE)", *(f"DROP ROLE {login}" for login in logins))
        admin.dispose()


def _run(engine: sa.Engine, *commands: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for command in commands:
            connection.exec_driver_sql(command)
