"""Calls at the same moment: fences, last tasks, locks in one order; who is killed between two statements."""

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg2
import pytest

from infra.database import batches, operations, queue, rounds, vendors
from infra.database.batches import Limits, Schema, Seat
from infra.database.operations import Further
from tasks.errors import BudgetExceeded, LabelRoundsError, NotFound

ROOT = Path(__file__).parents[3]
TWO = {"acme": 10, "bolt": 10}


def together(*works):
    """Run all at one moment; give what each gave."""
    barrier, got = threading.Barrier(len(works)), [None] * len(works)

    def run(n, work):
        barrier.wait()
        got[n] = work()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def fences(desk, n):
    """T6: of two who hold a task after each other, exactly one counts, whoever comes first; nothing is lost."""
    round_ = desk.publish(desk.campaign(vendors=TWO), n)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    old = [task for _ in range(-(-n // 1000)) for task in acme.lease(1000)]
    desk.lapse(old)
    queue.expire(desk.engine)
    fresh = {task["payload"]["text"]: task for _ in range(-(-n // 1000)) for task in bolt.lease(1000)}
    assert len(fresh) == n
    rng, told = random.Random(6), Counter()
    for task in old:
        mine = fresh[task["payload"]["text"]]
        order = rng.choice(["old first", "new first", "at once"])
        if order == "at once":
            first, second = together(lambda task=task: acme.answer([task], "ham"),
                                     lambda mine=mine: bolt.answer([mine], "spam"))  # fmt: skip
        elif order == "old first":
            first, second = acme.answer([task], "ham"), bolt.answer([mine], "spam")
        else:
            second, first = bolt.answer([mine], "spam"), acme.answer([task], "ham")
        told.update([(first[0], second[0])])
    assert told == {("surplus", "accepted"): n}
    assert desk.one("SELECT count(*) FROM labelrounds.annotations") == 2 * n
    assert desk.states("tasks", round_) == {"filled": n}


def test_fences(desk):
    fences(desk, 60)


@pytest.mark.slow
def test_a_thousand_fences(desk):
    fences(desk, 1000)


def test_a_late_answer_and_a_new_lease_of_the_same_vendor_at_once(desk):
    """Whichever is first, the vendor is on the item once, and no call fails."""
    desk.publish(desk.campaign(), 40)
    one = desk.client()
    two = type(one)("acme", vendors.give_login(desk.engine, "acme"))
    desk.clients.append(two)
    held = one.lease()
    desk.lapse(held)
    queue.expire(desk.engine)
    for task in held:
        answered, leased = together(lambda task=task: one.answer([task]), lambda: two.lease(1))
        assert answered in (["late_accepted"], ["surplus"])
        if leased:
            assert two.answer(leased) in (["accepted"], ["CONFLICT"], ["duplicate"])


def skew(desk, vendors_at_once, items):
    """T7: all fill the last tasks of the same items at one moment, in orders of their own."""
    names = {f"v{n:02}": 10 for n in range(vendors_at_once)}
    round_ = desk.publish(desk.campaign("c", vendors=names), items, overlap=vendors_at_once)
    clients = [desk.client(name) for name in names]
    rng = random.Random(7)
    tasks = [[task for _ in range(-(-items // 1000)) for task in client.lease(1000)] for client in clients]
    for some in tasks:
        some.sort(key=lambda task: task["payload"]["text"])
    for start in range(0, items, 50):
        parts = [rng.sample(some[start : start + 50], len(some[start : start + 50])) for some in tasks]
        got = together(
            *(lambda c=client, p=part: c.answer(p) for client, part in zip(clients, parts, strict=True))
        )
        assert Counter(one for some in got for one in some) == {"accepted": sum(map(len, parts))}
    assert desk.states("batch_items", round_) == {"complete": items}


@pytest.mark.parametrize("at_once", [2, 9])
def test_the_last_tasks_at_once(desk, at_once):
    skew(desk, at_once, 50)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [2, 3, 5, 8, 15])
def test_the_last_tasks_of_a_thousand_items_at_once(desk, at_once):
    skew(desk, at_once, 1000)


class Mix:
    """T8: everything that can be called, at random, from many at once."""

    def __init__(self, desk, names, seconds):
        self.desk, self.end = desk, time.monotonic() + seconds
        self.campaign = desk.campaign("mix", vendors=dict.fromkeys(names, 10), overlap=2, lease_seconds=1)
        self.round = desk.publish(self.campaign, 400, overlap=2)
        self.clients = [desk.client(name) for name in names]
        self.errors: list[str] = []
        self.calls: Counter[str] = Counter()

    def vendor(self, client, seed):
        rng, held, named = random.Random(seed), [], []
        while time.monotonic() < self.end:
            what = rng.choice(["lease", "submit", "submit", "late", "correct", "extend", "release", "events"])
            try:
                if what == "lease":
                    lease = client.call("lease", str(uuid.uuid4()), rng.choice([1, 20, 60]))
                    held.append((lease["lease_id"], lease["tasks"]))
                elif what == "submit" and held:
                    _, tasks = held[-1]
                    rows = [
                        {"assignment_id": t["assignment_id"], "label": "ham"}
                        for t in rng.sample(tasks, len(tasks) // 2)
                    ]
                    named += [row["assignment_id"] for row in rows]
                    if rows:
                        client.submit([*rows, {}])
                elif what == "late" and held:
                    tasks = rng.choice(held)[1]
                    if tasks:
                        client.answer(rng.sample(tasks, len(tasks)))
                elif what == "correct" and named:
                    ids = rng.sample(named, min(20, len(named)))
                    client.correct(
                        [{"client_annotation_id": one, "base_revision": 1, "label": "spam"} for one in ids]
                    )
                elif what in ("extend", "release") and held and held[-1][0]:
                    client.call(what, str(uuid.uuid4()), held[-1][0])
                else:
                    client.call("events")
                self.calls[what] += 1
            except psycopg2.errors.InsufficientPrivilege:
                pass  # suspended
            except psycopg2.Error as error:
                self.errors.append(f"{what}: {error.pgcode} {error}")

    def operator(self, seed):
        rng, number = random.Random(seed), self.campaign.campaign_id
        while time.monotonic() < self.end:
            what = rng.choice(
                ["expire", "expire", "cancel", "rework", "reroute", "revive", "suspend", "further"]
            )
            name = rng.choice(self.clients).name
            items = [f"item-{rng.randrange(400):05}" for _ in range(15)]
            try:
                if what == "expire":
                    queue.expire(self.desk.engine)
                elif what == "cancel":
                    operations.cancel(self.desk.engine, number, items[:1])
                elif what == "rework":
                    operations.rework(self.desk.engine, number, name, items, "tried", refund=True, price_micro=10,
                                      money_micro=None)  # fmt: skip
                elif what == "reroute":
                    operations.reroute(self.desk.engine, number, 0)
                elif what == "revive":
                    operations.revive(self.desk.engine, number)
                elif what == "suspend":
                    vendors.suspend(self.desk.engine, name, "tried")
                    vendors.reactivate(self.desk.engine, name)
                else:
                    some = [Further(rng.randrange(1, 400)) for _ in range(5)]
                    operations.ask_further(
                        self.desk.engine, number, list({f.batch_item_id: f for f in some}.values()), 10, 9000
                    )
                self.calls[what] += 1
            except (NotFound, BudgetExceeded):
                pass
            except (LabelRoundsError, psycopg2.Error, Exception) as error:
                self.errors.append(f"{what}: {error}")

    def run(self, operators):
        works = [lambda c=c, n=n: self.vendor(c, n) for n, c in enumerate(self.clients)]
        works += [lambda n=n: self.operator(100 + n) for n in range(operators)]
        together(*works)


def mix(desk, n_vendors, operators, seconds):
    run = Mix(desk, [f"v{n:02}" for n in range(n_vendors)], seconds)
    run.run(operators)
    assert run.errors == []
    assert desk.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert min(run.calls[what] for what in ("lease", "submit", "late", "expire", "suspend")) > 0, run.calls


def test_everything_at_once(desk):
    mix(desk, 6, 2, 4)


@pytest.mark.slow
def test_everything_at_once_for_minutes(desk):
    mix(desk, 13, 3, 300)


SWEEP = """
import sys
from infra.database import queue
from infra.database.engine import connect
engine = connect(sys.argv[1])
print("go", flush=True)
queue.expire(engine)
"""


@pytest.mark.parametrize(
    ("table", "moment"), [("outbox", "INSERT"), ("tasks", "UPDATE"), ("rounds", "UPDATE")]
)
def test_a_sweep_that_is_killed_leaves_nothing_half(desk, database_url, table, moment):
    """It is stopped after its write to the table, by a lock that a trigger waits for, and killed there."""
    desk.publish(desk.campaign(vendors=TWO), 6)
    client = desk.client()
    desk.lapse(client.lease(4))
    desk.run("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
             "$$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END $$")  # fmt: skip
    desk.run(f"CREATE TRIGGER stop AFTER {moment} ON labelrounds.{table} EXECUTE FUNCTION wait()")
    with desk.engine.connect() as holder:
        holder.exec_driver_sql("SELECT pg_advisory_lock(42)")
        process = subprocess.Popen(
            [sys.executable, "-c", SWEEP, database_url], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert process.stdout.readline() == b"go\n"
        desk.until(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = 0 AND objid = 42"
        )
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        holder.exec_driver_sql("SELECT pg_advisory_unlock(42)")
    desk.until(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    )
    desk.check()
    desk.run(f"DROP TRIGGER stop ON labelrounds.{table}")
    done = 0 if table != "rounds" else 4
    assert queue.expire(desk.engine) == {"ready": 4 - done, "dead": 0}
    assert len(client.lease()) == 6


def test_two_publish_at_once(desk, other_desk):
    """T21: one batch, all of its tasks."""
    campaign = desk.campaign()
    for turn in range(8):
        round_ = desk.scored(campaign)
        picks = desk.picks([f"{turn}-{n}" for n in range(50)], [Seat(10)] * 2)

        def publish(desk, round_=round_, picks=picks):
            schema = Schema("classification", ("ham", "spam"), f"version {round_.number}")
            return batches.publish(desk.engine, round_, picks, schema=schema, exclusive=True, due_seconds=60,
                                   limits=Limits(10**6, None))  # fmt: skip

        assert sorted(together(lambda: publish(desk), lambda: publish(other_desk))) == [False, True]
        assert desk.states("tasks", round_) == {"ready": 100}
        round_ = rounds.find(desk.engine, round_.round_id)
        assert queue.withdraw_overdue(desk.engine, round_, 0.0)
        rounds.store(desk.engine, round_, "closed")


class TestPlans:
    """What a call costs follows from what it takes, whatever is known of the tables' sizes."""

    def explain(self, desk, name, values):
        source = desk.one("SELECT prosrc FROM pg_proc WHERE proname = :name", name=name)
        for old, new in values.items():
            assert old in source, old
            source = source.replace(old, new)
        connection = desk.engine.raw_connection()
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {source}")
                return "\n".join(row[0] for row in cursor.fetchall())
        finally:
            connection.close()

    @pytest.mark.parametrize("analyzed", [False, True])
    def test_rows_are_looked_up_by_their_keys(self, desk, analyzed):
        desk.publish(desk.campaign(), 3000)
        client = desk.client()
        for _ in range(2):
            client.answer(client.lease(1000))
        lease = client.call("lease", str(uuid.uuid4()), 100)
        rows = json.dumps(
            [{"assignment_id": task["assignment_id"], "label": "ham"} for task in lease["tasks"]]
        )
        desk.run("CREATE TABLE public.told AS "
                 "SELECT array_agg(labelrounds.understand(r.value, CAST(r.nth - 1 AS int))) AS all_rows "
                 "FROM jsonb_array_elements(CAST(:rows AS jsonb)) WITH ORDINALITY r (value, nth)",
                 rows=rows)  # fmt: skip
        if analyzed:
            desk.run("ANALYZE")
        plan = self.explain(desk, "judge", {
            "unnest(rows)": "unnest((SELECT all_rows FROM public.told))", "= v.vendor_id": "= 1",
            "WHEN v.state": "WHEN 'active'",
        })  # fmt: skip
        for table in ("annotations", "assignments", "tasks"):
            assert f"Seq Scan on {table}" not in plan, plan
        assert "hashed SubPlan" not in plan, plan
        assert "annotations_vendor" not in plan, plan
        plan = self.explain(desk, "lease_shown", {
            "lease_id = lease": f"lease_id = '{lease['lease_id']}'", "'lease_id', lease": "'lease_id', 1",
            "v.key": "gen_random_uuid()",
        })  # fmt: skip
        assert re.search(r"Index Scan using batch_items_pkey", plan), plan


@pytest.mark.slow
def test_a_vendor_that_has_done_nearly_all(desk):
    """T10: the tasks that are left are others', and saying so is quick among 100,000."""
    round_ = desk.publish(desk.campaign(vendors=TWO), 50_000, overlap=2)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    desk.run("UPDATE labelrounds.vendors SET max_open = 1000000")
    for _ in range(50):
        acme.answer(acme.lease(1000))
    assert desk.states("tasks", round_) == {"filled": 50_000, "ready": 50_000}
    for analyzed in (False, True):
        if analyzed:
            desk.run("ANALYZE")
        queue.expire(desk.engine)
        took = []
        for _ in range(9):
            begun = time.perf_counter()
            empty = acme.call("lease", str(uuid.uuid4()), 100)
            took.append(time.perf_counter() - begun)
            assert empty["tasks"] == []
            assert empty["retry_after_s"] >= 5
        assert sorted(took)[4] < 0.1, took
    assert len(bolt.lease(1000)) == 1000


def seen_of_gold(desk, items, gold):
    """Lease all of a batch; give what can be seen of each task as numbers, and which are gold."""
    campaign = desk.campaign(vendors=TWO)
    acme_only = Seat(10, (desk.vendor_id("acme"),), (desk.vendor_id("acme"),))
    picks = desk.picks([f"i{n:05}" for n in range(items)])
    chosen = set(random.Random(13).sample(range(items), gold))
    picks = [replace(pick, kind="gold", expected="ham", seats=(acme_only,)) if n in chosen else pick
             for n, pick in enumerate(picks)]  # fmt: skip
    desk.publish_picks(campaign, picks)
    acme = desk.client("acme")
    desk.run("UPDATE labelrounds.vendors SET max_open = 10000")
    rows, known, shapes = [], [], set()
    while tasks := acme.lease(250):
        for place, task in enumerate(tasks):
            shapes.add(
                (frozenset(task), frozenset(task["payload"]), task["priority"], task["due_at"], task["task"])
            )
            name, item = uuid.UUID(task["assignment_id"]), uuid.UUID(task["item"])
            rows.append([len(rows), place, name.int >> 90, item.int >> 90, name.int % 997, item.int % 997])
            known.append(int(task["payload"]["text"][1:]) in chosen)
    assert (len(rows), sum(known), len(shapes)) == (items, gold, 1)
    return np.array(rows, float), np.array(known)


def auc(scores, known):
    """How often gold has the higher number of two."""
    ranks = np.argsort(np.argsort(scores))
    return (ranks[known].mean() - (known.sum() - 1) / 2) / (~known).sum()


def test_gold_is_not_told_by_any_one_number_of_a_task(desk):
    numbers, known = seen_of_gold(desk, 2000, 400)
    for column in numbers.T:
        assert 0.42 <= auc(column, known) <= 0.58  # five times what chance does


@pytest.mark.slow
def test_gold_is_not_told_by_what_a_vendor_sees(desk):
    """T13: from ids, order, keys and deadlines no better a guess can be made than by chance."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_predict

    numbers, known = seen_of_gold(desk, 5000, 600)
    guesser = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    found = cross_val_predict(guesser, numbers, known, cv=4, method="predict_proba")[:, 1]
    assert 0.45 <= auc(found, known) <= 0.55
