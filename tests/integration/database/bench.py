"""The queue and its model side by side: two campaigns that share vendors, and money that is nearly used up."""

import json
import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from infra.database import batches, campaigns, operations, queue, rounds, vendors
from infra.database.batches import Limits, Schema, Seat
from infra.database.campaigns import CampaignRow, Offer
from infra.database.operations import Further
from infra.database.rounds import Round
from tasks.errors import BudgetExceeded
from tests.integration.database.model import CLASSES, Book, Item, Model, Row, Task, Terms

VENDORS = ("acme", "bolt", "coda")
# In the first coda is paid no more than is held; in the second it is asked only where others leave doubt.
TERMS = (
    {"acme": Terms(10), "bolt": Terms(5, "EUR", "1.3"), "coda": Terms(12)},
    {"acme": Terms(8, "EUR", "1.1"), "coda": Terms(1700, "JPY", "0.0065")},
)
OTHER = {"acme": Terms(9, "GBP", "1.27"), "bolt": Terms(4), "coda": Terms(13)}
SENIORS: tuple[frozenset[str], ...] = (frozenset(), frozenset({"coda"}))
HELD = (10, 12)  # for an ordinary task
BUDGETS = (40, 30)
SPARE = 5  # left when a budget was raised for a batch that it did not suffice for
CAP = 6
ANSWERS = [("label", "ham"), ("label", "spam"), ("skip", "ham"), ("unsure", "ham"), ("label", "eggs")]


@dataclass
class Side:
    """One campaign at the desk."""

    name: str
    row: CampaignRow
    held: int
    seniors: frozenset[str]
    round: Round | None = None
    free: list[str] = field(default_factory=list)
    bought: int = 0


class Bench:
    """The queue and its model, side by side. What there is to choose is chosen by `pick`, from a list."""

    numbers = iter(range(10**9))

    def __init__(self, desk, clients):
        self.desk, self.clients = desk, clients
        desk.rng.seed(0)  # steps that are repeated give the same pick keys
        for name in VENDORS:
            vendors.reactivate(desk.engine, name)
        self.ids = {name: desk.vendor_id(name) for name in VENDORS}
        self.names = dict(map(reversed, self.ids.items()))
        self.name = f"campaign-{next(self.numbers)}"
        names = [f"{self.name}-{letter}" for letter in "ab"]
        books = {
            name: Book(dict(terms), money) for name, terms, money in zip(names, TERMS, BUDGETS, strict=True)
        }
        self.model = Model(books, CAP, queue.MAX_ATTEMPTS)
        self.before = self.figures()
        self.sides = [
            Side(name, desk.campaign(name, vendors=dict.fromkeys(TERMS[n], 1)), HELD[n], SENIORS[n])
            for n, name in enumerate(names)
        ]
        for side in self.sides:
            self.offer(side)
        self.calls: list[tuple[str, str, tuple, object]] = []
        self.leases: list[tuple[str, str]] = []
        self.seen: Counter[str] = Counter()

    def figures(self) -> Counter[tuple[str, str]]:
        """What each vendor has earned, by its own currencies."""
        found = vendors.list_vendors(self.desk.engine)
        return Counter({(one["name"], code): n for one in found for code, n in one["earned_micro"].items()})

    def offer(self, side):
        offers = [
            Offer(name, one.price, 60, own_micro=one.own, currency=one.currency, rate=Decimal(one.rate))
            for name, one in self.model.books[side.name].terms.items()
        ]
        side.row = campaigns.register(self.desk.engine, side.name, side.row.spec, "d", offers)

    def change_terms(self, side, vendor):
        """Pay a vendor something else from now on; what is leased keeps its price."""
        terms = self.model.books[side.name].terms
        if vendor in terms:
            terms[vendor] = OTHER[vendor] if terms[vendor] != OTHER[vendor] else Terms(6, "EUR", "1.1")
            self.offer(side)

    def call(self, vendor, function, *arguments):
        """Call the queue, and remember what it said: the same call must be answered alike for ever."""
        answer = self.clients[vendor].call(function, *arguments)
        self.calls.append((vendor, function, arguments, answer))
        return answer

    def publish(self, side, fresh, again, overlap, gold):
        """A batch of work, an audit item first, with gold for one vendor each; refused where it costs too much."""
        ids = [f"{side.name}-{next(self.numbers)}" for _ in range(fresh)] + side.free[:again]
        ordinary = tuple(
            self.ids[one] for one in self.model.books[side.name].terms if one not in side.seniors
        )
        whom = ordinary if side.seniors else None
        picks = self.desk.picks(ids, [Seat(side.held, whom, whom)] * overlap)
        picks[:1] = [replace(one, kind="audit", inclusion_probability=0.5) for one in picks[:1]]
        for vendor in ordinary[:gold]:
            (one,) = self.desk.picks(
                [f"{side.name}-gold-{next(self.numbers)}"], [Seat(7, (vendor,), (vendor,))]
            )
            picks.append(replace(one, kind="gold", expected="ham"))
        price = sum(seat.price_micro for pick in picks for seat in pick.seats)
        round_ = self.desk.scored(side.row)

        def publish(money):
            return batches.publish(
                self.desk.engine, round_, picks, schema=Schema("classification", CLASSES), exclusive=True,
                due_seconds=3600, limits=Limits(10**9, money),
            )  # fmt: skip

        book = self.model.books[side.name]
        if price > self.model.left(side.name):
            with pytest.raises(BudgetExceeded):
                publish(book.budget)
            self.agree()
            rounds.end(self.desk.engine, round_, "stopped", "no money")
            book.budget += price - self.model.left(side.name) + SPARE
            self.seen["batch too dear"] += 1
            return
        if price:
            # One micro unit less would not do.
            with pytest.raises(BudgetExceeded):
                publish(book.spent + price - 1)
        assert publish(book.budget)
        side.round = rounds.find(self.desk.engine, round_.round_id)
        side.free, side.bought = side.free[again:], side.bought + len(ids)
        self.model.open.append(side.name)
        self.model.items |= {pick.item_id: Item(pick.item_id, side.name, pick.kind) for pick in picks}
        for row in self.stored_tasks(side):
            self.model.items[row[1]].tasks.append(self.task(row))

    def stored_tasks(self, side):
        return self.desk.run(
            "SELECT t.task_id, i.item_id, t.pick_key, t.price_micro, t.eligible FROM labelrounds.tasks t "
            "JOIN labelrounds.batch_items i USING (batch_item_id) WHERE t.round_id = :id ORDER BY t.task_id",
            id=side.round.round_id,
        )

    def task(self, row: Any) -> Task:
        whom = None if row[4] is None else frozenset(self.names[one] for one in row[4])
        return Task(row[0], self.model.items[row[1]], row[2], row[3], whom)

    def added(self, side) -> list[Any]:
        known = {task.task_id for task in self.model.tasks}
        return [row for row in self.stored_tasks(side) if row[0] not in known]

    def lease(self, vendor, asked):
        request = str(uuid.uuid4())
        if vendor in self.model.suspended:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                self.clients[vendor].call("lease", request, asked)
            return
        expected = {task.item.name: task for task in self.model.lease(vendor, asked)}
        lease = self.clients[vendor].call("lease", request, asked)
        assert sorted(task["payload"]["text"] for task in lease["tasks"]) == sorted(expected)
        if not expected:
            return
        self.calls.append((vendor, "lease", (request, asked), lease))
        self.leases.append((vendor, lease["lease_id"]))
        # In an order that is the same when hypothesis repeats the steps; assignment ids are random.
        for told in sorted(lease["tasks"], key=lambda told: expected[told["payload"]["text"]].pick_key):
            task = expected[told["payload"]["text"]]
            self.model.claim(vendor, lease["lease_id"], task, told["assignment_id"])

    def extend(self, vendor, lease):
        if vendor not in self.model.suspended:
            told = self.call(vendor, "extend", str(uuid.uuid4()), lease, 50)
            assert told["extended"] == self.model.extend(lease)

    def release(self, vendor, lease, assignments):
        told = self.call(vendor, "release", str(uuid.uuid4()), lease, assignments)
        assert told["released"] == self.model.release(lease, assignments)

    def submit(self, vendor, rows):
        body = [row.as_json() for row in rows] + ["garbage"]
        told = self.call(vendor, "submit", str(uuid.uuid4()), json.dumps(body))["rows"]
        verdicts = [*self.model.submit(vendor, rows), "BAD_TYPE"]
        assert [row["code"] or row["result"] for row in told] == verdicts
        self.seen.update(verdicts)

    def correct(self, vendor, client, base, answer):
        told = (answer[0], answer[1] if answer[0] == "label" else None)
        body = {
            "client_annotation_id": client,
            "base_revision": base,
            "answer": answer[0],
            "label": answer[1],
        }
        (row,) = self.call(vendor, "correct", str(uuid.uuid4()), json.dumps([body]))["rows"]
        verdict = self.model.correct(vendor, client, base, told)
        if answer[1] == "eggs" and verdict not in ("UNKNOWN_ANNOTATION", "CORRECTION_CLOSED"):
            raise AssertionError("no class that is none is corrected to")
        assert (row["code"] or row["result"]) == verdict
        self.seen.update([verdict])

    def repeat(self, pick):
        vendor, function, arguments, answer = pick(self.calls)
        if vendor not in self.model.suspended or function in ("submit", "correct", "release"):
            assert self.clients[vendor].call(function, *arguments) == answer

    def lapse(self, tasks):
        for task in tasks:
            task.lapsed = True
        self.desk.lapse([{"assignment_id": task.assignment} for task in tasks])

    def expire(self):
        assert queue.expire(self.desk.engine) == self.model.expire()

    def suspend(self, vendor):
        if vendor in self.model.suspended:
            assert vendors.reactivate(self.desk.engine, vendor)
            self.model.suspended.remove(vendor)
        else:
            assert vendors.suspend(self.desk.engine, vendor, "tried")
            self.model.suspend(vendor)

    def cancel(self, side, names):
        free = self.model.withdraw(names)
        operations.cancel(self.desk.engine, side.row.campaign_id, names)
        side.free, side.bought = side.free + free, side.bought - len(free)

    def rework(self, side, vendor, names, refund):
        counted = self.model.counted(vendor, names)
        if not counted:
            return
        back = sum(self.model.claims[str(task.assignment)].price for task in counted) if refund else 0

        def refuse():
            operations.rework(self.desk.engine, side.row.campaign_id, vendor, names, "tried", refund=refund,
                              price_micro=side.held, money_micro=self.model.books[side.name].budget)  # fmt: skip

        if len(counted) * side.held > self.model.left(side.name) + back:
            with pytest.raises(BudgetExceeded):
                refuse()
            self.seen["rework too dear"] += 1
            return
        again = self.model.rework(vendor, names, refund)
        refuse()
        self.seen["rework"] += 1
        rows = self.added(side)
        assert sorted((row[1], row[2]) for row in rows) == sorted((item.name, key) for item, key in again)
        # Gold is asked again of whom it was made for; other items of anybody.
        for row in rows:
            item, task = self.model.items[row[1]], self.task(row)
            assert task.eligible == (item.tasks[-1].eligible if item.kind == "gold" else None)
            self.model.add(item, task.task_id, task.pick_key, side.held, task.eligible)

    def further(self, side, names):
        """One more answer for items that are complete, of whoever has not answered: as far as the money goes."""
        items = [self.model.items[name] for name in names]
        items = [item for item in items if item.state == "complete" and item.kind != "gold"]
        numbers = {item_id: number for number, item_id in self.desk.run(
            "SELECT batch_item_id, item_id FROM labelrounds.batch_items WHERE round_id = :id",
            id=side.round.round_id)}  # fmt: skip
        wanted = []
        for item in items:
            asked = {task.vendor for task in item.tasks if task.state in ("filled", "void")}
            whom = [one for one in self.model.books[side.name].terms if one not in asked]
            able = tuple(self.ids[one] for one in whom if one in side.seniors or not side.seniors)
            if able:
                wanted.append((item, Further(numbers[item.name], able, able)))
        book = self.model.books[side.name]
        payable = max(0, self.model.left(side.name)) // side.held
        made = operations.ask_further(
            self.desk.engine, side.row.campaign_id, [one for _, one in wanted], side.held, book.budget
        )
        assert made == min(len(wanted), payable)
        self.seen.update({"further": made, "further too dear": len(wanted) - made})
        rows = {row[1]: row for row in self.added(side)}
        assert list(rows) == [item.name for item, _ in wanted[:made]] or set(rows) == {
            item.name for item, _ in wanted[:made]
        }
        for name, row in rows.items():
            task = self.task(row)
            self.model.add(self.model.items[name], task.task_id, task.pick_key, side.held, task.eligible)

    def revive(self, side):
        assert operations.revive(self.desk.engine, side.row.campaign_id) == self.model.revive(side.name)

    def close(self, side, share):
        """End the wait when enough is complete, or its time is over."""
        items = {name: item for name, item in self.model.items.items() if item.campaign == side.name}
        counted = [item for item in items.values() if item.state != "cancelled" and item.kind != "gold"]
        enough = sum(item.state == "complete" for item in counted) >= share * len(counted)
        if not enough:
            assert not queue.withdraw_overdue(self.desk.engine, side.round, share)
            share = 0.0
        free = self.model.withdraw(list(items))
        assert queue.withdraw_overdue(self.desk.engine, side.round, share)
        side.free, side.bought = side.free + free, side.bought - len(free)
        self.agree()
        rounds.store(self.desk.engine, side.round, "closed")
        side.round = None
        self.model.open.remove(side.name)
        self.model.items = {name: item for name, item in self.model.items.items() if name not in items}

    def agree(self):
        """What is stored is what the model has, task by task, and the money adds up to the budget."""
        rows = self.desk.run(
            "SELECT t.task_id, t.state::text, t.round_id, t.price_micro, "
            "coalesce(sum(CASE l.kind::text WHEN 'reserve' THEN l.amount_micro WHEN 'refund' THEN 0 "
            "ELSE -l.amount_micro END), 0) AS held "
            "FROM labelrounds.tasks t LEFT JOIN labelrounds.ledger l USING (task_id) "
            "WHERE t.campaign_id = ANY (:ids) GROUP BY t.task_id",
            ids=[side.row.campaign_id for side in self.sides],
        )  # fmt: skip
        for row in rows:
            assert row.held == (row.price_micro if row.state in ("ready", "leased", "dead") else 0), row
        for side in self.sides:
            book, held = self.model.books[side.name], self.model.held_money(side.name)
            balance = campaigns.balance(self.desk.engine, side.row.campaign_id)
            assert balance == campaigns.Balance(side.bought, book.spent, held)
            assert 0 <= balance.spent_micro + balance.held_micro <= book.budget
            if side.round is None:
                assert held == 0
                continue
            stored = {row.task_id: row.state for row in rows if row.round_id == side.round.round_id}
            items = [item for item in self.model.items.values() if item.campaign == side.name]
            assert stored == {task.task_id: task.state for item in items for task in item.tasks}
            states = {row["item_id"]: row["state"] for row in batches.batch_of(self.desk.engine, side.round)}
            assert states == {item.name: item.state for item in items if item.kind != "gold"}

    def end(self):
        """Every rule of the queue holds, and each vendor has earned in its own currency what its answers are worth."""
        self.desk.check()
        assert +(self.figures() - self.before) == +self.model.earned
        for side in self.sides:
            if side.round is not None:
                queue.withdraw_overdue(self.desk.engine, side.round, 0.0)

    # What there is to choose from.

    def rows(self, pick, vendor, n):
        """Rows of a submission: the vendor's own assignments, seldom others', under a few names."""
        own = [one for one, claim in self.model.claims.items() if claim.vendor == vendor]
        waiting = [one for one in own if not self.model.claims[one].revisions]
        pool = [*waiting, *waiting, *own[-8:], *list(self.model.claims)[-2:], str(uuid.UUID(int=7))]
        names = [None] * 4 + [f"{self.name}-{n}" for n in (1, 2, len(own))]
        return [Row(pick(pool), *pick(ANSWERS[:2] * 3 + ANSWERS), pick(names)) for _ in range(n)]

    def items_of(self, side):
        return [item.name for item in self.model.items.values() if item.campaign == side.name]
