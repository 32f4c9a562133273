"""Publishing: all or nothing, once, within the budget."""

import json
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra.database import batches, campaigns, queue, rounds
from infra.database.batches import Limits, Schema, Seat
from tasks.errors import BudgetExceeded, UsageError

ROOT = Path(__file__).parents[3]
WRITTEN = ("batch_items", "tasks", "ledger")
PUBLISH = """
import pickle, sys
from infra.database import batches, rounds
from infra.database.batches import Limits, Schema
from infra.database.engine import connect
engine = connect(sys.argv[1])
round_, picks = pickle.load(sys.stdin.buffer)
print("go", flush=True)
schema = Schema("classification", ("ham", "spam"))
print(batches.publish(engine, round_, picks, schema=schema, exclusive=True, due_seconds=60, limits=Limits(10**9, None)))
"""


SCHEMA = Schema("classification", ("ham", "spam"))


UNLIMITED = Limits(10**9, None)


def publish(desk, round_, picks, *, overlap=2, limits=UNLIMITED):
    picks = [replace(pick, seats=(Seat(10),) * overlap) for pick in picks]
    return batches.publish(
        desk.engine, round_, picks, schema=SCHEMA, exclusive=True, due_seconds=3600, limits=limits
    )


def counts(desk):
    return [desk.one(f"SELECT count(*) FROM labelrounds.{table}") for table in WRITTEN]


def test_everything_is_written_once(desk):
    campaign = desk.campaign()
    round_ = desk.scored(campaign)
    picks = desk.picks(["a", "b", "c"])
    picks[2] = replace(picks[2], kind="audit", rank=1, score=None, inclusion_probability=0.25)
    assert publish(desk, round_, picks)
    assert not publish(desk, round_, picks)
    assert counts(desk) == [3, 6, 6]
    assert campaigns.balance(desk.engine, campaign.campaign_id) == campaigns.Balance(3, 0, 60)
    rows = batches.batch_of(desk.engine, round_)
    assert [(row["item_id"], row["kind"], row["rank"]) for row in rows] == [
        ("a", "work", 1),
        ("b", "work", 2),
        ("c", "audit", 1),
    ]
    assert rows[2]["inclusion_probability"] == 0.25
    assert batches.progress(desk.engine, round_) == {"items": 3, "complete": 0, "cancelled": 0}
    assert rounds.find(desk.engine, round_.round_id).state == "published"


def test_pick_keys_go_breadth_first(desk):
    desk.publish(desk.campaign(), 20, overlap=3)
    order = [no for (no,) in desk.run("SELECT task_no FROM labelrounds.tasks ORDER BY pick_key")]
    assert order == [1] * 20 + [2] * 20 + [3] * 20


def test_an_empty_batch(desk):
    round_ = desk.publish(desk.campaign(), [])
    assert batches.progress(desk.engine, round_)["items"] == 0
    assert queue.withdraw_overdue(desk.engine, round_, 1.0)


@pytest.mark.parametrize("table", WRITTEN)
def test_an_error_at_any_statement_leaves_nothing(desk, table):
    round_ = desk.scored(desk.campaign())
    desk.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'provoked' USING ERRCODE = 'P0001'; END $$"
    )
    desk.run(f"CREATE TRIGGER provoked AFTER INSERT ON labelrounds.{table} EXECUTE FUNCTION refuse()")
    with pytest.raises(sa.exc.DBAPIError, match="provoked"):
        publish(desk, round_, desk.picks(["a", "b"]))
    assert counts(desk) == [0, 0, 0]
    assert rounds.find(desk.engine, round_.round_id).state == "scored"
    desk.run(f"DROP TRIGGER provoked ON labelrounds.{table}")
    assert publish(desk, round_, desk.picks(["a", "b"]))


@pytest.mark.parametrize("table", ["rounds", *WRITTEN])
def test_a_publisher_that_is_killed_leaves_nothing(desk, database_url, table):
    """It is stopped after its write to the table, by a lock that a trigger waits for, and killed there."""
    round_ = desk.scored(desk.campaign())
    desk.run(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$"
    )
    moment = "UPDATE" if table == "rounds" else "INSERT"
    desk.run(f"CREATE TRIGGER stop AFTER {moment} ON labelrounds.{table} EXECUTE FUNCTION wait()")
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = " \
            "(SELECT oid FROM pg_database WHERE datname = current_database())"  # fmt: skip
    with desk.engine.connect() as holder:
        holder.exec_driver_sql("SELECT pg_advisory_lock(42)")
        process = subprocess.Popen([sys.executable, "-c", PUBLISH, database_url], cwd=ROOT,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        pickle.dump((round_, desk.picks(["a", "b"], (Seat(10),) * 2)), process.stdin)
        process.stdin.close()
        assert process.stdout.readline() == b"go\n"
        end = time.monotonic() + 20
        while desk.one(waits) == 0:
            assert time.monotonic() < end, "the publisher never came to the lock"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        desk.run(f"DROP FUNCTION IF EXISTS nothing_{table}()")  # the server still answers
        holder.exec_driver_sql("SELECT pg_advisory_unlock(42)")
    # What the dead one's session still holds is given up before this one gets the round's row.
    assert publish(desk, round_, desk.picks(["a", "b"]))
    assert counts(desk) == [2, 4, 4]


def test_no_item_is_chosen_twice(desk):
    campaign = desk.campaign()
    first = desk.publish(campaign, ["a", "b"])
    desk.let_due(first)
    client = desk.client()
    (task,) = client.lease(1)
    client.answer([task])
    queue.withdraw_overdue(desk.engine, first, 1.0)
    rounds.store(desk.engine, first, "closed")
    (withdrawn,) = {"a", "b"} - {task["payload"]["text"]}
    second = desk.scored(campaign)
    with pytest.raises(sa.exc.IntegrityError, match="one_choice"):
        publish(desk, second, desk.picks(["c", "a", "b"]))
    assert publish(desk, second, desk.picks(["c", withdrawn]))
    assert campaigns.balance(desk.engine, campaign.campaign_id).bought == 3


def test_the_same_item_in_another_campaign(desk):
    desk.publish(desk.campaign("spam"), ["a"])
    desk.publish(desk.campaign("eggs"), ["a"])
    assert desk.one("SELECT count(*) FROM labelrounds.batch_items") == 2


@pytest.mark.parametrize(
    ("limits", "key"), [(Limits(2, None), "budget.labels"), (Limits(9, 59), "budget.money")]
)
def test_a_batch_that_would_overspend_is_not_published(desk, limits, key):
    campaign = desk.campaign()
    round_ = desk.scored(campaign)
    with pytest.raises(BudgetExceeded, match=key):
        publish(desk, round_, desk.picks(["a", "b", "c"]), limits=limits)
    assert counts(desk) == [0, 0, 0]
    assert rounds.find(desk.engine, round_.round_id).state == "scored"
    assert publish(desk, round_, desk.picks(["a", "b", "c"]), limits=Limits(3, 60))


def test_the_budget_counts_earlier_rounds(desk):
    campaign = desk.campaign(vendors={"acme": 4})
    first = desk.publish(campaign, ["a", "b", "c"])
    client = desk.client()
    client.answer(tasks := client.lease(2))
    desk.let_due(first)
    queue.withdraw_overdue(desk.engine, first, 1.0)
    rounds.store(desk.engine, first, "closed")
    (left,) = {"a", "b", "c"} - {task["payload"]["text"] for task in tasks}
    assert campaigns.balance(desk.engine, campaign.campaign_id) == campaigns.Balance(2, 8, 0)
    second = desk.scored(campaign)
    for tight in (Limits(3, None), Limits(9, 47)):
        with pytest.raises(BudgetExceeded):
            publish(desk, second, desk.picks([left, "d"]), limits=tight)
    assert publish(desk, second, desk.picks([left, "d"]), limits=Limits(4, 48))


@pytest.mark.parametrize("bad", ["a\x00b", "half \ud800"])
def test_an_id_that_postgres_cannot_store(desk, bad):
    round_ = desk.scored(desk.campaign())
    with pytest.raises(UsageError, match=r"round 1: the id '(a|half)"):
        publish(desk, round_, [*desk.picks(["ok"]), replace(desk.picks(["x"])[0], item_id=bad)])
    assert counts(desk) == [0, 0, 0]


def test_strange_ids_and_payloads_come_back_as_they_went(desk):
    strange = ["%s", ":name", "a'b\"c\\", "NULL", "{}", "", " ", "\u202e\U0001f600", "a" * 5000, "\n\t"]
    campaign = desk.campaign()
    desk.publish(campaign, strange)
    assert sorted(
        row["item_id"] for row in batches.batch_of(desk.engine, rounds.find(desk.engine, 1))
    ) == sorted(strange)
    assert sorted(task["payload"]["text"] for task in desk.client().lease()) == sorted(strange)


def test_a_large_batch(desk, record_property):
    """20,000 items with overlap 3; more than one statement's worth."""
    campaign = desk.campaign(vendors={"acme": 10, "bolt": 10, "coda": 10})
    round_ = desk.scored(campaign)
    picks = [
        replace(pick, payload=json.dumps({"text": "x" * 1000}))
        for pick in desk.picks([f"i{n}" for n in range(20_000)])
    ]
    begun = time.monotonic()
    assert publish(desk, round_, picks, overlap=3)
    record_property("publish_seconds", time.monotonic() - begun)
    assert counts(desk) == [20_000, 60_000, 60_000]
    assert campaigns.balance(desk.engine, campaign.campaign_id).held_micro == 600_000
    desk.let_due(round_)
    begun = time.monotonic()
    assert queue.withdraw_overdue(desk.engine, round_, 1.0)
    record_property("withdraw_seconds", time.monotonic() - begun)
    assert campaigns.balance(desk.engine, campaign.campaign_id) == campaigns.Balance(0, 0, 0)
