"""One open round, one driver."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infra.database import campaigns, rounds
from infra.database.campaigns import Offer, register
from tasks.errors import NotFound, RoundBusy, UsageError
from tasks.reference import Reference

ROOT = Path(__file__).parents[3]
DRIVE = """
import sys, time
from infra.database.engine import connect
from infra.database.rounds import driving
with driving(connect(sys.argv[1]), sys.argv[2]):
    print("driving", flush=True)
    time.sleep(600)
"""
OPEN = """
import sys
from infra.database import campaigns, rounds
from infra.database.engine import connect
from tasks.errors import RoundBusy
engine = connect(sys.argv[1])
row = campaigns.find(engine, "spam")
print("ready", flush=True)
sys.stdin.readline()
try:
    print(rounds.open_round(engine, row.campaign_id, row.spec, "digest", None).number)
except RoundBusy:
    print("busy")
"""


def start(code, *args):
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_of_processes_that_open_at_once_one_wins(desk, database_url):
    desk.campaign()
    processes = [start(OPEN, database_url) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(process.communicate()[0] for process in processes) == ["1\n", "busy\n", "busy\n"]


def test_of_threads_that_open_at_once_one_wins(desk, other_desk):
    row = desk.campaign()
    for turn in range(20):
        got = []
        barrier = threading.Barrier(2)

        def attempt(engine, got=got, barrier=barrier):
            barrier.wait()
            try:
                got.append(rounds.open_round(engine, row.campaign_id, row.spec, "digest", None))
            except RoundBusy:
                got.append(None)

        threads = [threading.Thread(target=attempt, args=[one.engine]) for one in (desk, other_desk)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (opened,) = [one for one in got if one is not None]
        assert opened.number == turn + 1
        rounds.end(desk.engine, opened, "failed", "for the next turn")


def test_the_lock_is_freed_when_its_holder_is_killed(desk, database_url):
    desk.campaign()
    process = start(DRIVE, database_url, "spam")
    assert process.stdout.readline() == "driving\n"
    with desk.engine.connect() as connection:
        assert rounds.is_driven(connection, "spam")
        assert not rounds.is_driven(connection, "other")
        with pytest.raises(RoundBusy, match="spam"), rounds.driving(desk.engine, "spam"):
            raise AssertionError("two drive at once")
        with rounds.driving(desk.engine, "other"):
            assert rounds.is_driven(connection, "other")
        process.send_signal(signal.SIGKILL)
        process.wait()
        until(lambda: not rounds.is_driven(connection, "spam"))
    with rounds.driving(desk.engine, "spam"):
        pass


def test_is_driven_knows_every_key(desk):
    """Keys are hashes, of both signs and with both halves of any size."""
    with desk.engine.connect() as connection:
        for name in (f"campaign-{n}" for n in range(20)):
            with rounds.driving(desk.engine, name):
                assert rounds.is_driven(connection, name)
            until(lambda name=name: not rounds.is_driven(connection, name))


def test_driving_is_freed_after_an_error(desk):
    with pytest.raises(ZeroDivisionError), rounds.driving(desk.engine, "spam"):
        raise ZeroDivisionError
    with rounds.driving(desk.engine, "spam"):
        pass


def test_a_step_stores_its_output_with_the_state(desk):
    row = desk.campaign()
    round_ = rounds.open_round(desk.engine, row.campaign_id, row.spec, "digest", "flow-1")
    reference = Reference("s3://a/b", "ab" * 32, 7)
    stored = rounds.store(
        desk.engine,
        round_,
        "trained",
        manifest=reference,
        device="cpu",
        measures={"a": float("nan"), "b": [1.5]},
    )
    assert (stored.state, stored.manifest, stored.device) == ("trained", reference, "cpu")
    assert stored.measures == {"a": None, "b": [1.5]}
    assert rounds.store(desk.engine, stored, audit=reference).manifest == reference


def test_a_step_of_a_round_that_moved_on_stores_nothing(desk):
    row = desk.campaign()
    round_ = rounds.open_round(desk.engine, row.campaign_id, row.spec, "digest", None)
    rounds.store(desk.engine, round_, "trained")
    for stale in (lambda: rounds.store(desk.engine, round_, "trained", device="cuda"),
                  lambda: rounds.store(desk.engine, round_, device="cuda"),
                  lambda: rounds.end(desk.engine, round_, "failed", "late")):  # fmt: skip
        with pytest.raises(RoundBusy, match="no longer opened"):
            stale()
    assert rounds.find(desk.engine, round_.round_id).device is None
    with pytest.raises(TypeError, match="colour"):
        rounds.store(desk.engine, round_, colour="red")


def test_a_stopped_round_stops_its_campaign_until_budget_or_rules_change(desk):
    row = desk.campaign()
    round_ = rounds.open_round(desk.engine, row.campaign_id, row.spec, "digest", None)
    rounds.end(desk.engine, rounds.store(desk.engine, round_, "trained"), "stopped", "enough")
    assert campaigns.find(desk.engine, "spam").stop_reason == "enough"
    offers = [Offer("acme", 10, 60)]
    assert register(desk.engine, "spam", {**row.spec, "seed": 9}, "digest", offers).stop_reason == "enough"
    more = {**row.spec, "budget": {**row.spec["budget"], "labels": 1000}}
    assert register(desk.engine, "spam", more, "digest", offers).stop_reason is None


def test_classes_are_fixed_once_a_round_was_opened(desk):
    row = desk.campaign()
    register(desk.engine, "spam", {**row.spec, "classes": ["a", "b"]}, "digest", [])
    row = desk.campaign()
    rounds.open_round(desk.engine, row.campaign_id, row.spec, "digest", None)
    with pytest.raises(UsageError, match="another name"):
        register(desk.engine, "spam", {**row.spec, "classes": ["spam", "ham"]}, "digest", [])


def test_vendors_that_the_file_no_longer_names_are_withdrawn(desk):
    row = desk.campaign(vendors={"acme": 10, "bolt": 8})
    desk.publish(row, 3)
    client = desk.client("bolt")
    register(desk.engine, "spam", row.spec, "digest", [Offer("acme", 10, 60)])
    assert client.lease() == []
    register(desk.engine, "spam", row.spec, "digest", [])
    assert desk.client("acme").lease() == []


def test_what_is_not_there(desk):
    desk.campaign("eggs")
    with pytest.raises(NotFound, match="eggs"):
        campaigns.find(desk.engine, "spam")
    with pytest.raises(NotFound, match="no round 3"):
        rounds.round_number(desk.engine, "eggs", 3)
    assert rounds.rounds_of(desk.engine, "spam") == []
