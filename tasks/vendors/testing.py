"""The contract of a connector as a test, for ours and for others' connectors.

Example
-------
>>> from tasks.vendors.testing import check_connector
>>> check_connector(lambda: MyConnector(...), MyVendor(...))  # doctest: +SKIP
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from tasks.vendors.connector import Change, Connector, Fetched, Known, LabelSchema, Offer, Row, Verdict

__all__ = ["Judge", "VendorSide", "check_connector", "make_offers"]

_CLASSES = ("ham", "spam")


class VendorSide(Protocol):
    """The vendor's system as the vendor sees it: what the check needs to work there."""

    def tasks(self) -> Collection[str]:
        """Give the assignment ids of the tasks that wait there now, each as often as it stands there."""

    def answer(self, assignment_id: str, label: str) -> None:
        """Answer a task, or change its answer."""


def check_connector(
    make: Callable[[], Connector], vendor: VendorSide, *, changes: bool = True, campaign: str = "check"
) -> None:
    """Check what turns rely on, against a vendor's system that is empty at first.

    Parameters
    ----------
    make
        Makes a connector to `vendor`; called often, because every turn may run in another process.
    vendor
        Where the connector leads.
    changes
        Whether the vendor can change an answer; where it cannot, that is not checked.
    campaign
        Name of the campaign that the tasks say they are of.

    Raises
    ------
    AssertionError
        The connector breaks the contract; the message says where.
    """
    offers = make_offers(12, campaign)
    judge = Judge({offer.assignment_id for offer in offers}, _CLASSES)
    _check_nothing(make)
    _check_offers(make, vendor, offers)
    _check_answers(make, vendor, offers, judge)
    _check_withdrawals(make, vendor, offers, judge)
    if changes:
        _check_changes(make, vendor, offers, judge)


def make_offers(n: int, campaign: str = "check", seed: int = 0) -> list[Offer]:
    """Make tasks of a campaign with the classes ham and spam."""
    schema = LabelSchema(campaign, 1, "classification", _CLASSES, "Is this unwanted?")
    ids = [uuid.uuid5(uuid.NAMESPACE_URL, f"{campaign}/{seed}/{number}") for number in range(n)]
    due = datetime(2030, 1, 1, tzinfo=UTC)
    return [
        Offer(str(one), str(uuid.uuid5(one, "item")), {"text": f"e-mail {number}"}, schema, number, due)
        for number, one in enumerate(ids)
    ]


@dataclass
class Judge:
    """What the database does with rows and changes, as far as connectors see it.

    Parameters
    ----------
    assignments
        Those that the vendor was given.
    classes
        What a label may be.
    known
        Vendor's own id to the answer that was taken, in its newest revision.
    """

    assignments: set[str]
    classes: tuple[str, ...]
    known: dict[str, Known] = field(default_factory=dict)

    def judge(self, fetched: Fetched) -> list[Verdict]:
        """Take rows, then changes, one by one."""
        return [self._row(row) for row in fetched.rows] + [self._change(one) for one in fetched.changes]

    def _row(self, row: Row) -> Verdict:
        known = self.known.get(row.client_annotation_id)
        if row.assignment_id not in self.assignments:
            return Verdict(row.client_annotation_id, "rejected", "UNKNOWN_ASSIGNMENT", "assignment_id")
        if known is not None:
            same = (known.assignment_id, known.answer, known.label) == (
                row.assignment_id,
                row.answer,
                row.label,
            )
            result = Verdict(row.client_annotation_id, "duplicate")
            return result if same else replace(result, result="rejected", code="CONFLICT")
        if not self._holds(row.label, row.answer):
            return Verdict(row.client_annotation_id, "rejected", "LABEL_NOT_IN_SCHEMA", "label")
        if any(one.assignment_id == row.assignment_id for one in self.known.values()):
            return Verdict(row.client_annotation_id, "surplus")
        self.known[row.client_annotation_id] = Known(
            row.client_annotation_id, row.assignment_id, "", 1, row.answer, row.label, row.annotator
        )
        return Verdict(row.client_annotation_id, "accepted")

    def _change(self, change: Change) -> Verdict:
        known = self.known.get(change.client_annotation_id)
        wrong = Verdict(change.client_annotation_id, "rejected", "STALE_REVISION", "base_revision")
        if known is None:
            return replace(wrong, code="UNKNOWN_ANNOTATION", field="client_annotation_id")
        if known.revision != change.base_revision:
            return wrong
        if not self._holds(change.label, change.answer):
            return replace(wrong, code="LABEL_NOT_IN_SCHEMA", field="label")
        self.known[change.client_annotation_id] = replace(
            known, revision=known.revision + 1, answer=change.answer, label=change.label
        )
        return Verdict(change.client_annotation_id, "corrected")

    def _holds(self, label: Any, answer: str) -> bool:
        if answer != "label":
            return label is None
        return label in self.classes if isinstance(label, str) else _is_set(label, self.classes)


def _is_set(label: Any, classes: tuple[str, ...]) -> bool:
    return isinstance(label, tuple) and all(isinstance(one, str) and one in classes for one in label)


def _check_nothing(make: Callable[[], Connector]) -> None:
    connector = make()
    assert connector.offer([]) == 0, "offer of nothing must return 0"
    connector.withdraw([])
    fetched = connector.fetch([], [], {})
    assert not fetched.rows, "nothing was offered, and fetch gave rows"
    assert not fetched.changes, "nothing was offered, and fetch gave changes"
    connector.acknowledge(fetched, [])


def _check_offers(make: Callable[[], Connector], vendor: VendorSide, offers: Sequence[Offer]) -> None:
    first = offers[:8]
    assert make().offer(first) == len(first), "offer must return how many tasks were new"
    _check_there(vendor, first, "offer")
    assert make().offer(first) == 0, "tasks that the vendor has are not new"
    _check_there(vendor, first, "offering again")
    assert make().offer(offers) == len(offers) - len(first), "some are new, some are not"
    _check_there(vendor, offers, "offering more")


def _check_there(vendor: VendorSide, offers: Sequence[Offer], after: str) -> None:
    found = sorted(vendor.tasks())
    wanted = sorted(offer.assignment_id for offer in offers)
    assert found == wanted, f"after {after} the vendor has {len(found)} tasks, not each of {len(wanted)} once"


def _check_answers(
    make: Callable[[], Connector], vendor: VendorSide, offers: Sequence[Offer], judge: Judge
) -> None:
    """Check that answers come, with the same ids each time, and are not taken for changes afterwards."""
    answers = {offer.assignment_id: _CLASSES[offer.priority % 2] for offer in offers[:5]}
    for assignment, label in answers.items():
        vendor.answer(assignment, label)
    found = make().fetch(offers, [], {})
    assert {row.assignment_id: row.label for row in found.rows} == answers, "fetch must give each answer"
    assert all(row.answer == "label" for row in found.rows), "a label is answered with `label`"
    ids = [row.client_annotation_id for row in found.rows]
    assert len(set(ids)) == len(ids), "two answers have the same client_annotation_id"
    assert all(isinstance(one, str) and one for one in ids), "an answer has no client_annotation_id"
    again = make().fetch(offers, [], {})
    assert again.rows == found.rows, "fetch must give the same again until the rows are taken"
    json.dumps(found.cursor)
    connector = make()
    fetched = connector.fetch(offers, [], {})
    connector.acknowledge(fetched, judge.judge(fetched))
    assert len(judge.known) == len(answers), "an answer was not accepted"
    for cursor, what in ((fetched.cursor, "taken answers"), ({}, "a cursor that was lost")):
        _check_quiet(make, offers, judge, cursor, what)


def _check_quiet(
    make: Callable[[], Connector],
    offers: Sequence[Offer],
    judge: Judge,
    cursor: Mapping[str, Any],
    what: str,
) -> None:
    """Check that nothing new comes: only rows that are known to the letter."""
    held, known = _split(offers, judge)
    connector = make()
    fetched = connector.fetch(held, known, cursor)
    assert not fetched.changes, f"after {what} answers come as changes that are none"
    verdicts = judge.judge(fetched)
    assert all(one.result == "duplicate" for one in verdicts), f"after {what} rows are no longer the same"
    connector.acknowledge(fetched, verdicts)


def _check_withdrawals(
    make: Callable[[], Connector], vendor: VendorSide, offers: Sequence[Offer], judge: Judge
) -> None:
    gone = offers[-2:]
    strangers = make_offers(3, offers[0].schema.id, seed=1)
    make().withdraw([*gone, *strangers])
    make().withdraw([*gone, *strangers])
    there = set(vendor.tasks())
    assert not there & {offer.assignment_id for offer in (*gone, *strangers)}, "what was withdrawn is there"
    left = {offer.assignment_id for offer in offers[5:-2]}
    assert left <= there, "withdraw took tasks that it was not asked for"
    _check_quiet(make, offers[:-2], judge, {}, "a withdrawal")


def _check_changes(
    make: Callable[[], Connector], vendor: VendorSide, offers: Sequence[Offer], judge: Judge
) -> None:
    """Check that another answer comes as a change of the right revision, twice."""
    offer = offers[0]
    for label in ("spam", "ham"):
        vendor.answer(offer.assignment_id, label)
        held, known = _split(offers[:-2], judge)
        connector = make()
        fetched = connector.fetch(held, known, {})
        (change,) = fetched.changes
        assert change.label == label, "the change has another label than the vendor's"
        verdicts = judge.judge(fetched)
        assert all(one.result in {"duplicate", "corrected"} for one in verdicts), "the change was not taken"
        connector.acknowledge(fetched, verdicts)
    assert judge.known[change.client_annotation_id].revision == 3, (
        "a change names the revision that it changes"
    )
    _check_quiet(make, offers[:-2], judge, {}, "changes")


def _split(offers: Sequence[Offer], judge: Judge) -> tuple[list[Offer], list[Known]]:
    known = list(judge.known.values())
    answered = {one.assignment_id for one in known}
    return [offer for offer in offers if offer.assignment_id not in answered], known
