"""A world for campaigns that crash, and fast processes to run them in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra.database import engine
from infra.settings import load_settings
from infra.stack import StackState, up
from infra.stack.postgres import connect
from infra.storage import Storage
from tests.end_to_end.crashes.command import Nursery
from tests.end_to_end.crashes.world import World


@pytest.fixture(scope="session")
def world(
    stack: StackState, stack_home: Path, storage: Storage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """One database and bucket for all crashing campaigns."""
    server = stack.settings["database_url"].rpartition("/")[0]
    name = f"crashes_{uuid.uuid4().hex[:12]}"
    with closing(connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    bucket = f"crashes-{uuid.uuid4().hex[:12]}"
    storage.ensure_bucket(bucket)
    settings = load_settings(home=stack_home, database_url=f"{server}/{name}")
    world = World(settings, storage, bucket, tmp_path_factory.mktemp("campaigns"))
    engine.migrate(world.engine)
    yield world
    world.engine.dispose()


@pytest.fixture(scope="session")
def nursery(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Commands in this world without the wait for imports."""
    environment = {**world.environment, **world.settings.environment()}
    nursery = Nursery(tmp_path_factory.mktemp("commands"), environment)
    yield nursery
    nursery.close()


@pytest.fixture
def whole_stack(stack_home: Path, world: World) -> Iterator[Path]:
    """The session's stack, whole again after a test that kills parts of it."""
    yield stack_home
    up(stack_home)


@pytest.fixture(scope="session")
def undisturbed(world: World, nursery: Nursery) -> dict[str, Any]:
    """What an undisturbed campaign leaves behind after its first round, and after its second; and its writes."""
    file = world.campaign("undisturbed")
    first = nursery.run("round", str(file), "--json")
    assert first.code == 0, first.err
    traces = world.traces("undisturbed")
    world.answer_all("undisturbed")
    for words in ("collect", "round"):
        assert nursery.run(words, str(file), "--json").code == 0
    return {"writes": first.writes, "first": traces, "second": world.traces("undisturbed")}
