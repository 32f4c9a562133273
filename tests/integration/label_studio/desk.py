"""Our side of a Label Studio, as short as the rules of answers allow: who holds what, what was taken."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.vendors.connector import Change, Fetched, Known, LabelSchema, Offer, Row, Verdict
from tasks.vendors.label_studio.turns import LabelStudio

SPAM = LabelSchema("spam", 1, "classification", ("ham", "spam"), "Is this mail wanted?")


@dataclass
class Desk:
    """Takes answers by the database's rules, and drives turns."""

    schema: LabelSchema = SPAM
    offers: list[Offer] = field(default_factory=list)
    known: dict[str, Known] = field(default_factory=dict)
    surplus: list[Row] = field(default_factory=list)
    rejected: list[tuple[Row | Change, str]] = field(default_factory=list)
    cursor: Mapping[str, Any] = field(default_factory=dict)

    def add(self, texts: Sequence[str], overlap: int = 1) -> list[Offer]:
        """Lease tasks of new items, most worth first."""
        made = []
        for text in texts:
            item = str(uuid.uuid4())
            made += [self.lease(item, {"subject": f"About {text}", "text": text}) for _ in range(overlap)]
        return made

    def lease(self, item: str, payload: Mapping[str, Any], urls: Mapping[str, str] | None = None) -> Offer:
        """Lease one task of an item."""
        expires = datetime.now(UTC) + timedelta(hours=1)
        offer = Offer(
            str(uuid.uuid4()), item, payload, self.schema, len(self.offers), expires, urls=urls or {}
        )
        self.offers.append(offer)
        return offer

    @property
    def held(self) -> list[Offer]:
        """What waits for an answer."""
        done = {one.assignment_id for one in self.known.values()}
        return [offer for offer in self.offers if offer.assignment_id not in done]

    def turn(self, connector: LabelStudio) -> Fetched:
        """One turn, whole."""
        connector.offer(self.held)
        return self.collect(connector)

    def collect(self, connector: LabelStudio) -> Fetched:
        """Fetch, take, acknowledge."""
        fetched = connector.fetch(self.held, list(self.known.values()), self.cursor)
        verdicts = [self.take(row) for row in fetched.rows] + [self.correct(one) for one in fetched.changes]
        self.cursor = fetched.cursor
        connector.acknowledge(fetched, verdicts)
        return fetched

    def take(self, row: Row) -> Verdict:
        """Judge one row."""
        offer = next((one for one in self.offers if one.assignment_id == row.assignment_id), None)
        before = self.known.get(row.client_annotation_id)
        if before is not None:
            same = (before.assignment_id, before.answer) == (row.assignment_id, row.answer)
            return self._verdict(row, "duplicate" if same else "rejected", None if same else "CONFLICT")
        if offer is None:
            return self._verdict(row, "rejected", "UNKNOWN_ASSIGNMENT")
        if row.answer == "label" and (code := self._wrong(row.label)):
            return self._verdict(row, "rejected", code)
        taken = [one for one in self.known.values() if one.item == offer.item]
        if row.assignment_id in {one.assignment_id for one in taken}:
            self.surplus.append(row)
            return self._verdict(row, "surplus")
        if row.annotator in {one.annotator for one in taken if one.answer == "label"}:
            return self._verdict(row, "rejected", "ANNOTATOR_REPEAT")
        self.known[row.client_annotation_id] = Known(
            row.client_annotation_id, row.assignment_id, offer.item, 1, row.answer, self._kept(row.label), row.annotator
        )  # fmt: skip
        return Verdict(row.client_annotation_id, "accepted")

    def correct(self, change: Change) -> Verdict:
        """Judge one change."""
        was = self.known[change.client_annotation_id]
        if change.base_revision != was.revision:
            return self._verdict(change, "rejected", "STALE_REVISION")
        if change.answer == "label" and (code := self._wrong(change.label)):
            return self._verdict(change, "rejected", code)
        label = self._kept(change.label) if change.answer == "label" else None
        self.known[change.client_annotation_id] = Known(
            was.client_annotation_id, was.assignment_id, was.item, was.revision + 1, change.answer, label, was.annotator
        )  # fmt: skip
        return Verdict(change.client_annotation_id, "corrected")

    def labels(self) -> list[Any]:
        """Labels that count, sorted."""
        return sorted(one.label for one in self.known.values() if one.answer == "label")

    def _wrong(self, label: Any) -> str | None:
        if label is None:
            return "MISSING_FIELD"
        several = self.schema.task == "multilabel"
        if isinstance(label, list) != several:
            return "BAD_TYPE"
        return (
            None if set(label if several else [label]) <= set(self.schema.classes) else "LABEL_NOT_IN_SCHEMA"
        )

    def _kept(self, label: Any) -> Any:
        return tuple(label) if isinstance(label, list) else label

    def _verdict(self, row: Row | Change, result: str, code: str | None = None) -> Verdict:
        if result == "rejected":
            self.rejected.append((row, code or ""))
        return Verdict(row.client_annotation_id, result, code, "label" if code else None)
