"""Lease, submit, expire, withdraw: what becomes of an answer in every situation."""

import json
import re
import threading
import time
import uuid
from collections import Counter

import psycopg2
import pytest

from infra.database import queue, rounds, vendors
from infra.database.campaigns import Offer, register
from infra.database.statements import statements
from tasks.errors import NotFound


def ids(tasks):
    return {task["assignment_id"] for task in tasks}


def test_a_lease_shows_the_payload_and_nothing_else(desk):
    campaign = desk.campaign()
    desk.publish(campaign, ["a"])
    (task,) = desk.client().lease()
    assert task["payload"] == {"text": "a"}
    assert task["classes"] == ["ham", "spam"]
    assert task["task"] == "classification"
    assert task["schema"] == {"id": "spam", "version": 1}
    assert task["priority"] == 0
    assert set(task) == {
        "assignment_id", "item", "campaign", "classes", "payload", "schema", "task", "priority", "expires_at", "due_at",
    }  # fmt: skip


def test_two_vendors_share_the_tasks(desk):
    desk.publish(desk.campaign(vendors={"acme": 10, "bolt": 8}), 30)
    first, second = desk.client("acme").lease(20), desk.client("bolt").lease(20)
    assert (len(first), len(second)) == (20, 10)
    assert not {t["payload"]["text"] for t in first} & {t["payload"]["text"] for t in second}


def test_overlap_goes_to_different_vendors_breadth_first(desk):
    desk.publish(desk.campaign(vendors={"acme": 10, "bolt": 8}), 4, overlap=2)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    assert len(acme.lease()) == 4
    assert acme.lease() == []
    assert len(bolt.lease(3)) == 3
    assert len(bolt.lease()) == 1


def test_the_same_request_gives_the_same_lease(desk):
    desk.publish(desk.campaign(), 10)
    client, request = desk.client(), str(uuid.uuid4())
    first = client.lease(4, request)
    assert client.lease(4, request) == first
    assert len(client.lease(10)) == 6


def test_max_open_is_a_cap(desk):
    desk.publish(desk.campaign(), 10)
    client = desk.client()
    desk.run("UPDATE labelrounds.vendors SET max_open = 3")
    assert len(client.lease(2)) == 2
    assert len(client.lease(2)) == 1
    assert client.lease(2) == []


def test_the_cap_of_a_vendor_is_set_by_the_operator(desk):
    desk.publish(desk.campaign(), 10)
    client = desk.client()
    vendors.set_limit(desk.engine, "acme", 4)
    assert len(client.lease(10)) == 4
    vendors.set_limit(desk.engine, "acme", 6)
    assert len(client.lease(10)) == 2
    with pytest.raises(NotFound, match="there is no vendor nobody"):
        vendors.set_limit(desk.engine, "nobody", 4)


def test_the_campaign_that_is_due_first_goes_first(desk):
    late, soon = desk.campaign("late"), desk.campaign("soon")
    desk.publish(late, 5, due_seconds=7200)
    desk.publish(soon, 5, due_seconds=600)
    assert Counter(task["campaign"] for task in desk.client().lease(7)) == {"soon": 5, "late": 2}


def test_a_vendor_of_another_campaign_gets_nothing(desk):
    desk.publish(desk.campaign("a", vendors={"acme": 10}), 5)
    desk.campaign("b", vendors={"bolt": 10})
    assert desk.client("bolt").lease() == []


def test_answers_fill_tasks_and_settle(desk):
    campaign = desk.campaign(vendors={"acme": 7})
    round_ = desk.publish(campaign, 3, price=10)
    client = desk.client()
    assert client.answer(client.lease()) == ["accepted"] * 3
    assert desk.states("batch_items", round_) == {"complete": 3}
    assert desk.run("SELECT spent_micro, held_micro FROM labelrounds.balances") == [(21, 0)]


def test_each_row_is_judged_alone(desk):
    desk.publish(desk.campaign(), 6)
    client = desk.client()
    a, b, c, d, e, f = (str(task["assignment_id"]) for task in client.lease())
    rows = [
        {"assignment_id": a, "label": "ham", "annotator": "jo"},
        {"assignment_id": a, "label": "ham"},
        {"assignment_id": a, "label": "spam"},
        {"assignment_id": b, "answer": "skip"},
        {"assignment_id": c, "label": "eggs"},
        {"assignment_id": c, "label": {"ham": 1}},
        {"assignment_id": d.upper(), "label": "spam"},
        {"assignment_id": e},
        {"assignment_id": e, "answer": "label", "label": None},
        {"assignment_id": f, "answer": "maybe", "label": "ham"},
        {"assignment_id": f, "answer": 7},
        {"assignment_id": str(uuid.uuid4()), "label": "ham"},
        {"assignment_id": f"{f}\n", "label": "ham"},
        {"assignment_id": 5, "label": "ham"},
        {"label": "ham"},
        "ham", None, 7, [], {},
    ]  # fmt: skip
    got = client.submit(rows)
    assert [row["row"] for row in got] == list(range(len(rows)))
    assert [row["code"] or row["result"] for row in got] == [
        "accepted", "duplicate", "CONFLICT", "accepted", "LABEL_NOT_IN_SCHEMA", "LABEL_NOT_IN_SCHEMA", "accepted",
        "MISSING_FIELD", "MISSING_FIELD", "BAD_TYPE", "BAD_TYPE", "UNKNOWN_ASSIGNMENT", "UNKNOWN_ASSIGNMENT",
        "BAD_TYPE", "MISSING_FIELD", "BAD_TYPE", "BAD_TYPE", "BAD_TYPE", "BAD_TYPE", "MISSING_FIELD",
    ]  # fmt: skip
    kept = dict(desk.run("SELECT row_no, raw FROM labelrounds.rejects"))
    assert kept == {n: rows[n] for n, row in enumerate(got) if row["result"] == "rejected"}
    assert desk.states("tasks", rounds.find(desk.engine, 1)) == {"filled": 3, "leased": 3}


def test_a_repeated_submission_is_answered_alike_and_another_body_refused(desk):
    desk.publish(desk.campaign(), 2)
    client, request = desk.client(), str(uuid.uuid4())
    first, second = ({"assignment_id": t["assignment_id"], "label": "ham"} for t in client.lease())
    told = client.submit([first], request)
    assert client.submit([first], request) == told
    with pytest.raises(psycopg2.Error, match="used for something else") as refused:
        client.submit([second], request)
    assert refused.value.pgcode == "LR409"
    assert desk.one("SELECT count(*) FROM labelrounds.annotations") == 1


def test_a_call_without_sense_is_refused_whole(desk):
    client = (desk.campaign(), desk.client())[1]
    many = "[" + ",".join(["{}"] * 1001) + "]"
    calls = [
        *(("submit", str(uuid.uuid4()), answers) for answers in ("[]", "{}", "7", "null", "[1", None, many)),
        ("submit", None, "[{}]"),
        ("lease", None, 5),
        *(("lease", str(uuid.uuid4()), most) for most in (None, 0, -1, 1001)),
    ]
    for function, *args in calls:
        with client.connection.cursor() as cursor, pytest.raises(psycopg2.DataError):
            cursor.execute(f"SELECT vendor.{function}(%s, %s)", args)


def test_an_old_snapshot_is_refused(desk):
    """Behind the lock on its row, a vendor with an older snapshot would not see its own other leases."""
    desk.publish(desk.campaign(), 2)
    client = desk.client()
    client.connection.set_session(isolation_level="REPEATABLE READ", autocommit=False)
    with pytest.raises(psycopg2.errors.ActiveSqlTransaction, match="READ COMMITTED"):
        client.lease()


class TestLate:
    """An answer after its lease lapsed."""

    def two(self, desk, *, items=1, overlap=1):
        campaign = desk.campaign(vendors={"acme": 10, "bolt": 10})
        round_ = desk.publish(campaign, items, overlap=overlap)
        return round_, desk.client("acme"), desk.client("bolt")

    def test_before_the_sweep(self, desk):
        _, acme, _ = self.two(desk)
        tasks = acme.lease()
        desk.lapse(tasks)
        assert acme.answer(tasks) == ["late_accepted"]

    def test_while_the_task_is_free(self, desk):
        _, acme, bolt = self.two(desk)
        tasks = acme.lease()
        desk.lapse(tasks)
        assert queue.expire(desk.engine) == {"ready": 1, "dead": 0}
        assert acme.answer(tasks) == ["late_accepted"]
        assert bolt.lease() == []

    def test_after_another_took_the_task(self, desk):
        _, acme, bolt = self.two(desk)
        old = acme.lease()
        desk.lapse(old)
        queue.expire(desk.engine)
        new = bolt.lease()
        assert acme.answer(old) == ["surplus"]
        assert bolt.answer(new) == ["accepted"]

    def test_after_another_answered(self, desk):
        _, acme, bolt = self.two(desk)
        old = acme.lease()
        desk.lapse(old)
        queue.expire(desk.engine)
        assert bolt.answer(bolt.lease()) == ["accepted"]
        assert acme.answer(old, "spam") == ["surplus"]
        assert desk.one("SELECT label FROM labelrounds.annotations WHERE disposition <> 'surplus'") == "ham"

    def test_after_the_same_vendor_took_the_task_again(self, desk):
        _, acme, _ = self.two(desk)
        old = acme.lease()
        desk.lapse(old)
        queue.expire(desk.engine)
        new = acme.lease()
        assert ids(new) != ids(old)
        assert acme.answer(old) == ["surplus"]
        assert acme.answer(new) == ["accepted"]

    def test_after_the_same_vendor_took_another_task_of_the_item(self, desk):
        _, acme, bolt = self.two(desk, overlap=2)
        old = acme.lease()
        desk.lapse(old)
        queue.expire(desk.engine)
        taken = (
            bolt.lease()
        )  # the freed task, which comes first: what is left for acme is the item's other task
        assert acme.answer(acme.lease()) == ["accepted"]
        desk.lapse(taken)
        queue.expire(desk.engine)  # the task is free again, but acme counts on this item already
        assert acme.answer(old) == ["surplus"]
        assert bolt.answer(taken) == ["late_accepted"]

    def test_after_the_round_was_withdrawn(self, desk):
        round_, acme, _ = self.two(desk)
        tasks = acme.lease()
        desk.let_due(round_)
        assert queue.withdraw_overdue(desk.engine, round_, 1.0)
        assert acme.answer(tasks) == ["TASK_CANCELLED"]
        rounds.store(desk.engine, round_, "closed")
        assert acme.answer(tasks) == ["BATCH_CLOSED"]
        assert desk.states("batch_items", round_) == {"cancelled": 1}

    def test_for_an_item_that_was_chosen_again(self, desk):
        round_, acme, bolt = self.two(desk)
        old = acme.lease()
        desk.let_due(round_)
        queue.withdraw_overdue(desk.engine, round_, 1.0)
        rounds.store(desk.engine, round_, "closed")
        again = desk.publish(desk.campaign(vendors={"acme": 10, "bolt": 10}), 1)
        assert acme.answer(old, "spam") == ["BATCH_CLOSED"]
        assert desk.states("batch_items", again) == {"open": 1}
        assert bolt.answer(bolt.lease()) == ["accepted"]
        assert desk.states("batch_items", again) == {"complete": 1}

    def test_for_a_dead_task(self, desk):
        round_, acme, _ = self.two(desk)
        for _ in range(queue.MAX_ATTEMPTS):
            tasks = acme.lease()
            assert len(tasks) == 1
            desk.lapse(tasks)
            queue.expire(desk.engine)
        assert desk.states("tasks", round_) == {"dead": 1}
        assert acme.lease() == []
        assert acme.answer(tasks) == ["late_accepted"]


def test_expire_leaves_what_is_not_lapsed(desk):
    desk.publish(desk.campaign(), 4)
    client = desk.client()
    lapsed, fresh = client.lease(2), client.lease(2)
    desk.lapse(lapsed)
    assert queue.expire(desk.engine) == {"ready": 2, "dead": 0}
    assert queue.expire(desk.engine) == {"ready": 0, "dead": 0}
    assert client.answer(fresh) == ["accepted"] * 2


def test_expire_goes_on_past_one_portion(desk, monkeypatch):
    monkeypatch.setattr(queue, "EXPIRE_AT_ONCE", 3)
    desk.publish(desk.campaign(), 8)
    client = desk.client()
    desk.lapse(client.lease())
    assert queue.expire(desk.engine) == {"ready": 8, "dead": 0}


def test_withdraw_waits_for_share_or_due_time(desk):
    round_ = desk.publish(desk.campaign(), 10)
    client = desk.client()
    client.answer(client.lease(7))
    assert not queue.withdraw_overdue(desk.engine, round_, 0.8)
    client.answer(client.lease(1))
    assert queue.withdraw_overdue(desk.engine, round_, 0.8)
    assert desk.states("batch_items", round_) == {"complete": 8, "cancelled": 2}
    assert desk.run("SELECT spent_micro, held_micro FROM labelrounds.balances") == [(80, 0)]
    assert queue.withdraw_overdue(desk.engine, round_, 0.8)


def test_withdraw_keeps_a_partly_answered_item(desk):
    round_ = desk.publish(desk.campaign(vendors={"acme": 10, "bolt": 10}), 2, overlap=2)
    client = desk.client()
    client.answer(client.lease(1))
    desk.let_due(round_)
    assert queue.withdraw_overdue(desk.engine, round_, 1.0)
    assert desk.states("batch_items", round_) == {"complete": 1, "cancelled": 1}
    assert desk.states("tasks", round_) == {"filled": 1, "cancelled": 3}


def test_withdraw_waits_for_no_vendor(desk):
    """A vendor that keeps its transaction open holds up its own items, not the sweep."""
    round_ = desk.publish(desk.campaign(vendors={"acme": 10, "bolt": 10}), 6)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    answered = bolt.lease(2)
    for client in (acme, bolt):
        client.connection.autocommit = False
    leased = acme.lease(2)
    bolt.answer(answered)
    desk.let_due(round_)
    begun = time.monotonic()
    assert not queue.withdraw_overdue(desk.engine, round_, 1.0)
    assert time.monotonic() - begun < 5
    assert desk.states("batch_items", round_) == {"cancelled": 2, "open": 4}
    acme.connection.commit()
    bolt.connection.commit()
    assert acme.answer(leased[:1]) == ["accepted"]
    acme.connection.commit()
    assert queue.withdraw_overdue(desk.engine, round_, 1.0)
    assert desk.states("batch_items", round_) == {"cancelled": 3, "complete": 3}


def test_withdraw_and_submit_at_the_same_moment(desk, other_desk):
    """Whoever is first, nothing deadlocks and the money is right."""
    campaign = desk.campaign()
    client = desk.client()
    client.connection.autocommit = True
    told = Counter()
    for turn in range(25):
        round_ = desk.publish(campaign, [f"{turn}-{n}" for n in range(40)])
        tasks = client.lease()
        desk.let_due(round_)
        barrier = threading.Barrier(2)

        def submit(barrier=barrier, tasks=tasks):
            barrier.wait()
            told.update(client.answer(tasks))

        thread = threading.Thread(target=submit)
        thread.start()
        barrier.wait()
        time.sleep(desk.rng.random() * 0.02)
        while not queue.withdraw_overdue(other_desk.engine, round_, 1.0):
            pass
        thread.join()
        rounds.store(desk.engine, round_, "closed")
    assert sum(told.values()) == 25 * 40
    assert set(told) <= {"accepted", "TASK_CANCELLED"}


def test_two_submits_and_two_leases_of_one_vendor_at_once(desk):
    desk.publish(desk.campaign(), 200)
    one = desk.client()
    two = type(one)("acme", vendors.give_login(desk.engine, "acme"))
    desk.clients.append(two)
    request = str(uuid.uuid4())
    got = [None, None]

    def both(work):
        def run(n, client):
            got[n] = work(client)

        threads = [threading.Thread(target=run, args=pair) for pair in enumerate((one, two))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    both(lambda client: client.lease(100, request))
    assert got[0] == got[1]
    assert len(got[0]) == 100
    rows = [{"assignment_id": task["assignment_id"], "label": "ham"} for task in got[0]]
    both(lambda client: client.submit(rows))
    told = [Counter(row["result"] for row in rows) for rows in got]
    assert sorted(told, key=str) == [{"accepted": 100}, {"duplicate": 100}]


def test_the_last_two_tasks_of_an_item_at_once(desk):
    """Both see the other's answer, and items named in opposite orders are locked in one order."""
    campaign = desk.campaign(vendors={"acme": 10, "bolt": 10})
    round_ = desk.publish(campaign, 400, overlap=2)
    clients = [desk.client("acme"), desk.client("bolt")]
    tasks = [sorted(client.lease(400), key=lambda task: task["payload"]["text"]) for client in clients]
    told = Counter()
    for chunk in range(0, 400, 80):
        barrier = threading.Barrier(2)

        def hand_in(client, some, barrier=barrier):
            barrier.wait()
            told.update(client.answer(some))

        some = [tasks[0][chunk : chunk + 80], tasks[1][chunk : chunk + 80][::-1]]
        threads = [threading.Thread(target=hand_in, args=pair) for pair in zip(clients, some, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told == {"accepted": 800}
    assert desk.states("batch_items", round_) == {"complete": 400}


def test_the_sweep_waits_for_no_answer_that_is_being_handed_in(desk):
    desk.publish(desk.campaign(), 2)
    client = desk.client()
    tasks = client.lease()
    desk.lapse(tasks)
    client.connection.autocommit = False
    assert client.answer(tasks[:1]) == ["late_accepted"]
    assert queue.expire(desk.engine) == {"ready": 1, "dead": 0}
    client.connection.commit()
    assert queue.expire(desk.engine) == {"ready": 0, "dead": 0}


def test_an_answer_waits_for_the_sweep_that_frees_its_task(desk):
    """It then finds the task free, not as it was before; or the vendor could get the item a second time."""
    desk.publish(desk.campaign(), 1, overlap=1)
    client = desk.client()
    tasks = client.lease()
    desk.lapse(tasks)
    told = []
    with desk.engine.begin() as connection:
        values = {"at_most": 10, "max_attempts": 10}
        assert connection.execute(statements("queue")["expire"], values).scalars().all() == ["ready"]
        thread = threading.Thread(target=lambda: told.extend(client.answer(tasks)))
        thread.start()
        end = time.monotonic() + 10
        while not desk.run("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert time.monotonic() < end, "the answer did not wait"
            time.sleep(0.01)
    thread.join()
    assert told == ["late_accepted"]


def test_a_price_that_rose_is_paid_up_to_what_is_held(desk):
    campaign = desk.campaign(vendors={"acme": 10})
    desk.publish(campaign, 2, price=10)
    client = desk.client()
    cheap = client.lease(1)
    register(desk.engine, "spam", campaign.spec, "digest", [Offer("acme", 50, 60)])
    assert client.answer([*cheap, *client.lease(1)]) == ["accepted", "accepted"]
    assert desk.run("SELECT spent_micro, held_micro FROM labelrounds.balances") == [(20, 0)]


def test_list_vendors_counts(desk):
    desk.publish(desk.campaign(vendors={"acme": 7, "bolt": 8}), 5)
    client = desk.client()
    client.answer(client.lease(2))
    client.lease(1)
    acme, bolt = vendors.list_vendors(desk.engine)
    assert acme == {
        "name": "acme",
        "state": "active",
        "reason": None,
        "has_login": True,
        "leased": 1,
        "answered": 2,
        "earned_micro": {"USD": 14},
    }
    assert bolt["has_login"] is False


def test_the_claim_walks_its_index(desk):
    """In order and without a join, with or without statistics: a call costs what it takes, not what is there."""
    desk.publish(desk.campaign(), 3000)
    source = desk.one("SELECT prosrc FROM pg_proc WHERE proname = 'claim'")
    query = re.search(r"candidates AS MATERIALIZED \((.*?SKIP LOCKED)\)", source, re.DOTALL)[1]
    for name, value in {
        "= wanted": "= 1",
        ">= low": ">= 0",
        "s.vendor_id = v": "s.vendor_id = 1",
        "v = ANY": "1 = ANY",
        "LIMIT room": "LIMIT 100",
    }.items():
        assert name in query
        query = query.replace(name, value)
    for _ in range(2):
        plan = json.dumps(desk.one(f"EXPLAIN (FORMAT JSON) {query}"))
        assert '"tasks_ready"' in plan
        assert '"Sort"' not in plan
        assert "Join" not in plan
        desk.run("ANALYZE")
