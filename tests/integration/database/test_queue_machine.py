"""The queue against a model in plain Python: whatever vendors, sweep and rounds do in any order."""

import random
import uuid
from collections import Counter
from dataclasses import dataclass, field

import psycopg2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from infra.database import batches, campaigns, queue, rounds
from infra.database.batches import Limits
from tasks.errors import BudgetExceeded

PRICES = {"acme": 10, "bolt": 7, "coda": 12}
HELD = 10  # for each task; coda is paid no more
CAP = 6
LABELS, MONEY = 40, 500
LIVE = ("ready", "leased", "dead")


@dataclass
class Task:
    task_id: int
    item: str
    pick_key: int
    state: str = "ready"
    vendor: str | None = None
    assignment: str | None = None
    attempts: int = 0
    lapsed: bool = False


@dataclass
class Item:
    tasks: list[Task] = field(default_factory=list)
    state: str = "open"
    seen: set[str] = field(default_factory=set)


@dataclass
class Claim:
    """An assignment: what a vendor was told, and what it answered."""

    task: Task
    item: Item
    vendor: str
    answered: tuple[str, str | None] | None = None


class QueueMachine(RuleBasedStateMachine):
    numbers = iter(range(10**9))

    def __init__(self, desk, clients):
        super().__init__()
        self.desk, self.clients = desk, clients
        self.items: dict[str, Item] = {}
        self.claims: dict[str, Claim] = {}
        self.requests: list[tuple[str, str, list, list]] = []
        self.leases: list[tuple[str, str, list[str]]] = []
        self.round = None
        self.bought = self.spent = 0
        self.free: list[str] = []

    @initialize()
    def begin(self):
        self.name = f"campaign-{next(self.numbers)}"
        self.desk.rng.seed(0)  # steps that are repeated give the same pick keys
        self.campaign = self.desk.campaign(self.name, vendors=PRICES)

    def tasks(self):
        return [task for item in self.items.values() for task in item.tasks]

    @precondition(lambda self: self.round is None)
    @rule(fresh=st.integers(0, 6), again=st.integers(0, 3), overlap=st.sampled_from([2, 1, 3]))
    def publish(self, fresh, again, overlap):
        ids = [f"{self.name}-{next(self.numbers)}" for _ in range(fresh)] + self.free[:again]
        round_ = self.desk.scored(self.campaign)
        within = self.bought + len(ids) <= LABELS and self.spent + len(ids) * overlap * HELD <= MONEY
        try:
            assert batches.publish(
                self.desk.engine, round_, self.desk.picks(ids), overlap=overlap, price_micro=HELD,
                due_seconds=3600, limits=Limits(LABELS, MONEY),
            )  # fmt: skip
        except BudgetExceeded:
            assert not within
            rounds.end(self.desk.engine, round_, "failed", "over the budget")
            return
        assert within
        self.round = rounds.find(self.desk.engine, round_.round_id)
        self.free, self.items = self.free[again:], {one: Item() for one in ids}
        self.bought += len(ids)
        rows = self.desk.run(
            "SELECT t.task_id, i.item_id, t.pick_key FROM labelrounds.tasks t "
            "JOIN labelrounds.batch_items i USING (batch_item_id) WHERE t.round_id = :id",
            id=round_.round_id,
        )
        for task_id, item, pick_key in rows:
            self.items[item].tasks.append(Task(task_id, item, pick_key))
        assert all(len(item.tasks) == overlap for item in self.items.values())

    def takers(self):
        """Vendors for whom something is free."""
        free = [self.items[task.item].seen for task in self.tasks() if task.state == "ready"]
        return [vendor for vendor in sorted(PRICES) if any(vendor not in seen for seen in free)]

    @precondition(lambda self: self.takers())
    @rule(data=st.data(), asked=st.integers(1, 8))
    def lease(self, data, asked):
        self.take(data.draw(st.sampled_from(self.takers())), asked)

    @rule(vendor=st.sampled_from(sorted(PRICES)))
    def lease_whatever_there_is(self, vendor):
        self.take(vendor, 1)

    def take(self, vendor, asked):
        held = sum(task.state == "leased" and task.vendor == vendor for task in self.tasks())
        room = min(asked, CAP - held)
        free = [t for t in self.tasks() if t.state == "ready" and vendor not in self.items[t.item].seen]
        first: dict[str, Task] = {}
        for task in sorted(free, key=lambda task: task.pick_key)[: max(room, 0)]:
            first[task.item] = min(task, first.get(task.item, task), key=lambda task: task.task_id)
        request = str(uuid.uuid4())
        got = self.clients[vendor].lease(asked, request)
        assert sorted(task["payload"]["text"] for task in got) == sorted(first)
        # In an order that is the same when hypothesis repeats the steps; assignment ids are random.
        for row in sorted(got, key=lambda row: first[row["payload"]["text"]].pick_key):
            task = first[row["payload"]["text"]]
            task.state, task.vendor, task.assignment = "leased", vendor, str(row["assignment_id"])
            task.attempts, task.lapsed = task.attempts + 1, False
            self.items[task.item].seen.add(vendor)
            self.claims[task.assignment] = Claim(task, self.items[task.item], vendor)
        self.leases.append((vendor, request, sorted(str(row["assignment_id"]) for row in got)))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def lease_again(self, data):
        vendor, request, before = data.draw(st.sampled_from(self.leases))
        got = self.clients[vendor].lease(1 + len(before), request)
        assert sorted(str(row["assignment_id"]) for row in got) == before

    def judge(self, vendor, assignment, answer, label):
        """What the rules say becomes of one answer."""
        claim = self.claims.get(assignment)
        if claim is None or claim.vendor != vendor:
            return "UNKNOWN_ASSIGNMENT"
        if answer == "label" and label not in ("ham", "spam"):
            return "UNKNOWN_CLASS"
        told = (answer, label if answer == "label" else None)
        if claim.answered is not None:
            return "duplicate" if claim.answered == told else "ALREADY_ANSWERED"
        claim.answered = told
        task, item = claim.task, claim.item
        if task.state == "leased" and task.assignment == assignment:
            verdict = "late_accepted" if task.lapsed else "accepted"
        elif task.state in ("ready", "dead") and vendor not in item.seen:
            verdict = "late_accepted"
        else:
            return "surplus"
        item.seen.add(vendor)
        task.state, task.vendor, task.assignment = "filled", vendor, assignment
        if all(task.state == "filled" for task in item.tasks):
            item.state = "complete"
        self.spent += min(PRICES[vendor], HELD)
        return verdict

    def unanswered(self):
        return [one for one, claim in self.claims.items() if claim.answered is None]

    @precondition(lambda self: self.unanswered())
    @rule(data=st.data(), answer=st.sampled_from(["label", "skip"]))
    def submit(self, data, answer):
        """What an honest vendor does, in time or late."""
        first = data.draw(st.sampled_from(self.unanswered()))
        vendor = self.claims[first].vendor
        own = [one for one in self.unanswered() if self.claims[one].vendor == vendor]
        more = data.draw(st.lists(st.sampled_from(own), max_size=4))
        self.hand_in(vendor, [(one, answer, "ham") for one in dict.fromkeys([first, *more])])

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), vendor=st.sampled_from(sorted(PRICES)))
    def submit_anything(self, data, vendor):
        ids = st.sampled_from([*self.claims, str(uuid.UUID(int=7))])
        row = st.tuples(ids, st.sampled_from(["label", "skip"]), st.sampled_from(["ham", "spam", "eggs"]))
        self.hand_in(vendor, data.draw(st.lists(row, min_size=1, max_size=6)))

    def hand_in(self, vendor, rows):
        body = [{"assignment_id": one, "answer": answer, "label": label} for one, answer, label in rows]
        body.append("garbage")
        request = str(uuid.uuid4())
        told = self.clients[vendor].submit(body, request)
        verdicts = [self.judge(vendor, *row) for row in rows]
        assert [row["code"] or row["status"] for row in told] == [*verdicts, "NOT_AN_OBJECT"]
        self.requests.append((vendor, request, body, told))

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), other=st.booleans())
    def submit_again(self, data, other):
        vendor, request, body, told = data.draw(st.sampled_from(self.requests))
        if other:
            with pytest.raises(psycopg2.errors.InvalidParameterValue, match="other answers"):
                self.clients[vendor].submit(body[:-1], request)
        else:
            assert self.clients[vendor].submit(body, request) == told

    @precondition(lambda self: any(task.state == "leased" for task in self.tasks()))
    @rule(data=st.data(), sweep=st.booleans())
    def lapse(self, data, sweep):
        leased = [task for task in self.tasks() if task.state == "leased"]
        picked = data.draw(st.lists(st.sampled_from(range(len(leased))), min_size=1, unique=True))
        self.let_lapse([leased[number] for number in picked])
        if sweep:
            self.expire()

    def let_lapse(self, tasks):
        for task in tasks:
            task.lapsed = True
        self.desk.lapse([{"assignment_id": task.assignment} for task in tasks])

    @rule()
    def expire(self):
        expected = {"ready": 0, "dead": 0}
        for task in self.tasks():
            if task.state == "leased" and task.lapsed:
                task.state = "dead" if task.attempts >= queue.MAX_ATTEMPTS else "ready"
                self.items[task.item].seen.discard(task.vendor)
                task.vendor = task.assignment = None
                expected[task.state] += 1
        assert queue.expire(self.desk.engine) == expected

    @precondition(lambda self: self.round is not None and self.claims)
    @rule(due=st.booleans(), share=st.sampled_from([0.5, 0.9, 1.0]))
    def withdraw(self, due, share):
        if due:
            self.desk.let_due(self.round)
        complete = sum(item.state == "complete" for item in self.items.values())
        if complete < share * len(self.items) and not due:
            assert not queue.withdraw_overdue(self.desk.engine, self.round, share)
            return
        assert queue.withdraw_overdue(self.desk.engine, self.round, share)
        for name, item in self.items.items():
            if item.state != "open":
                continue
            item.state = "complete" if any(task.state == "filled" for task in item.tasks) else "cancelled"
            for task in item.tasks:
                task.state = "cancelled" if task.state in LIVE else task.state
            if item.state == "cancelled":
                self.free.append(name)
                self.bought -= 1
        self.agree()
        rounds.store(self.desk.engine, self.round, "closed")
        self.round, self.items = None, {}

    @invariant()
    def agree(self):
        if not hasattr(self, "campaign"):
            return
        balance = campaigns.balance(self.desk.engine, self.campaign.campaign_id)
        held = HELD * sum(task.state in LIVE for task in self.tasks())
        assert balance == campaigns.Balance(self.bought, self.spent, held)
        assert self.bought <= LABELS
        assert self.spent + held <= MONEY
        if self.round is not None:
            rows = self.desk.run("SELECT task_id, state::text FROM labelrounds.tasks WHERE round_id = :id",
                                 id=self.round.round_id)  # fmt: skip
            assert dict(map(tuple, rows)) == {task.task_id: task.state for task in self.tasks()}
            states = {row["item_id"]: row["state"] for row in batches.batch_of(self.desk.engine, self.round)}
            assert states == {name: item.state for name, item in self.items.items()}

    def teardown(self):
        self.desk.check()
        if self.round is not None:
            self.desk.let_due(self.round)
            queue.withdraw_overdue(self.desk.engine, self.round, 1.0)


@pytest.fixture
def clients(desk, monkeypatch):
    monkeypatch.setattr(queue, "MAX_ATTEMPTS", 3)  # few steps are enough for a task to die
    clients = {name: desk.client(name) for name in PRICES}
    desk.run("UPDATE labelrounds.vendors SET max_open = :cap", cap=CAP)
    return clients


def test_the_queue_does_what_the_model_does(desk, clients):
    run_state_machine_as_test(
        lambda: QueueMachine(desk, clients),
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("seed", range(3))
def test_long_walks_of_busy_and_late_vendors(desk, clients, seed):
    """What hypothesis seldom comes to: answers for tasks that were lost, retaken, filled or given up meanwhile."""
    rng, told = random.Random(seed), Counter()
    for _ in range(8):
        machine = QueueMachine(desk, clients)
        machine.begin()
        for _ in range(50):
            step(machine, rng)
            machine.agree()
        told.update(row["status"] for *_, rows in machine.requests for row in rows)
        machine.teardown()
    # The walk is worth its time only while it comes to all of these.
    assert (
        min(told[status] for status in ("accepted", "late_accepted", "surplus", "duplicate", "rejected")) >= 5
    )


def step(machine, rng):
    """One likely step of a queue in use."""
    leased = [task for task in machine.tasks() if task.state == "leased"]
    late = [one for one in machine.unanswered() if machine.claims[one].task.assignment != one]
    what = rng.choices(
        ["take", "answer", "late", "lapse", "again", "odd", "withdraw"], [5, 2, 3, 4, 1, 1, 0.4]
    )[0]
    if machine.round is None:
        machine.publish(rng.randint(2, 6), 3, rng.choice([1, 2, 2, 3]))
    elif what == "take" and machine.takers():
        machine.take(rng.choice(machine.takers()), rng.randint(1, 4))
    elif what in ("answer", "late") and (ids := late if what == "late" else machine.unanswered()):
        one = rng.choice(ids)
        machine.hand_in(machine.claims[one].vendor, [(one, rng.choice(["label", "label", "skip"]), "ham")])
    elif what == "lapse" and leased:
        machine.let_lapse(rng.sample(leased, rng.randint(1, len(leased))))
        machine.expire()
    elif what == "again" and machine.requests:
        vendor, _, body, _ = rng.choice(machine.requests)
        machine.hand_in(vendor, [(row["assignment_id"], row["answer"], row["label"]) for row in body[:-1]])
    elif what == "odd" and machine.claims:
        machine.hand_in(rng.choice(sorted(PRICES)), [(rng.choice([*machine.claims]), "label", "eggs")])
    elif what == "withdraw":
        machine.withdraw(rng.random() < 0.7, 0.5)
