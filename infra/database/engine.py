"""Connections, transactions and migrations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tasks.errors import ServiceUnavailable, SettingsError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
OLDEST_SERVER = 150000


def connect(url: str) -> sa.Engine:
    """Make an engine; nothing is sent yet.

    Parameters
    ----------
    url
        ``postgresql+psycopg2://user:password@host:port/database``.
    """
    return sa.create_engine(
        url,
        pool_pre_ping=True,
        pool_size=4,
        connect_args={"connect_timeout": 10, "application_name": "labelrounds", "keepalives_idle": 30},
    )


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction: committed as a whole at the end, or rolled back.

    Raises
    ------
    ServiceUnavailable
        When the server cannot be reached or goes away meanwhile.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        if isinstance(error, sa.exc.OperationalError) or error.connection_invalidated:
            raise unavailable(engine, error) from error
        raise


def unavailable(engine: sa.Engine, error: sa.exc.DBAPIError) -> ServiceUnavailable:
    """Say in one line which server does not answer, and why."""
    where = engine.url.render_as_string(hide_password=True)
    why = str(error.orig).strip().splitlines()[0]
    return ServiceUnavailable(f"Postgres at {where} does not answer: {why}; is it up? (`labelrounds status`)")


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to the newest version; a no-op when it is there already.

    Raises
    ------
    SettingsError
        When the server is older than PostgreSQL 15, the login may not create the schema, or the schema is
        of a newer version of labelrounds.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with transaction(engine) as connection:
            _check_version(connection)
            # Roles belong to the whole server, so one lock for all databases would be wanted; advisory locks
            # are per database, and the migration itself bears a role that exists already.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('labelrounds:migrate'))")
            if _current(connection) == _newest(config):
                return
            connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS labelrounds")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sa.exc.ProgrammingError as error:
        why = str(error.orig).strip().splitlines()[0]
        raise SettingsError(
            f"the schema of {engine.url.render_as_string(hide_password=True)} cannot be migrated: {why} "
            "(the login must own the database and have CREATEROLE)"
        ) from error
    except CommandError as error:
        raise SettingsError(
            f"the schema of {engine.url.render_as_string(hide_password=True)} is not of this version of "
            f"labelrounds: {error}; use the version that made it, or a newer one"
        ) from error


def _check_version(connection: sa.Connection) -> None:
    version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    if version < OLDEST_SERVER:
        raise SettingsError(f"PostgreSQL 15 or newer is needed, the server is {version // 10000}")


def _current(connection: sa.Connection) -> str | None:
    table = connection.exec_driver_sql("SELECT to_regclass('labelrounds.schema_version')").scalar_one()
    if table is None:
        return None
    return connection.exec_driver_sql(
        "SELECT version_num FROM labelrounds.schema_version"
    ).scalar_one_or_none()


def _newest(config: Config) -> str | None:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config).get_current_head()
