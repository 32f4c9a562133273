"""The rules of the queue in plain Python: what every call is answered, and what becomes of tasks, items and money."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

LIVE = ("ready", "leased", "dead")
CLASSES = ("ham", "spam")
TAKING = ("accepted", "late_accepted", "surplus")


@dataclass
class Task:
    task_id: int
    item: Item
    pick_key: int
    held: int
    eligible: frozenset[str] | None = None
    state: str = "ready"
    vendor: str | None = None
    assignment: str | None = None
    lapses: int = 0
    lapsed: bool = False

    def free(self, state: str = "ready") -> None:
        """Nobody holds it any more; whoever did may take it again."""
        self.item.seen.discard(self.vendor)
        self.state, self.vendor, self.assignment, self.lapsed = state, None, None, False


@dataclass
class Item:
    name: str
    campaign: str
    kind: str = "work"
    tasks: list[Task] = field(default_factory=list)
    state: str = "open"
    seen: set[str | None] = field(default_factory=set)


@dataclass
class Claim:
    """An assignment: what a vendor was told, and its answers by revision."""

    assignment: str
    lease: str
    vendor: str
    task: Task
    price: int
    own: int
    currency: str
    client: str | None = None
    revisions: list[tuple[str, str | None]] = field(default_factory=list)
    refused: bool = False


@dataclass(frozen=True)
class Row:
    """One row of a submission."""

    assignment: str
    answer: str
    label: str
    client: str | None = None

    @property
    def told(self) -> tuple[str, str | None]:
        return self.answer, self.label if self.answer == "label" else None

    def as_json(self) -> dict[str, str]:
        body = {"assignment_id": self.assignment, "answer": self.answer, "label": self.label}
        return body if self.client is None else body | {"client_annotation_id": self.client}


@dataclass(frozen=True)
class Terms:
    """What a vendor is paid in its own currency, and the rate of exchange."""

    own: int
    currency: str = "USD"
    rate: str = "1"

    @property
    def price(self) -> int:
        """In the budget's currency, rounded up."""
        return math.ceil(self.own * Fraction(self.rate))

    def paid(self, held: int) -> tuple[int, int]:
        """What an answer brings, in the budget's currency and its own, where `held` is reserved for its task."""
        if self.price <= held:
            return self.price, self.own
        return held, math.floor(held / Fraction(self.rate))


@dataclass
class Book:
    """The money of a campaign.

    Parameters
    ----------
    terms
        Of its vendors; at most what was reserved for a task is paid for it.
    """

    terms: dict[str, Terms]
    budget: int
    spent: int = 0


class Model:
    """Campaigns and the vendors that work for them."""

    def __init__(self, books: dict[str, Book], cap: int, most_lapses: int) -> None:
        self.books, self.cap, self.most_lapses = books, cap, most_lapses
        self.open: list[str] = []
        self.items: dict[str, Item] = {}
        self.claims: dict[str, Claim] = {}
        self.suspended: set[str] = set()
        self.earned: Counter[tuple[str, str]] = Counter()

    @property
    def tasks(self) -> list[Task]:
        return [task for item in self.items.values() for task in item.tasks]

    def takeable(self, vendor: str, campaign: str) -> list[Task]:
        """What a campaign has free for a vendor, in the order of the queue."""
        free = [
            task for task in self.tasks
            if task.state == "ready" and task.item.campaign == campaign and vendor not in task.item.seen
            and vendor in (task.eligible or self.books[campaign].terms)
        ]  # fmt: skip
        return (
            sorted(free, key=lambda task: (task.pick_key, task.task_id))
            if vendor not in self.suspended
            else []
        )

    def lease(self, vendor: str, asked: int) -> list[Task]:
        """Choose the tasks of a lease; `claim` says which assignment each got."""
        room = min(asked, self.cap - sum(t.state == "leased" and t.vendor == vendor for t in self.tasks))
        got: list[Task] = []
        for campaign in self.open:
            first: dict[str, Task] = {}
            for task in self.takeable(vendor, campaign)[: max(room - len(got), 0)]:
                known = first.setdefault(task.item.name, task)
                first[task.item.name] = min(task, known, key=lambda task: task.task_id)
            if vendor in self.books[campaign].terms:
                got += first.values()
        return got

    def claim(self, vendor: str, lease: str, task: Task, assignment: str) -> None:
        task.state, task.vendor, task.assignment, task.lapsed = "leased", vendor, assignment, False
        task.item.seen.add(vendor)
        terms = self.books[task.item.campaign].terms[vendor]
        self.claims[assignment] = Claim(
            assignment, lease, vendor, task, *terms.paid(task.held), terms.currency
        )

    def open_of(self, lease: str) -> list[Claim]:
        """The assignments of a lease that are still held."""
        return [
            c for c in self.claims.values()
            if c.lease == lease and c.task.state == "leased" and c.task.assignment == c.assignment
        ]  # fmt: skip

    def extend(self, lease: str) -> int:
        held = self.open_of(lease)
        for claim in held:
            claim.task.lapsed = False
        return len(held)

    def release(self, lease: str, assignments: Sequence[str] | None) -> int:
        held = [c for c in self.open_of(lease) if assignments is None or c.assignment in assignments]
        for claim in held:
            claim.task.free()
        return len(held)

    def expire(self) -> dict[str, int]:
        counts = {"ready": 0, "dead": 0}
        for task in self.tasks:
            if task.state == "leased" and task.lapsed:
                task.lapses += 1
                task.free("dead" if task.lapses >= self.most_lapses else "ready")
                counts[task.state] += 1
        return counts

    def submit(self, vendor: str, rows: Sequence[Row]) -> list[str]:
        """Judge every row by what was stored before the call, then by the rows before it, and store."""
        verdicts: list[str] = []
        kept: list[Row] = []
        for row in rows:
            verdict = self._alone(vendor, row)
            if verdict in (*TAKING, "free"):
                verdict = self._beside(row, kept) or verdict
            if verdict in (*TAKING, "free"):
                kept.append(row)
            verdicts.append(verdict)
        filled = [self.claims[row.assignment].task for row, verdict in zip(rows, verdicts, strict=True)
                  if verdict in ("accepted", "late_accepted")]  # fmt: skip
        for n, row in enumerate(rows):
            if verdicts[n] == "free":
                task = self.claims[row.assignment].task
                seated = not any(task is one for one in filled) and vendor not in task.item.seen
                verdicts[n] = "late_accepted" if seated else "surplus"
                if seated:
                    task.item.seen.add(vendor)
        for row, verdict in zip(rows, verdicts, strict=True):
            if verdict in TAKING:
                self._keep(vendor, row, counts=verdict != "surplus")
        return verdicts

    def _alone(self, vendor: str, row: Row) -> str:
        claim = self.claims.get(row.assignment)
        if claim is None or claim.vendor != vendor:
            return "UNKNOWN_ASSIGNMENT"
        if row.answer == "label" and row.label not in CLASSES:
            return "LABEL_NOT_IN_SCHEMA"
        named = [
            c
            for c in self.claims.values()
            if c.vendor == vendor and c.client == (row.client or row.assignment)
        ]
        for known in [*named, *([claim] if claim.revisions else [])]:
            return "duplicate" if known is claim and row.told in claim.revisions else "CONFLICT"
        if claim.task.state == "cancelled":
            # An item that was withdrawn may be in the open round again, as another row of that name.
            return (
                "TASK_CANCELLED"
                if claim.task.item is self.items.get(claim.task.item.name)
                else "BATCH_CLOSED"
            )
        if vendor in self.suspended:
            return "surplus"
        if claim.task.state == "leased" and claim.task.assignment == row.assignment:
            return "late_accepted" if claim.task.lapsed else "accepted"
        return "free" if claim.task.state in ("ready", "dead") else "surplus"

    @staticmethod
    def _beside(row: Row, kept: Sequence[Row]) -> str | None:
        name = row.client or row.assignment
        by_name = [one for one in kept if (one.client or one.assignment) == name]
        for one in by_name or [one for one in kept if one.assignment == row.assignment]:
            return "duplicate" if (one.assignment, one.told) == (row.assignment, row.told) else "CONFLICT"
        return None

    def _keep(self, vendor: str, row: Row, *, counts: bool) -> None:
        claim = self.claims[row.assignment]
        claim.client = row.client or row.assignment
        claim.revisions.append(row.told)
        if counts:
            task = claim.task
            task.state, task.vendor, task.assignment, task.lapsed = "filled", vendor, row.assignment, False
            self._book(claim, 1)
            self._settle(task.item)

    def _book(self, claim: Claim, sign: int) -> None:
        self.books[claim.task.item.campaign].spent += sign * claim.price
        self.earned[claim.vendor, claim.currency] += sign * claim.own

    def correct(self, vendor: str, client: str, base: int, told: tuple[str, str | None]) -> str:
        found = [c for c in self.claims.values() if c.vendor == vendor and c.client == client]
        if not found:
            return "UNKNOWN_ANNOTATION"
        (claim,) = found
        if claim.refused:
            return "CORRECTION_CLOSED"
        newest = len(claim.revisions)
        if told == claim.revisions[-1] and newest in (base, base + 1):
            return "duplicate"
        if newest != base:
            return "STALE_REVISION"
        claim.revisions.append(told)
        return "corrected"

    def rework(self, vendor: str, names: Sequence[str], refund: bool) -> list[tuple[Item, int]]:
        """Refuse a vendor's counted answers; give each item with the pick key of the task that replaces its task."""
        again = []
        for task in self.counted(vendor, names):
            task.state = "void"
            task.item.seen.discard(vendor)
            claim = self.claims[str(task.assignment)]
            claim.refused = True
            if refund:
                self._book(claim, -1)
            number = len(task.item.tasks) + 1
            again.append((task.item, (number << 48) | (task.item.tasks[-1].pick_key & ((1 << 48) - 1))))
        return again

    def counted(self, vendor: str, names: Sequence[str]) -> list[Task]:
        """The tasks of a vendor's counted answers to these items."""
        return [
            task for task in self.tasks
            if task.state == "filled" and task.vendor == vendor and task.item.name in names
        ]  # fmt: skip

    def add(
        self, item: Item, task_id: int, pick_key: int, held: int, eligible: frozenset[str] | None = None
    ) -> None:
        item.tasks.append(Task(task_id, item, pick_key, held, eligible))
        self._settle(item)

    def withdraw(self, names: Sequence[str]) -> list[str]:
        """Cancel the open ones of these items; give those that are free for a later round."""
        free = []
        for item in self.items.values():
            if item.name in names and item.state == "open":
                for task in item.tasks:
                    if task.state in LIVE:
                        task.state = "cancelled"
                answered = any(task.state == "filled" for task in item.tasks)
                item.state = "complete" if answered else "cancelled"
                free += [] if answered or item.kind == "gold" else [item.name]
        return free

    def suspend(self, vendor: str) -> None:
        self.suspended.add(vendor)
        for task in self.tasks:
            if task.state == "leased" and task.vendor == vendor:
                task.free()

    def revive(self, campaign: str) -> int:
        dead = [task for task in self.tasks if task.state == "dead" and task.item.campaign == campaign]
        for task in dead:
            task.state, task.lapses = "ready", 0
        return len(dead)

    def held_money(self, campaign: str) -> int:
        return sum(t.held for t in self.tasks if t.state in LIVE and t.item.campaign == campaign)

    def left(self, campaign: str) -> int:
        """What is neither spent nor held of a campaign's budget."""
        book = self.books[campaign]
        return book.budget - book.spent - self.held_money(campaign)

    @staticmethod
    def _settle(item: Item) -> None:
        item.state = "open" if any(task.state in LIVE for task in item.tasks) else "complete"
