"""The files connector: a vendor that reads and writes objects in S3."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any, BinaryIO

from tasks.errors import NotFound, PoolChanged, RoundError, UsageError
from tasks.pool.store import StoredObject
from tasks.vendors.connector import Change, Fetched, Known, Offer, Row, Verdict
from tasks.vendors.files import batches
from tasks.vendors.files.corrections import KnownAnswers
from tasks.vendors.files.layout import Layout
from tasks.vendors.files.ledger import Ledger
from tasks.vendors.files.options import FileOptions
from tasks.vendors.files.problems import Problem
from tasks.vendors.files.records import Record, read_records
from tasks.vendors.files.report import Reports
from tasks.vendors.files.rows import broken_row
from tasks.vendors.files.spans import Answer, Span, read_span
from tasks.vendors.registry import ObjectStore

PORTION = 20_000
"""Rows that one turn takes."""
URLS_EVERY = 3600
"""Seconds after which addresses of payloads are written anew."""

Place = tuple[int, int]


@dataclass(frozen=True)
class Portion(Fetched):
    """What one turn takes of the vendor's files.

    Attributes
    ----------
    spans
        Where it was read.
    order
        For each of `rows`, then of `changes`: which span and which of its records it is.
    repeats
        Records that repeat a change of the same turn and are not handed in: which one, and the number of the change.
    """

    spans: tuple[Span, ...] = ()
    order: tuple[Place, ...] = ()
    repeats: tuple[tuple[Place, int], ...] = ()


@dataclass(frozen=True)
class FilesConnector:
    """Batches out and answers in, as objects under a prefix; see docs/connectors.md for the layout.

    Parameters
    ----------
    options
    layout
    storage
    portion
        Most rows of one `fetch`.
    now
        Seconds since 1970.
    """

    options: FileOptions
    layout: Layout
    storage: ObjectStore
    portion: int = PORTION
    now: Callable[[], float] = time.time

    def offer(self, offers: Sequence[Offer]) -> int:
        """Write the tasks that stand in no file yet into new ones, most worth first."""
        for offer in {offer.schema.version: offer for offer in offers}.values():
            with suppress(RoundError):  # the first that was written stays
                name = f"{self.layout.out}schema-{offer.schema.version}.json"
                self.storage.put_once(name, batches.encode_schema(offer, self.options))
        new = self._add(self._offered, offers, lambda chunk: batches.encode(chunk, self.options))
        self._renew_urls([offer for offer in offers if offer.urls])
        return new

    def withdraw(self, offers: Sequence[Offer]) -> None:
        """Write those of the tasks that stand in a file into one of withdrawn tasks, once."""
        if offers:
            unknown = self._offered.read().missing(offer.assignment_id for offer in offers)
            known = [offer for offer in offers if offer.assignment_id not in unknown]
            self._add(self._withdrawn, known, batches.encode_withdrawn)

    def fetch(self, held: Sequence[Offer], known: Sequence[Known], cursor: Mapping[str, Any]) -> Portion:
        """Read the next rows of the files that were not read to their end, oldest first."""
        spans = self._read()
        answers = KnownAnswers.of(known, [record.found for span in spans for record in span.records])
        rows: list[Row] = []
        changes: list[Change] = []
        changed: dict[str, int] = {}
        places: tuple[list[Place], list[Place]] = ([], [])
        repeats: list[tuple[Place, int]] = []
        for number, span in enumerate(spans):
            for index, record in enumerate(span.records):
                handed, place = _hand_in(record, span, answers), (number, index)
                if isinstance(handed, Row):
                    rows.append(handed)
                    places[0].append(place)
                elif handed.client_annotation_id in changed:
                    # Inside a turn no two answers to a task differ, and a revision can be changed once.
                    repeats.append((place, changed[handed.client_annotation_id]))
                else:
                    changed[handed.client_annotation_id] = len(changes)
                    changes.append(handed)
                    places[1].append(place)
        order = (*places[0], *places[1])
        return Portion(tuple(rows), tuple(changes), {}, tuple(spans), order, tuple(repeats))

    def acknowledge(self, fetched: Fetched, verdicts: Sequence[Verdict]) -> None:
        """Write a report beside each file that was read.

        Raises
        ------
        UsageError
            The verdicts are not one for each row and change of what `fetch` gave.
        """
        if not isinstance(fetched, Portion) or len(verdicts) != len(fetched.order):
            raise UsageError(
                "acknowledge wants what fetch gave, and one verdict for each of its rows and changes"
            )
        judged: list[list[tuple[Record, Verdict]]] = [[] for _ in fetched.spans]
        for (number, index), verdict in zip(fetched.order, verdicts, strict=True):
            judged[number].append((fetched.spans[number].records[index], verdict))
        for (number, index), change in fetched.repeats:
            verdict = verdicts[len(fetched.rows) + change]
            again = replace(verdict, result="duplicate") if verdict.result == "corrected" else verdict
            judged[number].append((fetched.spans[number].records[index], again))
        for span, rows in zip(fetched.spans, judged, strict=True):
            self._reports.write(span, rows)

    def _add(
        self, ledger: Ledger, offers: Sequence[Offer], encode: Callable[[Sequence[Offer]], bytes]
    ) -> int:
        """Write what is in no file yet; begins anew where another writer took a number."""
        left = {offer.assignment_id: offer for offer in offers}
        written = 0
        while left:
            page = ledger.read()
            missing = page.missing(left)
            left = {one: offer for one, offer in left.items() if one in missing}
            for number in count(page.number):
                chunk = list(islice(left.values(), self.options.batch))
                ids = [offer.assignment_id for offer in chunk]
                if not chunk or not ledger.write(number, ids, encode(chunk)):
                    break
                written += len(chunk)
                for one in ids:
                    del left[one]
        return written

    def _renew_urls(self, offers: Sequence[Offer]) -> None:
        """Write fresh addresses of payloads beside the batches, whose own ones lapse."""
        first = f"{self.layout.out}urls-000001.jsonl"
        if not offers or any(self.now() - found.modified < URLS_EVERY for found in self.storage.list(first)):
            return
        for number, start in enumerate(range(0, len(offers), self.options.batch), start=1):
            data = batches.encode_urls(offers[start : start + self.options.batch])
            self.storage.put(f"{self.layout.out}urls-{number:06d}.jsonl", data)

    def _read(self) -> list[Span]:
        """Read the next spans of files that were not read to their end."""
        reports = {found.uri for found in self.storage.list(self.layout.reports)}
        spans: list[Span] = []
        before: dict[str, Answer] = {}
        room = self.portion
        for found in self._files():
            parts = self.layout.parts_read(found, reports)
            if parts is None:
                continue
            span = Span(found.uri, found.etag, self._reports.following(found.uri, found.etag, parts))
            if spans and span.position.wave > 0:
                break  # a span that is read again stands alone
            try:
                with self.storage.open(found.uri, etag=found.etag) as file:
                    goes_on = read_span(span, self._records(file, span), room, before)
            except (PoolChanged, NotFound):
                continue  # it was replaced while it was read; the next turn reads what is there then
            if span.records or span.following is None:
                spans.append(span)
            room -= len(span.records)
            if not goes_on or room <= 0:
                break
        return spans

    def _files(self) -> list[StoredObject]:
        """List the vendor's files; of two answers to one task, that of the later file is the newer one."""
        found = [one for one in self.storage.list(self.layout.answers) if self.layout.is_answers(one)]
        return sorted(found, key=lambda one: (one.modified, one.uri))

    def _records(self, file: BinaryIO, span: Span) -> Iterator[Record]:
        name = span.uri.removeprefix(self.layout.answers)
        start, attribute = span.position, self.options.label_attribute
        return read_records(file, name, start.offset, start.line, attribute=attribute)

    @property
    def _reports(self) -> Reports:
        return Reports(self.storage, self.layout)

    @property
    def _offered(self) -> Ledger:
        ids = batches.ids_of_csv if self.options.format == "csv" else batches.ids_of_json_lines
        out, state = f"{self.layout.out}batch-", f"{self.layout.state}batch-"
        return Ledger(self.storage, out, f".{self.options.format}", state, ids)

    @property
    def _withdrawn(self) -> Ledger:
        out, state = f"{self.layout.out}withdrawn-", f"{self.layout.state}withdrawn-"
        return Ledger(self.storage, out, ".jsonl", state, batches.ids_of_json_lines)


def _hand_in(record: Record, span: Span, answers: KnownAnswers) -> Row | Change:
    line, found = record
    if isinstance(found, Problem):
        return broken_row(found, span.etag, line.number, f"{span.uri.rpartition('/')[2]}:{line.number}")
    return answers.hand_in(found)
