"""`labelrounds round` killed by SIGKILL in every state, and started again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.crashes.command import Nursery, Program
from tests.end_to_end.crashes.hold import held_at
from tests.end_to_end.crashes.world import BATCH, PRICE_MICRO, World, differences

STATES = ("opened", "trained", "scored", "published")


def test_a_round_that_is_killed_in_every_state_ends_like_one_that_never_was(
    world: World, nursery: Nursery, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """Real programs, one after the other on one round; then answers, collection and the next round."""
    file = world.campaign("killed")
    for state in STATES:
        program = Program(tmp_path / state, world.environment, "round", str(file))
        with held_at(world, "killed", state):
            killed = program.kill()
        assert (killed.code, world.state("killed")) == (-9, state), killed.err
        world.wait_until_free("killed")
    resumed = nursery.run("round", str(file), "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.document["result"] == "published"
    assert differences(world.traces("killed"), undisturbed["first"]) == []
    assert world.answer_all("killed") == BATCH
    assert nursery.run("collect", str(file), "--json").document["result"] == "closed"
    again = nursery.run("round", str(file), "--json")
    assert (again.code, again.document["round"]) == (0, 2), again.err
    assert differences(world.traces("killed"), undisturbed["second"]) == []


def test_the_reference_itself_is_right(undisturbed: dict[str, Any]) -> None:
    """What all crashed rounds are compared with: each task once, money right, one run and one version a round."""
    first = undisturbed["first"]
    assert len(first["items"]) == len(first["tasks"]) == BATCH
    assert len({row[3] for row in first["items"]}) == BATCH
    assert [row[1:] for row in first["ledger"]] == [["reserve", PRICE_MICRO]] * BATCH
    assert [row[2] for row in first["round events"]] == list(STATES)
    assert [run[:2] for run in first["runs"]] == [[0, "RUNNING"], [1, "FINISHED"]]
    assert [row[:2] for row in first["versions"]] == [["1", "1"]]
    points = [tuple(row[:3]) for row in undisturbed["second"]["metrics"]]
    assert len(points) == len(set(points)), "a metric has two values at one step"
    assert [row[1] for row in undisturbed["second"]["versions"]] == ["1", "2"]


@pytest.mark.parametrize("share", [0.45, pytest.param(0.87, marks=pytest.mark.slow)])
def test_a_round_that_is_killed_before_a_write_ends_like_one_that_never_was(
    world: World, nursery: Nursery, undisturbed: dict[str, Any], share: float
) -> None:
    """A spread over all writes; the marker `slow` has every single one."""
    write = round(share * len(undisturbed["writes"]))
    assert crash_and_resume(world, nursery, f"killed-{write}", write, undisturbed["first"]) == []


def crash_and_resume(
    world: World, nursery: Nursery, name: str, write: int, expected: dict[str, Any]
) -> list[str]:
    """Kill a round before a write, start it again, and say in what it differs from what is expected."""
    file = world.campaign(name)
    killed = nursery.run("round", str(file), die_before=write)
    if killed.code != -9:
        return [f"was not killed: {killed.code} {killed.err}"]
    world.wait_until_free(name)
    resumed = nursery.run("round", str(file), "--json")
    if resumed.code != 0:
        return [f"ended with {resumed.code}: {resumed.err}"]
    return differences(world.traces(name), expected)


@pytest.mark.slow
def test_a_round_that_is_killed_before_any_write_ends_like_one_that_never_was(
    world: World, nursery: Nursery, undisturbed: dict[str, Any]
) -> None:
    """Every write of a round, one after the other."""
    found = {}
    for write, what in enumerate(undisturbed["writes"], 1):
        differing = crash_and_resume(world, nursery, f"every-{write}", write, undisturbed["first"])
        if differing:
            found[f"{write} {what}"] = differing
    assert found == {}
