"""What end-to-end tests share: a fast way to run commands, and a user who types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import load_settings
from infra.stack import StackState
from infra.storage import Storage
from tests.end_to_end.crashes.command import Nursery
from tests.end_to_end.user import User


@pytest.fixture(scope="module")
def commands(
    stack: StackState, stack_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nursery]:
    """Commands that start without the seconds that imports take."""
    environment = {"LABELROUNDS_HOME": str(stack_home), **load_settings(home=stack_home).environment()}
    nursery = Nursery(tmp_path_factory.mktemp("commands"), environment)
    yield nursery
    nursery.close()


@pytest.fixture
def user(commands: Nursery, database_url: str, storage: Storage, bucket: str, tmp_path: Path) -> User:
    """A user with nothing yet."""
    return User(commands, database_url.replace("+psycopg2", ""), storage, bucket, tmp_path)
