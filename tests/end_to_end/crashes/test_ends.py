"""Rounds that end otherwise than published, and a round without a model: killed on the way, and started again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.end_to_end.crashes.command import Nursery
from tests.end_to_end.crashes.world import BATCH, World, differences, parquet


def test_a_cold_start_that_is_killed_chooses_the_same_batch(world: World, nursery: Nursery) -> None:
    plain = world.campaign("cold-reference", seeds=False)
    reference = nursery.run("round", str(plain), "--json")
    assert reference.code == 0, reference.err
    expected = world.traces("cold-reference")
    assert expected["versions"] == []
    file = world.campaign("cold-killed", seeds=False)
    for write in (len(reference.writes) // 2, 8):
        assert nursery.run("round", str(file), die_before=write).code == -9
        world.wait_until_free("cold-killed")
    assert nursery.run("round", str(file), "--json").code == 0
    assert differences(world.traces("cold-killed"), expected) == []


@pytest.mark.slow
def test_a_campaign_whose_stop_is_interrupted_stops_once(world: World, nursery: Nursery) -> None:
    """Its only round stops before anything is chosen, because the target is reached."""
    stop: dict[str, Any] = {"target": {"metric": "accuracy", "value": 0.01}}
    reference = nursery.run("round", str(world.campaign("stop-reference", stop=stop)), "--json")
    assert reference.document["result"] == "stopped", reference.err
    expected = world.traces("stop-reference")
    assert expected["campaign"][0], "no reason is stored"
    assert expected["ledger"] == expected["items"] == []
    stopping = next(n for n, write in enumerate(reference.writes, 1) if "logged-models" in write) - 1
    file = world.campaign("stop-killed", stop=stop)
    for write in (stopping, 6):
        ended = nursery.run("round", str(file), die_before=write)
        assert ended.code == -9, ended.err
        world.wait_until_free("stop-killed")
    for _ in range(2):
        assert nursery.run("round", str(file), "--json").document["result"] == "stopped"
    assert differences(world.traces("stop-killed"), expected) == []


def test_a_failed_round_spends_nothing_and_the_next_start_opens_a_new_one(
    world: World, nursery: Nursery
) -> None:
    name = "failing"
    file = world.campaign(name)
    broken = f"s3://{world.bucket}/{name}/pool/part-2.parquet"
    world.storage.put(broken, parquet(world.pool.slice(0, 200).drop_columns(["label"])))  # ids a second time
    failed = nursery.run("round", str(file), "--json")
    assert failed.code == 1
    assert failed.last_line.startswith("labelrounds: "), failed.err
    traces = world.traces(name)
    assert [row[:2] for row in traces["rounds"]] == [[1, "failed"]]
    assert traces["ledger"] == traces["items"] == traces["versions"] == []
    assert [run[:2] for run in traces["runs"]] == [[0, "RUNNING"], [1, "FAILED"]]
    table = world.pool.slice(200, 200).drop_columns(["label"])
    world.storage.put(broken, parquet(table.slice(0, 0)))
    again = nursery.run("round", str(file), "--json")
    assert (again.code, again.document["round"], again.document["items"]) == (0, 2, BATCH), again.err
