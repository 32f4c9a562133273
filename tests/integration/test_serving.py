"""Connectors over the database: every turn may break anywhere, and nothing is lost, doubled or overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from infra.database import operations, queue, vendors
from infra.database.errand import Errand
from infra.storage import Storage
from tasks.serve import take_turn
from tasks.vendors.connector import Change, Fetched, Known, Offer, Row, Verdict
from tests.integration.database.conftest import Desk, desk  # noqa: F401 - the fixture of the database's tests


class Broken(Exception):
    """The line is cut."""


class Studio:
    """A vendor's system with a line to it that breaks: before a call arrives, or when its answer is on the way."""

    def __init__(self) -> None:
        self.tasks: dict[str, Offer] = {}
        self.brought = 0
        self.answers: dict[str, tuple[str, Any]] = {}
        self.told: list[Verdict] = []
        self.breaks: Iterator[tuple[int, str]] = iter(())
        self.calls = 0
        self.next_break: tuple[int, str] | None = None

    def cut(self, call: int, when: str) -> None:
        self.calls, self.next_break = 0, (call, when)

    def _line(self, when: str) -> None:
        if self.next_break == (self.calls, when):
            self.next_break = None
            raise Broken

    def offer(self, offers: Sequence[Offer]) -> int:
        self.calls += 1
        self._line("before")
        new = [one for one in offers if one.assignment_id not in self.tasks]
        self.tasks |= {one.assignment_id: one for one in new}
        self.brought += len(new)
        self._line("after")
        return len(new)

    def withdraw(self, offers: Sequence[Offer]) -> None:
        self.calls += 1
        self._line("before")
        for one in offers:
            self.tasks.pop(one.assignment_id, None)
        self._line("after")

    def fetch(self, held: Sequence[Offer], known: Sequence[Known], cursor: Mapping[str, Any]) -> Fetched:
        self.calls += 1
        self._line("before")
        before = {one.client_annotation_id: one for one in known}
        rows, changes = [], []
        for assignment, (client, label) in self.answers.items():
            old = before.get(client)
            if old is None:
                rows.append(Row(client, assignment, label=label))
            elif old.label != label:
                changes.append(Change(client, old.revision, "label", label, "edited"))
        self._line("after")
        return Fetched(tuple(rows[:3]), tuple(changes), {"seen": len(self.answers)})

    def acknowledge(self, fetched: Fetched, verdicts: Sequence[Verdict]) -> None:
        self.calls += 1
        self._line("before")
        self.told += verdicts
        self._line("after")

    def label(self, label: str, at_most: int = 1000) -> None:
        for assignment in [one for one in self.tasks if one not in self.answers][:at_most]:
            self.answers[assignment] = (f"studio-{assignment}", label)


@pytest.fixture
def errand(desk: Desk) -> Errand:  # noqa: F811
    campaign = desk.campaign(vendors={"acme": 10})
    desk.publish(campaign, 8)
    (vendor,) = vendors.vendors_of(desk.engine, campaign.campaign_id)
    return Errand(desk.engine, campaign.campaign_id, campaign.name, vendor.vendor_id, vendor.name)


def turn(storage: Storage, studio: Studio, errand: Errand, lease_seconds: int | None = 60) -> bool:
    """Take a turn; whether it came to its end."""
    try:
        take_turn(storage, studio, errand, lease_seconds=lease_seconds)
    except Broken:
        return False
    return True


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_turn_may_break_at_every_call(desk: Desk, storage: Storage, errand: Errand, when: str) -> None:  # noqa: F811
    studio = Studio()
    for call in range(1, 9):
        studio.cut(call, when)
        ended = turn(storage, studio, errand)
        if call == 1:
            assert not ended
        studio.next_break = None
        assert turn(storage, studio, errand)
        studio.label("ham", at_most=1)
    assert turn(storage, studio, errand)
    assert studio.brought == len(studio.tasks) == 8
    assert desk.run("SELECT state::text, count(*) FROM labelrounds.tasks GROUP BY 1") == [("filled", 8)]
    assert desk.one("SELECT count(*) FROM labelrounds.annotations") == 8
    assert sum(one.result == "accepted" for one in studio.told) >= 8 - 1
    assert {one.result for one in studio.told} <= {"accepted", "duplicate"}


def test_edits_are_corrections_and_what_is_cancelled_is_taken_back(
    desk: Desk, storage: Storage, errand: Errand  # noqa: F811
) -> None:  # fmt: skip
    studio = Studio()
    assert turn(storage, studio, errand)
    studio.label("ham", at_most=5)
    assert turn(storage, studio, errand)
    first = next(iter(studio.answers))
    studio.answers[first] = (studio.answers[first][0], "spam")
    assert turn(storage, studio, errand)
    assert [one.result for one in studio.told] == ["accepted"] * 5 + ["corrected"]
    assert desk.run("SELECT label FROM labelrounds.current_annotations WHERE revision = 2") == [("spam",)]
    assert operations.cancel(desk.engine, errand.campaign_id) == 3
    assert turn(storage, studio, errand)
    assert len(studio.tasks) == 5
    # An answer to what was taken back is kept, and said to be too late.
    gone = desk.one("SELECT assignment_id::text FROM labelrounds.tasks WHERE state = 'cancelled' LIMIT 1")
    studio.answers[gone] = ("late", "ham")
    assert turn(storage, studio, errand)
    assert studio.told[-1].code == "TASK_CANCELLED"
    studio.answers.pop(gone)


def test_what_lapses_is_taken_back_and_comes_anew(desk: Desk, storage: Storage, errand: Errand) -> None:  # noqa: F811
    studio = Studio()
    assert turn(storage, studio, errand)
    before = set(studio.tasks)
    desk.run("UPDATE labelrounds.tasks SET expires_at = clock_timestamp() - interval '1 second'")
    queue.expire(desk.engine)
    assert turn(storage, studio, errand)
    assert len(studio.tasks) == 8
    assert not before & set(studio.tasks)


def test_a_suspended_vendor_is_listened_to_and_gets_nothing(
    desk: Desk, storage: Storage, errand: Errand  # noqa: F811
) -> None:  # fmt: skip
    studio = Studio()
    assert turn(storage, studio, errand)
    studio.label("ham", at_most=2)
    vendors.suspend(desk.engine, "acme", "guesses")
    assert turn(storage, studio, errand, lease_seconds=None)
    assert [one.result for one in studio.told] == ["surplus"] * 2
    assert desk.run("SELECT state::text, count(*) FROM labelrounds.tasks GROUP BY 1") == [("ready", 8)]
    assert json.loads(json.dumps(errand.cursor()))["connector"] == {"seen": 2}
