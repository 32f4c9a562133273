"""A server that dies under a round: one line and exit code 1 within seconds, and the next start finishes it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from infra.stack import up
from infra.stack.state import read_state
from tests.end_to_end.crashes.command import Ended, Nursery
from tests.end_to_end.crashes.hold import held_at
from tests.end_to_end.crashes.world import World, differences

PATIENCE_SECONDS = 20


def kill(home: Path, part: str) -> None:
    """Kill a part of the stack with all its processes."""
    os.killpg(read_state(home).processes[part].pid, signal.SIGKILL)


def assert_says(ended: Ended, who: str) -> None:
    assert ended.code == 1, ended.err
    assert ended.last_line.startswith("labelrounds: "), ended.err
    assert who in ended.last_line
    assert sum(line.startswith("labelrounds: ") for line in ended.err.splitlines()) == 1
    assert ended.out == ""


@pytest.mark.parametrize(
    ("part", "who"),
    [
        pytest.param("mlflow", "MLflow at", marks=pytest.mark.slow),
        pytest.param("prefect", "Prefect at", marks=pytest.mark.slow),
        pytest.param("s3", "does not answer", marks=pytest.mark.slow),
        pytest.param("postgres", "Postgres at", marks=pytest.mark.slow),
    ],
)
def test_a_round_whose_server_dies_says_so_and_is_finished_by_the_next_start(
    world: World, nursery: Nursery, undisturbed: dict[str, Any], whole_stack: Path, part: str, who: str
) -> None:
    name = f"without-{part}"
    file = world.campaign(name)
    # Held in the state `trained`: the server dies between two steps, whatever the machine's speed.
    child = nursery.start("round", str(file), "--json")
    with held_at(world, name, "trained"):
        kill(whole_stack, part)
    interrupted = child.wait()
    assert_says(interrupted, who)
    still_down = nursery.run("round", str(file), "--json")
    assert_says(still_down, who)
    assert still_down.seconds < PATIENCE_SECONDS
    up(whole_stack)
    world.engine.dispose()
    finished = nursery.run("round", str(file), "--json")
    assert finished.code == 0, finished.err
    assert finished.document["result"] == "published"
    assert differences(world.traces(name), undisturbed["first"]) == []
    assert interrupted.seconds < 3 * PATIENCE_SECONDS  # with the part of the round that came before
