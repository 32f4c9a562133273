"""Leases prolonged, given back and repeated; caps, routing and the order of the work."""

import json
import uuid
from collections import Counter
from dataclasses import replace
from datetime import datetime

import psycopg2
import pytest

from infra.database import operations, queue, vendors
from infra.database.batches import Seat
from infra.database.campaigns import Offer, register

TWO = {"acme": 10, "bolt": 10}


def new():
    return str(uuid.uuid4())


def code(call, *arguments):
    """The SQLSTATE with which a call is refused."""
    with pytest.raises(psycopg2.Error) as refused:
        call(*arguments)
    return refused.value.pgcode


def ids(lease):
    return sorted(task["assignment_id"] for task in lease["tasks"])


def seconds_left(desk, text):
    return desk.one("SELECT extract(epoch FROM CAST(:t AS timestamptz) - clock_timestamp())", t=text)


class TestExtend:
    def test_to_what_is_asked_up_to_what_the_campaign_allows(self, desk):
        desk.publish(desk.campaign(lease_seconds=600), 3)
        client = desk.client()
        lease = client.call("lease", new(), 3, 30)
        assert 25 < seconds_left(desk, lease["expires_at"]) <= 30
        longer = client.call("extend", new(), lease["lease_id"], 120)
        assert longer["extended"] == 3
        assert 115 < seconds_left(desk, longer["expires_at"]) <= 120
        longest = client.call("extend", new(), lease["lease_id"], 10**6)
        assert 590 < seconds_left(desk, longest["expires_at"]) <= 600
        assert client.call("leases")["leases"][0]["expires_at"] == longest["expires_at"]

    def test_never_shortens(self, desk):
        desk.publish(desk.campaign(lease_seconds=600), 1)
        client = desk.client()
        lease = client.call("lease", new(), 1)
        assert client.call("extend", new(), lease["lease_id"], 1)["expires_at"] == lease["expires_at"]

    def test_without_seconds_is_as_long_as_a_new_lease(self, desk):
        desk.publish(desk.campaign(lease_seconds=600), 1)
        client = desk.client()
        lease = client.call("lease", new(), 1, 5)
        longer = client.call("extend", new(), lease["lease_id"])
        assert 590 < seconds_left(desk, longer["expires_at"]) <= 600

    def test_saves_a_lapsed_lease_that_no_sweep_has_ended(self, desk):
        desk.publish(desk.campaign(), 2)
        client = desk.client()
        lease = client.call("lease", new(), 2)
        desk.lapse(lease["tasks"])
        assert client.call("extend", new(), lease["lease_id"], 30)["extended"] == 2
        assert queue.expire(desk.engine) == {"ready": 0, "dead": 0}
        assert client.answer(lease["tasks"]) == ["accepted"] * 2

    def test_holds_nothing_that_is_gone(self, desk):
        desk.publish(desk.campaign(vendors=TWO), 3)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        lease = acme.call("lease", new(), 3)
        acme.answer(lease["tasks"][:1])
        desk.lapse(lease["tasks"])
        queue.expire(desk.engine)
        bolt.lease()
        assert acme.call("extend", new(), lease["lease_id"], 30) == {
            "lease_id": lease["lease_id"], "expires_at": None, "extended": 0,
        }  # fmt: skip

    def test_is_repeatable(self, desk):
        desk.publish(desk.campaign(lease_seconds=600), 1)
        client, request = desk.client(), new()
        lease = client.call("lease", new(), 1, 5)["lease_id"]
        first = client.call("extend", request, lease, 60)
        client.call("extend", new(), lease, 600)
        assert client.call("extend", request, lease, 60) == first
        assert code(client.call, "extend", request, lease, 61) == "LR409"
        assert code(client.call, "release", request, lease) == "LR409"


class TestRelease:
    def test_what_is_given_back_is_free_at_once_for_the_same_vendor_too(self, desk):
        desk.publish(desk.campaign(), 4)
        client = desk.client()
        lease = client.call("lease", new(), 4)
        given = ids(lease)[:1]
        assert client.call("release", new(), lease["lease_id"], given, "too hard")["released"] == 1
        again = client.call("lease", new(), 4)
        assert len(again["tasks"]) == 1
        assert ids(again) != given
        assert client.call("release", new(), lease["lease_id"])["released"] == 3
        assert desk.run("SELECT detail FROM labelrounds.events WHERE kind = 'lease' ORDER BY seq") == [
            ("too hard",),
            (None,),
        ]

    def test_costs_no_attempt(self, desk):
        round_ = desk.publish(desk.campaign(), 1)
        client = desk.client()
        for _ in range(queue.MAX_ATTEMPTS + 1):
            client.call("release", new(), client.call("lease", new(), 1)["lease_id"])
        assert desk.states("tasks", round_) == {"ready": 1}

    def test_an_answer_for_it_counts_while_it_is_free(self, desk):
        desk.publish(desk.campaign(), 1)
        client = desk.client()
        lease = client.call("lease", new(), 1)
        client.call("release", new(), lease["lease_id"])
        assert client.answer(lease["tasks"]) == ["late_accepted"]

    def test_others_assignments_and_those_of_other_leases_stay(self, desk):
        desk.publish(desk.campaign(vendors=TWO), 4)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        first, second, other = (
            acme.call("lease", new(), 1),
            acme.call("lease", new(), 1),
            bolt.call("lease", new(), 1),
        )
        named = [*ids(second), *ids(other), new()]
        assert acme.call("release", new(), first["lease_id"], named)["released"] == 0
        assert desk.one("SELECT count(*) FROM labelrounds.tasks WHERE state = 'leased'") == 3

    def test_is_repeatable(self, desk):
        desk.publish(desk.campaign(), 2)
        client, request = desk.client(), new()
        lease = client.call("lease", new(), 2)
        first = client.call("release", request, lease["lease_id"], ids(lease)[:1])
        held = client.lease()
        assert client.call("release", request, lease["lease_id"], ids(lease)[:1]) == first
        assert code(client.call, "release", request, lease["lease_id"]) == "LR409"
        # What looks alike when it is strung together is not the same.
        second = client.call("release", new(), lease["lease_id"], None, "a")
        assert second["released"] == 1
        assert client.answer(held) == ["accepted"]


def test_another_vendors_lease_is_as_good_as_none(desk):
    desk.publish(desk.campaign(vendors=TWO), 1)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    lease = acme.call("lease", new(), 1)["lease_id"]
    for one in (lease, new()):
        for function in ("extend", "release"):
            assert code(bolt.call, function, new(), one) == "LR404"
    assert acme.call("extend", new(), lease)["extended"] == 1


def test_a_leases_request_is_bound_to_what_it_asked(desk):
    desk.publish(desk.campaign(), 5)
    client, request = desk.client(), new()
    first = client.call("lease", request, 2, 30, "spam")
    assert client.call("lease", request, 2, 30, "spam") == first
    for other in [(3, 30, "spam"), (2, 31, "spam"), (2, 30, None), (2, None, "spam")]:
        assert code(client.call, "lease", request, *other) == "LR409"


def test_the_same_bytes_again_whatever_happened_meanwhile(desk):
    desk.publish(desk.campaign(), 3)
    client, request = desk.client(), new()

    def bytes_of(*arguments):
        with client.connection.cursor() as cursor:
            cursor.execute("SELECT vendor.lease(%s, %s)::text", arguments)
            return cursor.fetchone()[0]

    first = bytes_of(request, 3)
    tasks = json.loads(first)["tasks"]
    client.call("extend", new(), json.loads(first)["lease_id"], 60)
    client.answer(tasks[:1])
    desk.lapse(tasks)
    queue.expire(desk.engine)
    client.lease(1)
    assert bytes_of(request, 3) == first


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_lease_of_no_time_is_refused(desk, seconds):
    desk.publish(desk.campaign(), 1)
    client = desk.client()
    lease = client.call("lease", new(), 1)["lease_id"]
    assert code(client.call, "lease", new(), 1, seconds) == "22023"
    assert code(client.call, "extend", new(), lease, seconds) == "22023"
    assert code(client.call, "extend", None, lease, 5) == "22023"
    assert code(client.call, "release", new(), None) == "22023"


def test_nothing_free_says_when_to_come_back(desk):
    campaign = desk.campaign(vendors=TWO, lease_seconds=20)
    desk.publish(campaign, 1)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    acme.lease()
    empty = bolt.call("lease", new(), 1)
    assert (empty["lease_id"], empty["expires_at"], empty["tasks"]) == (None, None, [])
    assert 15 <= empty["retry_after_s"] <= 20
    # It leaves no trace: a vendor that asks every minute for a year would leave millions.
    assert desk.one("SELECT count(*) FROM labelrounds.leases") == 1


def test_a_campaigns_own_cap(desk):
    spec = desk.campaign("a").spec
    register(desk.engine, "a", spec, "d", [Offer("acme", 10, 60, max_open=2)])
    desk.publish(desk.campaign("b"), 5)
    desk.publish(
        register(desk.engine, "a", spec, "d", [Offer("acme", 10, 60, max_open=2)]), 5, due_seconds=60
    )
    client = desk.client()
    assert Counter(task["campaign"] for task in client.lease(4)) == {"a": 2, "b": 2}
    assert Counter(task["campaign"] for task in client.lease(9)) == {"b": 3}
    assert client.call("lease", new(), 5, None, "a")["tasks"] == []
    desk.run("UPDATE labelrounds.vendors SET max_open = 7")
    assert client.lease(1) == []


def test_a_campaign_can_be_named(desk):
    desk.publish(desk.campaign("a"), 2)
    desk.publish(desk.campaign("b"), 2)
    client = desk.client()
    assert {task["campaign"] for task in client.call("lease", new(), 4, None, "b")["tasks"]} == {"b"}
    assert client.call("lease", new(), 4, None, "no such")["tasks"] == []


def test_an_item_has_one_name_for_a_vendor_and_another_for_the_next(desk):
    """Vendors cannot find out that they were given the same item; a vendor can."""
    desk.publish(desk.campaign(vendors=TWO), 3, overlap=2)
    first, second = desk.client("acme").lease(), desk.client("bolt").lease()
    names = [{task["payload"]["text"]: task["item"] for task in tasks} for tasks in (first, second)]
    assert names[0].keys() == names[1].keys()
    assert len({*names[0].values(), *names[1].values()}) == 6
    desk.publish(desk.campaign("people", vendors=TWO), ["x"], overlap=2, exclusive=False)
    client = desk.clients[0]
    (one, two) = (client.lease(1)[0] for _ in range(2))
    assert one["item"] == two["item"]
    assert one["assignment_id"] != two["assignment_id"]


class TestRouting:
    def publish(self, desk, eligible, capable=None, n=4):
        campaign = desk.campaign(vendors={"acme": 10, "bolt": 10, "coda": 10})
        numbers = {name: desk.vendor_id(name) for name in ("acme", "bolt", "coda")}
        seat = Seat(
            10, *(None if who is None else tuple(numbers[one] for one in who) for who in (eligible, capable))
        )
        return campaign, desk.publish_picks(campaign, desk.picks([f"i{k}" for k in range(n)], [seat]))

    def test_a_task_is_its_vendors(self, desk):
        self.publish(desk, ["bolt", "coda"])
        assert desk.client("acme").lease() == []
        assert len(desk.client("bolt").lease(2)) == 2
        assert len(desk.client("coda").lease()) == 2

    def test_reroute_opens_what_waited_too_long_to_those_who_are_able(self, desk):
        campaign, _ = self.publish(desk, ["acme"], ["acme", "bolt"])
        bolt, coda = desk.client("bolt"), desk.client("coda")
        assert operations.reroute(desk.engine, campaign.campaign_id, 3600) == 0
        assert bolt.lease() == []
        held = desk.client("acme").lease(1)
        assert operations.reroute(desk.engine, campaign.campaign_id, 0) == 3
        assert operations.reroute(desk.engine, campaign.campaign_id, 0) == 0
        assert (len(bolt.lease()), len(coda.lease())) == (3, 0)
        assert desk.clients[-1].answer(held) == ["accepted"]

    def test_reroute_passes_over_what_a_vendors_call_holds(self, desk):
        campaign, _ = self.publish(desk, ["acme"], None)
        acme = desk.client("acme")
        acme.connection.autocommit = False
        acme.lease(1)
        assert operations.reroute(desk.engine, campaign.campaign_id, 0) == 3
        acme.connection.commit()

    def test_a_suspended_vendors_own_tasks_go_to_others(self, desk):
        self.publish(desk, ["acme"], ["acme", "bolt"])
        acme, bolt = desk.client("acme"), desk.client("bolt")
        held = acme.lease(2)
        assert vendors.suspend(desk.engine, "acme", "a spammer")
        assert not vendors.suspend(desk.engine, "acme", "a spammer")
        taken = bolt.lease()
        assert len(taken) == 4
        assert acme.answer(held) == ["surplus"] * 2
        assert bolt.answer(taken) == ["accepted"] * 4
        assert code(acme.lease) == "42501"
        assert vendors.reactivate(desk.engine, "acme")
        assert acme.lease() == []


def test_the_more_urgent_first_then_breadth_first(desk):
    """Every item's first task before any item's second, the urgent ones before all others."""
    campaign = desk.campaign(vendors=TWO)
    picks = [
        replace(pick, priority=n % 2)
        for n, pick in enumerate(desk.picks([f"i{n}" for n in range(20)], [Seat(10)] * 2))
    ]
    desk.publish_picks(campaign, picks)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    first = acme.lease(10)
    assert {task["priority"] for task in first} == {0}
    assert [task["priority"] for task in acme.lease(10)] == [1] * 10
    mixed = bolt.lease(15)
    assert [task["priority"] for task in mixed] == [0] * 10 + [1] * 5


def test_pause_stops_leasing_and_nothing_else(desk):
    campaign = desk.campaign()
    desk.publish(campaign, 3)
    client = desk.client()
    lease = client.call("lease", new(), 1)
    assert operations.pause(desk.engine, campaign.campaign_id, "the schema is unclear")
    assert not operations.pause(desk.engine, campaign.campaign_id, "again")
    assert client.lease() == []
    assert client.call("extend", new(), lease["lease_id"], 30)["extended"] == 1
    assert client.answer(lease["tasks"]) == ["accepted"]
    assert operations.resume(desk.engine, campaign.campaign_id)
    assert not operations.resume(desk.engine, campaign.campaign_id)
    assert len(client.lease()) == 2
    moves = "SELECT from_state, to_state, detail FROM labelrounds.events WHERE kind = 'campaign' ORDER BY seq"
    assert desk.run(moves) == [
        ("running", "paused", "the schema is unclear"), ("paused", "running", None),
    ]  # fmt: skip


def test_dead_letters_are_shown_and_revived(desk, monkeypatch):
    monkeypatch.setattr(queue, "MAX_ATTEMPTS", 2)
    campaign = desk.campaign()
    round_ = desk.publish(campaign, ["a", "b"])
    client = desk.client()
    for _ in range(2):
        desk.lapse(client.lease())
        queue.expire(desk.engine)
    tasks, dead = operations.show(desk.engine, campaign.campaign_id)
    assert [(row["state"], row["tasks"]) for row in tasks] == [("dead", 2)]
    assert [(row["item_id"], row["lapses"]) for row in dead] == [("a", 2), ("b", 2)]
    assert client.lease() == []
    assert operations.revive(desk.engine, campaign.campaign_id) == 2
    assert operations.revive(desk.engine, campaign.campaign_id) == 0
    assert client.answer(client.lease()) == ["accepted"] * 2
    assert desk.states("batch_items", round_) == {"complete": 2}


def test_what_is_held_can_be_looked_up(desk):
    desk.publish(desk.campaign(vendors=TWO), 4)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    first, second = acme.call("lease", new(), 1), acme.call("lease", new(), 2)
    acme.answer(second["tasks"][:1])
    other = bolt.lease(1)
    leases = acme.call("leases")["leases"]
    assert {one["lease_id"]: one["assignments"] for one in leases} == {
        first["lease_id"]: ids(first), second["lease_id"]: [second["tasks"][1]["assignment_id"]],
    }  # fmt: skip
    asked = [*ids(first), *ids(second), other[0]["assignment_id"], new()]
    payloads = acme.call("payloads", asked)
    assert {row["assignment_id"]: row["payload"] for row in payloads} == {
        task["assignment_id"]: task["payload"] for task in (*first["tasks"], second["tasks"][1])
    }
    assert all(datetime.fromisoformat(row["expires_at"]).tzinfo for row in payloads)


def test_claims_begin_where_free_tasks_are(desk):
    """The mark rises over what is done, and falls when an answer is asked for again."""
    campaign = desk.campaign(vendors=TWO)
    round_ = desk.publish(campaign, 30)
    client = desk.client()
    low = "SELECT pick_low FROM labelrounds.rounds"
    client.answer(client.lease(20))
    held = client.lease(3)
    queue.expire(desk.engine)
    mark = desk.one(low)
    assert (
        mark == desk.one("SELECT min(pick_key) FROM labelrounds.tasks WHERE state IN ('ready', 'leased')") > 0
    )
    client.answer(held)
    client.answer(client.lease())
    queue.expire(desk.engine)
    operations.rework(desk.engine, campaign.campaign_id, "acme", None, "all wrong", refund=True, price_micro=10,
                      money_micro=None)  # fmt: skip
    assert desk.one(low) <= desk.one("SELECT min(pick_key) FROM labelrounds.tasks WHERE state = 'ready'")
    assert len(client.lease()) == 30
    assert desk.states("tasks", round_) == {"void": 30, "leased": 30}


def test_the_mark_is_right_while_a_task_is_being_added(desk):
    """A sweep that waits for who adds a task sees that task when it goes on."""
    import threading

    from infra.database.statements import statements

    campaign = desk.campaign(vendors=TWO)
    round_ = desk.publish(campaign, 5)
    client = desk.client()
    client.answer(client.lease(4))
    queue.expire(desk.engine)
    sql = statements("operations")
    item = desk.one("SELECT min(batch_item_id) FROM labelrounds.batch_items WHERE state = 'complete'")
    with desk.engine.begin() as connection:
        connection.execute(sql["lock_items"], {"items": [item], "round_id": round_.round_id})
        values = {"items": [item], "eligible": [None], "capable": [None], "price_micro": 10}
        connection.execute(sql["add_tasks"], values)
        connection.execute(sql["want_more"], {"items": [item]})
        sweep = threading.Thread(target=queue.expire, args=[desk.engine])
        sweep.start()
        desk.until("SELECT count(*) FROM pg_locks WHERE NOT granted")
    sweep.join()
    desk.check()
    assert len(desk.client("bolt").lease()) == 2
