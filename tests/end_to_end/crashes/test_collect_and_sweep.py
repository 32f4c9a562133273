"""`labelrounds collect` and `labelrounds sweep` killed before each of their writes, and started again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.end_to_end.crashes.command import Ended, Nursery
from tests.end_to_end.crashes.world import BATCH, PRICE_MICRO, World, differences


def killed_at_every_write(world: World, nursery: Nursery, name: str, *words: str) -> Iterator[Ended]:
    """Run a command again and again, each time killed one write later, until it lives to its end."""
    for write in range(1, 100):
        ended = nursery.run(*words, "--json", die_before=write)
        world.wait_until_free(name)
        yield ended
        if ended.code != -9:
            return


def test_collection_that_is_killed_at_every_write_makes_each_label_once(
    world: World, nursery: Nursery, undisturbed: dict[str, Any]
) -> None:
    name = "collected"
    file = world.campaign(name)
    assert nursery.run("round", str(file)).code == 0
    assert world.answer_all(name) == BATCH
    *killed, last = killed_at_every_write(world, nursery, name, "collect", str(file))
    assert len(killed) >= 2
    assert (last.code, world.state(name)) == (0, "closed"), last.err
    assert nursery.run("round", str(file), "--json").document["round"] == 2
    assert differences(world.traces(name), undisturbed["second"]) == []


@pytest.mark.slow
def test_overdue_collection_that_is_killed_at_every_write_releases_each_cent_once(
    world: World, nursery: Nursery
) -> None:
    """Nobody answered: all items are free again, and nothing is spent or held."""
    name = "overdue"
    file = world.campaign(name, close={"after_hours": 0.0001})
    assert nursery.run("round", str(file)).code == 0
    time.sleep(0.5)
    *killed, last = killed_at_every_write(world, nursery, name, "collect", str(file))
    assert len(killed) >= 2
    assert (last.code, world.state(name)) == (0, "closed"), last.err
    traces = world.traces(name)
    kinds = [row[1:] for row in traces["ledger"]]
    assert sorted(kinds) == [["release", PRICE_MICRO]] * BATCH + [["reserve", PRICE_MICRO]] * BATCH
    assert traces["campaign"] == [None, 0, 0]
    again = nursery.run("round", str(file), "--json")
    assert (again.code, again.document["items"]) == (0, BATCH), again.err


def test_a_sweep_that_is_killed_leaves_nothing_doubled_and_the_next_one_ends_its_work(
    world: World, nursery: Nursery, undisturbed: dict[str, Any]
) -> None:
    """The round was killed after it was published: the sweep tracks it in MLflow."""
    name = "swept"
    file = world.campaign(name)
    published = next(n for n, write in enumerate(undisturbed["writes"], 1) if "logged-models" in write)
    assert nursery.run("round", str(file), die_before=published).code == -9
    for write in (2, 9, 15):
        world.wait_until_free(name)
        assert nursery.run("sweep", str(file), "--json", die_before=write).code == -9
    world.wait_until_free(name)
    assert nursery.run("sweep", str(file), "--json").code == 0
    assert differences(world.traces(name), undisturbed["first"]) == []
