"""What a gateway needs once: ``python -m infra.gateway.admit`` brings the schema up and makes its login.

Run with the owner's ``LABELROUNDS_DATABASE_URL`` and the login to be in ``LABELROUNDS_GATEWAY_DATABASE_URL``.
Idempotent.
"""

from __future__ import annotations

import sys

from infra.database.access import admit_url
from infra.database.engine import connect, migrate
from infra.settings import read_given
from tasks.errors import LabelRoundsError, SettingsError


def admit(database_url: str, gateway_database_url: str) -> None:
    """Migrate the database and make the login that the second address names."""
    engine = connect(database_url)
    try:
        migrate(engine)
        admit_url(engine, gateway_database_url)
    finally:
        engine.dispose()


def main() -> None:
    """Do it as the environment says."""
    try:
        given = read_given()
        if given.database_url is None or given.gateway_database_url is None:
            raise SettingsError("set LABELROUNDS_DATABASE_URL and LABELROUNDS_GATEWAY_DATABASE_URL")
        admit(given.database_url, given.gateway_database_url)
    except LabelRoundsError as error:
        sys.exit(f"labelrounds: {error}")
    print("labelrounds: the gateway's login is ready")


if __name__ == "__main__":
    main()
