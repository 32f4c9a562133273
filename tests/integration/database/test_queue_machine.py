"""The queue against its model: whatever vendors, sweep, operator and rounds do in any order, and repeat."""

import os
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from infra.database import queue
from tests.integration.database.bench import ANSWERS, CAP, VENDORS, Bench
from tests.integration.database.walk import random_step


class QueueMachine(RuleBasedStateMachine):
    def __init__(self, desk, clients):
        super().__init__()
        self.parts = (desk, clients)

    @initialize()
    def begin(self):
        self.bench = Bench(*self.parts)

    @precondition(lambda self: any(side.round is None for side in self.bench.sides))
    @rule(data=st.data(), fresh=st.integers(0, 6), again=st.integers(0, 3), overlap=st.sampled_from([2, 1, 3]),
          gold=st.integers(0, 2))  # fmt: skip
    def publish(self, data, fresh, again, overlap, gold):
        side = data.draw(st.sampled_from([side for side in self.bench.sides if side.round is None]))
        self.bench.publish(side, fresh, again, overlap, gold)

    @rule(vendor=st.sampled_from(VENDORS), asked=st.integers(1, 8))
    def lease(self, vendor, asked):
        self.bench.lease(vendor, asked)

    @precondition(lambda self: self.bench.model.claims)
    @rule(data=st.data(), n=st.integers(1, 6))
    def submit(self, data, n):
        def pick(some):
            return data.draw(st.sampled_from(some))

        claim = self.bench.model.claims[pick(list(self.bench.model.claims))]
        self.bench.submit(claim.vendor, self.bench.rows(pick, claim.vendor, n))

    @precondition(lambda self: self.bench.leases)
    @rule(data=st.data(), give_back=st.booleans(), everything=st.booleans())
    def extend_or_release(self, data, give_back, everything):
        vendor, lease = data.draw(st.sampled_from(self.bench.leases))
        if give_back:
            held = [claim.assignment for claim in self.bench.model.open_of(lease)]
            self.bench.release(vendor, lease, None if everything else held[:1] or None)
        else:
            self.bench.extend(vendor, lease)

    @precondition(lambda self: any(claim.revisions for claim in self.bench.model.claims.values()))
    @rule(data=st.data(), vendor=st.sampled_from(VENDORS), own=st.booleans(), base=st.integers(1, 4),
          answer=st.sampled_from(ANSWERS[:4]))  # fmt: skip
    def correct(self, data, vendor, own, base, answer):
        known = [claim for claim in self.bench.model.claims.values() if claim.revisions]
        claim = data.draw(st.sampled_from(known))
        self.bench.correct(claim.vendor if own else vendor, claim.client, base, answer)

    @precondition(lambda self: self.bench.calls)
    @rule(data=st.data())
    def repeat(self, data):
        self.bench.repeat(lambda some: data.draw(st.sampled_from(some)))

    @precondition(lambda self: any(task.state == "leased" for task in self.bench.model.tasks))
    @rule(data=st.data(), sweep=st.booleans())
    def lapse(self, data, sweep):
        leased = [task for task in self.bench.model.tasks if task.state == "leased"]
        picked = data.draw(st.lists(st.sampled_from(range(len(leased))), min_size=1, unique=True))
        self.bench.lapse([leased[number] for number in picked])
        if sweep:
            self.bench.expire()

    @rule(vendor=st.sampled_from(VENDORS))
    def suspend_or_reactivate(self, vendor):
        self.bench.suspend(vendor)

    @precondition(lambda self: self.bench.model.items)
    @rule(data=st.data(), what=st.sampled_from(["rework", "cancel", "revive", "further"]),
          vendor=st.sampled_from(VENDORS), refund=st.booleans())  # fmt: skip
    def operate(self, data, what, vendor, refund):
        side = data.draw(st.sampled_from([side for side in self.bench.sides if self.bench.items_of(side)]))
        known = st.sampled_from(self.bench.items_of(side))
        names = data.draw(st.lists(known, min_size=1, max_size=3, unique=True))
        if what == "rework":
            self.bench.rework(side, vendor, names, refund)
        elif what == "cancel":
            self.bench.cancel(side, names[:1])
        elif what == "further":
            self.bench.further(side, names)
        else:
            self.bench.revive(side)

    @rule(data=st.data(), vendor=st.sampled_from(VENDORS))
    def change_terms(self, data, vendor):
        self.bench.change_terms(data.draw(st.sampled_from(self.bench.sides)), vendor)

    @precondition(lambda self: self.bench.model.open)
    @rule(data=st.data(), share=st.sampled_from([0.5, 0.9, 1.0]))
    def close(self, data, share):
        side = data.draw(st.sampled_from([side for side in self.bench.sides if side.round is not None]))
        self.bench.close(side, share)

    @invariant()
    def agree(self):
        if hasattr(self, "bench"):
            self.bench.agree()

    def teardown(self):
        if hasattr(self, "bench"):
            self.bench.end()


@pytest.fixture
def clients(desk, monkeypatch):
    monkeypatch.setattr(queue, "MAX_ATTEMPTS", 3)  # few steps are enough for a task to die
    clients = {name: desk.client(name) for name in VENDORS}
    desk.run("UPDATE labelrounds.vendors SET max_open = :cap", cap=CAP)
    return clients


def test_the_queue_does_what_the_model_does(desk, clients):
    run_state_machine_as_test(
        lambda: QueueMachine(desk, clients),
        settings=settings(
            max_examples=10,
            stateful_step_count=25,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],  # every step waits for a server: to shrink takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


def walk(desk, clients, rng, walks, steps):
    """Walk through likely steps; give how often each verdict was met."""
    met: Counter[str] = Counter()
    for _ in range(walks):
        bench = Bench(desk, clients)
        for _ in range(steps):
            random_step(bench, rng)
            bench.agree()
        met.update(bench.seen)
        bench.end()
    return met


VERDICTS = ("accepted", "late_accepted", "surplus", "duplicate", "corrected", "CONFLICT", "UNKNOWN_ASSIGNMENT",
            "LABEL_NOT_IN_SCHEMA", "TASK_CANCELLED", "STALE_REVISION", "BAD_TYPE")  # fmt: skip


def test_a_walk_of_busy_and_late_vendors(desk, clients):
    """What hypothesis seldom comes to: answers for tasks that were lost, retaken, filled or given up meanwhile."""
    met = walk(desk, clients, random.Random(5), 2, 150)
    # The walk is worth its time only while it comes to these.
    wanted = ("accepted", "late_accepted", "surplus", "duplicate", "corrected", "rework")
    assert min(met[verdict] for verdict in wanted) >= 3, met
    rare = ("further", "batch too dear", "rework too dear", "further too dear")
    assert min(met[what] for what in rare) >= 1, met


@pytest.mark.slow
def test_ten_thousand_steps(desk, clients):
    """T11. Another walk with LABELROUNDS_WALK=seed."""
    met = walk(desk, clients, random.Random(int(os.environ.get("LABELROUNDS_WALK", "0"))), 40, 250)
    assert (
        min(
            met[verdict] for verdict in (*VERDICTS, "BATCH_CLOSED", "UNKNOWN_ANNOTATION", "CORRECTION_CLOSED")
        )
        >= 10
    ), met
