"""Fixtures: the embedded stack once per session, a fresh database and bucket per test."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

for _name in [
    name
    for name in os.environ
    if name.startswith(("LABELROUNDS_", "PREFECT_", "MLFLOW_", "AWS_"))
    and not name.startswith("LABELROUNDS_TEST_")
]:
    del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

from infra.settings import QUIET, Given, Settings, load_settings  # noqa: E402
from infra.stack import StackState, down, up  # noqa: E402
from infra.stack.postgres import connect  # noqa: E402
from infra.storage import Storage  # noqa: E402

os.environ.update(QUIET)
# A busy machine is no bug; examples are still bounded in number.
hypothesis.settings.register_profile("labelrounds", deadline=None)
hypothesis.settings.load_profile("labelrounds")
for _settings in (Given, Settings):
    _settings.model_config["env_file"] = None  # a developer's own .env is not the tests'


@pytest.fixture(scope="session")
def stack_home() -> Iterator[Path]:
    """The directory of the session's stack, which ends with the session.

    Not under pytest's own folder: root lends PostgreSQL another account, and a second session would take that
    account's right to pass through it away.
    """
    with tempfile.TemporaryDirectory(prefix="labelrounds-tests-") as directory:
        home = Path(directory) / "stack"
        yield home
        down(home)


@pytest.fixture(scope="session")
def data_stack(stack_home: Path) -> StackState:
    """PostgreSQL and S3, ready in about a second."""
    return up(stack_home, only={"postgres", "s3"})


@pytest.fixture(scope="session")
def stack(stack_home: Path) -> StackState:
    """All four servers."""
    return up(stack_home)


@pytest.fixture
def settings(stack: StackState, stack_home: Path, database_url: str) -> Settings:
    """Settings of the whole stack, with a fresh database."""
    return load_settings(home=stack_home, database_url=database_url)


@pytest.fixture
def data_settings(data_stack: StackState, stack_home: Path, database_url: str, tmp_path: Path) -> Settings:
    """Settings without MLflow and Prefect servers: a file for MLflow, nobody at Prefect's address."""
    return load_settings(
        home=stack_home,
        database_url=database_url,
        mlflow_tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
        prefect_api_url="http://127.0.0.1:9/api",
    )


@pytest.fixture(scope="session")
def storage(data_stack: StackState) -> Storage:
    """The stack's S3."""
    return Storage(
        endpoint=data_stack.settings["s3_endpoint_url"],
        access_key_id=data_stack.settings["s3_access_key_id"],
        secret_access_key=data_stack.settings["s3_secret_access_key"],
        region="us-east-1",
    )


@pytest.fixture
def bucket(storage: Storage) -> str:
    """The name of a fresh bucket."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    storage.ensure_bucket(name)
    return name


@pytest.fixture
def database_url(data_stack: StackState) -> Iterator[str]:
    """The address of a fresh, empty database."""
    server, _, _ = data_stack.settings["database_url"].rpartition("/")
    name = f"test_{uuid.uuid4().hex[:12]}"
    _execute(f"{server}/postgres", f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    _execute(f"{server}/postgres", f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    connection = connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
