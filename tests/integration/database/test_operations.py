"""What the operator does to work that is out, and what everybody is told of it."""

import json
import threading
import uuid
from collections import Counter
from dataclasses import replace

import psycopg2
import pytest

from infra.database import batches, labels, operations, queue, rounds, vendors
from infra.database.batches import Limits, Schema, Seat
from infra.database.operations import Further
from tasks.errors import BudgetExceeded, NotFound, UsageError

TWO = {"acme": 10, "bolt": 10}


def new():
    return str(uuid.uuid4())


def told(client, kind=None):
    """What a vendor was told, oldest first."""
    events = client.call("events")["events"]
    return [event for event in events if kind in (None, event["type"])]


def money(desk):
    return tuple(desk.run("SELECT spent_micro, held_micro FROM labelrounds.balances")[0])


class TestCancel:
    def test_named_items_are_withdrawn_and_their_holders_told(self, desk):
        campaign = desk.campaign(vendors=TWO)
        round_ = desk.publish(campaign, ["a", "b", "c"], overlap=2)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        held = {task["payload"]["text"]: task for task in acme.lease()}
        bolt.answer([task for task in bolt.lease() if task["payload"]["text"] == "b"])
        assert operations.cancel(desk.engine, campaign.campaign_id, ["a", "b", "no such"]) == 2
        assert {row["item_id"]: row["state"] for row in batches.batch_of(desk.engine, round_)} == {
            "a": "cancelled", "b": "complete", "c": "open",
        }  # fmt: skip
        assert acme.answer([held["a"], held["b"], held["c"]]) == [
            "TASK_CANCELLED",
            "TASK_CANCELLED",
            "accepted",
        ]
        (event,) = told(acme, "task.cancelled")
        assert sorted(event["data"]["assignments"]) == sorted(held[one]["assignment_id"] for one in "ab")
        assert money(desk) == (20, 10)
        assert len(acme.call("rejects")["rejects"]) == 2

    def test_everything(self, desk):
        campaign = desk.campaign()
        round_ = desk.publish(campaign, 5)
        client = desk.client()
        client.lease(2)
        assert operations.cancel(desk.engine, campaign.campaign_id) == 5
        assert operations.cancel(desk.engine, campaign.campaign_id) == 0
        assert desk.states("tasks", round_) == {"cancelled": 5}
        assert money(desk) == (0, 0)
        assert queue.withdraw_overdue(desk.engine, round_, 1.0)


class TestRework:
    def refuse(self, desk, campaign, *, items=None, refund, limit=None, reason="sloppy", vendor="acme"):
        return operations.rework(desk.engine, campaign.campaign_id, vendor, items, reason, refund=refund,
                                 price_micro=10, money_micro=limit)  # fmt: skip

    @pytest.mark.parametrize("refund", [True, False])
    def test_refused_answers_are_asked_for_again(self, desk, refund):
        campaign = desk.campaign(vendors=TWO)
        round_ = desk.publish(campaign, ["a", "b"], overlap=2)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        first = acme.lease()
        acme.answer(first, "spam")
        bolt.answer(bolt.lease())
        assert desk.states("batch_items", round_) == {"complete": 2}
        assert sorted(self.refuse(desk, campaign, items=["a"], refund=refund)) == ["a"]
        assert desk.states("batch_items", round_) == {"complete": 1, "open": 1}
        assert money(desk) == (30 if refund else 40, 10)
        (event,) = told(acme, "rework.requested")
        assert event["data"]["refunded"] is refund
        # Said again, it is what was refused; the same vendor may take the item once more, and then answers anew.
        assert acme.answer([task for task in first if task["payload"]["text"] == "a"], "spam") == [
            "duplicate"
        ]
        assert bolt.lease() == []
        (again,) = acme.lease()
        assert again["payload"]["text"] == "a"
        assert acme.answer([again]) == ["accepted"]
        assert desk.states("batch_items", round_) == {"complete": 2}
        assert desk.states("tasks", round_) == {"filled": 4, "void": 1}
        rows = desk.run("SELECT i.item_id, a.label FROM labelrounds.current_annotations a "
                        "JOIN labelrounds.batch_items i USING (batch_item_id) "
                        "WHERE a.vendor_id = 1 ORDER BY 1")  # fmt: skip
        assert rows == [("a", "ham"), ("b", "spam")]
        assert money(desk) == (40 if refund else 50, 0)

    def test_over_the_budget_nothing_is_written(self, desk):
        campaign = desk.campaign()
        round_ = desk.publish(campaign, 3)
        client = desk.client()
        client.answer(client.lease())
        before = desk.run("SELECT xmin::text, state FROM labelrounds.tasks ORDER BY task_id")
        with pytest.raises(BudgetExceeded, match="nothing was written"):
            self.refuse(desk, campaign, refund=False, limit=59)
        assert desk.run("SELECT xmin::text, state FROM labelrounds.tasks ORDER BY task_id") == before
        assert desk.one("SELECT count(*) FROM labelrounds.refusals") == 0
        assert told(client, "rework.requested") == []
        assert len(self.refuse(desk, campaign, refund=False, limit=60)) == 3
        assert desk.states("tasks", round_) == {"void": 3, "ready": 3}

    def test_what_there_is_not_cannot_be_refused(self, desk):
        campaign = desk.campaign()
        desk.publish(campaign, 1)
        desk.client().lease()
        with pytest.raises(NotFound, match="no counted answer for item-00000"):
            self.refuse(desk, campaign, items=["item-00000"], refund=True)

    def test_twice_in_a_row(self, desk):
        campaign = desk.campaign()
        desk.publish(campaign, 1)
        client = desk.client()
        for _ in range(3):
            client.answer(client.lease())
            self.refuse(desk, campaign, refund=True)
        assert client.answer(client.lease()) == ["accepted"]
        assert money(desk) == (10, 0)

    def test_two_operators_at_once_do_not_overspend(self, desk, other_desk):
        campaign = desk.campaign(vendors=TWO)
        desk.publish(campaign, 4, overlap=2)
        for name in TWO:
            client = desk.client(name)
            client.answer(client.lease())
        said, barrier = [], threading.Barrier(2)

        def refuse(desk, vendor):
            barrier.wait()
            try:
                said.append(len(self.refuse(desk, campaign, refund=False, limit=120, vendor=vendor)))
            except BudgetExceeded:
                said.append("over")

        threads = [
            threading.Thread(target=refuse, args=pair) for pair in ((desk, "acme"), (other_desk, "bolt"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, said)) == ["4", "over"]


class TestFurther:
    def test_as_far_as_the_money_goes(self, desk):
        campaign = desk.campaign(vendors=TWO)
        round_ = desk.publish(campaign, 3)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        acme.answer(acme.lease())
        items = [item for (item,) in desk.run("SELECT batch_item_id FROM labelrounds.batch_items ORDER BY 1")]
        wanted = [Further(item, (desk.vendor_id("bolt"),)) for item in items]
        assert operations.ask_further(desk.engine, campaign.campaign_id, wanted, 10, 55) == 2
        assert operations.ask_further(desk.engine, campaign.campaign_id, wanted[:1], 10, 55) == 0
        assert operations.ask_further(desk.engine, campaign.campaign_id, [], 10, None) == 0
        assert desk.states("batch_items", round_) == {"open": 2, "complete": 1}
        assert acme.lease() == []
        assert bolt.answer(bolt.lease()) == ["accepted"] * 2
        assert desk.states("batch_items", round_) == {"complete": 3}
        assert money(desk) == (50, 0)

    def test_no_item_of_a_round_that_is_over(self, desk):
        campaign = desk.campaign()
        round_ = desk.publish(campaign, 1)
        desk.let_due(round_)
        queue.withdraw_overdue(desk.engine, round_, 1.0)
        item = desk.one("SELECT batch_item_id FROM labelrounds.batch_items")
        assert operations.ask_further(desk.engine, campaign.campaign_id, [Further(item)], 10, None) == 0


class TestGold:
    def publish(self, desk, ids=("a", "b")):
        """Two items of work; gold `g` for acme alone."""
        campaign = desk.campaign(vendors=TWO)
        work = desk.picks(ids)
        seat = Seat(10, (desk.vendor_id("acme"),), (desk.vendor_id("acme"),))
        gold = replace(desk.picks(["g"], [seat])[0], kind="gold", expected="spam")
        return campaign, desk.publish_picks(campaign, [*work, gold], limits=Limits(4, None))

    def test_it_is_its_vendors_and_looks_like_work(self, desk):
        self.publish(desk)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        assert {task["payload"]["text"] for task in bolt.lease()} == {"a", "b"}
        (gold,) = acme.lease()
        assert gold["payload"] == {"text": "g"}
        bolt.call("release", new(), bolt.call("leases")["leases"][0]["lease_id"])
        assert {frozenset(task) for task in acme.lease()} == {frozenset(gold)}
        assert acme.answer([gold]) == ["accepted"]

    def test_it_is_no_bought_label_and_holds_nothing_up(self, desk):
        _, round_ = self.publish(desk)
        bolt = desk.client("bolt")
        bolt.answer(bolt.lease())
        assert batches.progress(desk.engine, round_) == {"items": 2, "complete": 2, "cancelled": 0}
        assert [row["item_id"] for row in batches.batch_of(desk.engine, round_)] == ["a", "b"]
        assert queue.withdraw_overdue(desk.engine, round_, 1.0)
        assert desk.states("tasks", round_) == {"filled": 2, "cancelled": 1}
        assert money(desk) == (20, 0)
        rounds.store(desk.engine, round_, "closed")
        # The same item may be gold again.
        _, again = self.publish(desk, ("c", "d"))
        assert desk.states("batch_items", again) == {"open": 3}

    def test_it_goes_to_nobody_else_when_its_vendor_is_late_or_suspended(self, desk):
        campaign, _ = self.publish(desk)
        bolt = desk.client("bolt")
        operations.reroute(desk.engine, campaign.campaign_id, 0)
        vendors.suspend(desk.engine, "acme", "late")
        assert {task["payload"]["text"] for task in bolt.lease()} == {"a", "b"}


class TestSchema:
    def again(self, desk, campaign, instructions, ids):
        round_ = desk.scored(campaign)
        schema = Schema("classification", ("ham", "spam"), instructions)
        batches.publish(desk.engine, round_, desk.picks(ids), schema=schema, exclusive=True, due_seconds=60,
                        limits=Limits(99, None))  # fmt: skip
        return rounds.find(desk.engine, round_.round_id)

    def close(self, desk, round_):
        desk.let_due(round_)
        queue.withdraw_overdue(desk.engine, round_, 1.0)
        rounds.store(desk.engine, round_, "closed")

    def test_other_instructions_are_a_new_version(self, desk):
        campaign = desk.campaign()
        client = desk.client()
        versions = []
        for instructions, item in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")]:
            round_ = self.again(desk, campaign, instructions, [item])
            (task,) = client.lease()
            versions.append(task["schema"]["version"])
            rows = [
                {"assignment_id": task["assignment_id"], "label": "ham", "schema_version": n}
                for n in (0, versions[-1])
            ]
            assert [row["code"] or row["result"] for row in client.submit(rows)] == [
                "SCHEMA_VERSION_MISMATCH",
                "accepted",
            ]
            self.close(desk, round_)
        assert versions == [1, 1, 2, 3]
        assert [event["data"] for event in told(client, "schema.published")] == [
            {"id": "spam", "version": 2}, {"id": "spam", "version": 3},
        ]  # fmt: skip
        assert [client.call("label_schema", "spam", n)["instructions"] for n in (1, 2, 3)] == ["a", "b", "a"]
        assert [event["data"]["schema"]["version"] for event in told(client, "batch.opened")] == [1, 1, 2, 3]

    def test_what_is_not_ones_own_is_not_there(self, desk):
        self.again(desk, desk.campaign("spam", vendors={"acme": 10}), "secret", ["1"])
        desk.campaign("other", vendors={"bolt": 10})
        for client, name, version in [(desk.client("bolt"), "spam", 1), (desk.client("acme"), "spam", 2),
                                      (desk.client("acme"), "nothing", 1)]:  # fmt: skip
            with pytest.raises(psycopg2.Error) as refused:
                client.call("label_schema", name, version)
            assert refused.value.pgcode == "LR404"


class TestOutbox:
    def test_what_is_rolled_back_is_not_told(self, desk):
        desk.publish(desk.campaign(), 3)
        client = desk.client()
        tasks = client.lease()
        before = desk.one("SELECT count(*) FROM labelrounds.outbox")
        client.connection.autocommit = False
        rows = [{"assignment_id": tasks[0]["assignment_id"], "label": "ham"}, {}]
        client.submit(rows)
        client.connection.rollback()
        assert desk.one("SELECT count(*) FROM labelrounds.outbox") == before
        client.submit(rows)
        client.connection.commit()
        assert desk.run("SELECT kind, vendor_id IS NULL FROM labelrounds.outbox ORDER BY seq DESC LIMIT 2") == [
            ("annotation.rejected", False), ("submission.taken", True),
        ]  # fmt: skip

    def test_each_hears_of_its_own(self, desk):
        desk.publish(desk.campaign(vendors=TWO), 4)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        desk.lapse(acme.lease(1) + acme.lease(1))
        queue.expire(desk.engine)
        bolt.submit([{}])
        assert [event["type"] for event in told(acme)] == ["batch.opened", "lease.expired"]
        assert len(told(acme, "lease.expired")[0]["data"]["assignments"]) == 2
        assert [event["type"] for event in told(bolt)] == ["batch.opened", "annotation.rejected"]
        assert told(bolt)[1]["data"]["rows"] == [
            {"row": 0, "id": None, "code": "MISSING_FIELD", "field": "assignment_id"}
        ]

    def test_a_poller_misses_nothing_that_is_committed_late(self, desk):
        """A number that was drawn first may be committed last."""
        desk.publish(desk.campaign(), 3)
        client = desk.client()
        desk.lapse(client.lease(1))
        seen = client.call("events")["events"]
        with desk.engine.begin() as connection:
            from infra.database.statements import statements

            connection.execute(statements("queue")["expire"], {"at_most": 10, "max_attempts": 10})
            client.submit([{}])
            seen += client.call("events", seen[-1]["seq"])["events"]
        seen += client.call("events", seen[-1]["seq"])["events"]
        assert sorted(event["type"] for event in seen) == [
            "annotation.rejected",
            "batch.opened",
            "lease.expired",
        ]
        assert client.call("events", seen[-1]["seq"])["events"] == []

    def test_who_looks_holds_nobody_up(self, desk):
        desk.publish(desk.campaign(), 3)
        client = desk.client()
        desk.lapse(client.lease(1))
        client.connection.autocommit = False
        client.call("events")
        assert queue.expire(desk.engine) == {"ready": 1, "dead": 0}
        client.connection.commit()

    def test_in_pages(self, desk):
        desk.publish(desk.campaign(), 1)
        client = desk.client()
        for _ in range(6):
            client.submit([{}, {}])
        pages, after = [], 0
        while page := client.call("events", after, 3)["events"]:
            pages.append(len(page))
            after = page[-1]["seq"]
        assert pages == [3, 3, 1]
        assert [len(client.call("rejects", 0, n)["rejects"]) for n in (0, 5, 10**6)] == [1, 5, 12]


def test_a_vendors_own_figures(desk):
    campaign = desk.campaign(vendors={"acme": 7, "bolt": 10})
    desk.publish(campaign, 10)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    tasks = acme.lease(6)
    rows = [{"assignment_id": task["assignment_id"], "label": "ham", "client_annotation_id": f"c{n}"}
            for n, task in enumerate(tasks)]  # fmt: skip
    acme.submit([*rows[:2], {}, {"assignment_id": "x"}])
    desk.lapse(tasks)
    acme.submit(rows[2:3])
    queue.expire(desk.engine)
    taken = bolt.lease()
    acme.submit(rows[3:4])
    acme.correct([{"client_annotation_id": "c0", "base_revision": 1, "label": "spam"}])
    operations.rework(desk.engine, campaign.campaign_id, "acme", [tasks[1]["payload"]["text"]], "no", refund=True,
                      price_micro=10, money_micro=None)  # fmt: skip
    found = acme.call("report")
    wanted = {"leased": 6, "open": 0, "answered": 4, "on_time": 2, "late": 1, "surplus": 1, "unanswered": 2,
              "corrected": 1, "refused": 1, "rejected": {"MISSING_FIELD": 1, "UNKNOWN_ASSIGNMENT": 1},
              "earned": 1.4e-05, "earnings": {"USD": 1.4e-05}}  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted
    assert 0 <= found["turnaround_s"]["p50"] <= found["turnaround_s"]["p99"] < 60
    other = bolt.call("report")
    assert (other["leased"], other["open"], other["answered"], other["earned"]) == (
        len(taken),
        len(taken),
        0,
        0,
    )
    assert acme.call("report", "2000-01-01", "2000-01-02")["leased"] == 0


def test_an_open_transaction_of_a_vendor_is_ended(desk, monkeypatch):
    """What it leased in it is free again."""
    monkeypatch.setattr(vendors, "LONGEST_TRANSACTION_SECONDS", 0.2)
    desk.publish(desk.campaign(vendors=TWO), 3)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    acme.connection.autocommit = False
    assert len(acme.lease()) == 3
    assert bolt.lease() == []
    desk.run("SELECT pg_sleep(0.3)")
    assert vendors.end_idle(desk.engine) == 1
    desk.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = (SELECT db_role FROM labelrounds.vendors "
               "WHERE name = 'acme')")  # fmt: skip
    assert len(bolt.lease()) == 3
    with pytest.raises(psycopg2.OperationalError):
        acme.lease()
    assert vendors.end_idle(desk.engine) == 0


def test_suspending_tells_the_vendor_and_us_and_frees_what_it_holds(desk):
    desk.publish(desk.campaign(vendors=TWO), 3)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    acme.lease()
    assert vendors.suspend(desk.engine, "acme", "12 of 40 gold answers wrong")
    assert told(acme)[-1]["data"] == {"state": "suspended", "reason": "12 of 40 gold answers wrong"}
    assert (
        desk.one(
            "SELECT body ->> 'vendor' FROM labelrounds.outbox WHERE vendor_id IS NULL AND kind = 'vendor.suspended'"
        )
        == "acme"
    )
    assert len(bolt.lease()) == 3
    assert vendors.find_vendor(desk.engine, "acme").reason == "12 of 40 gold answers wrong"
    assert vendors.suspend(desk.engine, "acme", "for good", state="closed")
    with pytest.raises(UsageError, match="closed"):
        vendors.reactivate(desk.engine, "acme")


def test_labels_as_of_a_round_stay_as_they_were(desk):
    """T20: what was exported as of a round is the same byte for byte after corrections and refusals."""
    campaign = desk.campaign()
    round_ = desk.publish(campaign, ["a", "b"])
    client = desk.client()
    client.submit([{"assignment_id": task["assignment_id"], "label": "ham",
                    "client_annotation_id": task["payload"]["text"]} for task in client.lease()])  # fmt: skip
    as_of = """SELECT json_agg(row_to_json(a) ORDER BY annotation_id)::text FROM labelrounds.annotations a
               WHERE received_at <= :moment AND NOT EXISTS (
                   SELECT FROM labelrounds.annotations l WHERE l.assignment_id = a.assignment_id
                     AND l.revision > a.revision AND l.received_at <= :moment)"""
    moment = desk.one("SELECT clock_timestamp()")
    before = desk.one(as_of, moment=moment)
    client.correct([{"client_annotation_id": "a", "base_revision": 1, "label": "spam"}])
    operations.rework(
        desk.engine, campaign.campaign_id, "acme", ["b"], "no", refund=True, price_micro=10, money_micro=None
    )
    client.answer(client.lease(), "spam")
    assert desk.one(as_of, moment=moment) == before
    assert Counter(label for (label,) in desk.run("SELECT label FROM labelrounds.current_annotations")) == {
        "spam": 2
    }
    assert round_.number == 1
    assert labels.taken_items(desk.engine, campaign.campaign_id).keys() == {"a", "b"}
    assert json.loads(before)[0]["label"] == "ham"
