"""The report beside a file: what became of each of its rows.

A report has a part for each span that was read. The first line of a part sums up, also over the parts before; the
others are one row each. The parts are also the memory of what was read: whoever wrote the last one has seen the file
through, and where the next span begins stands in the first line of each other one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tasks.errors import RoundError
from tasks.vendors.connector import Row, Verdict
from tasks.vendors.files.layout import Layout
from tasks.vendors.files.problems import REASONS
from tasks.vendors.files.records import Record
from tasks.vendors.files.spans import Position, Span
from tasks.vendors.registry import ObjectStore


@dataclass(frozen=True)
class Reports:
    """The reports of one campaign.

    Parameters
    ----------
    storage
    layout
    """

    storage: ObjectStore
    layout: Layout

    def following(self, uri: str, etag: str, parts: int) -> Position:
        """Read where the next span of a file begins, of which some parts were reported on."""
        if parts == 0:
            return Position()
        return Position.from_json(self._summary(uri, etag, parts)["next"])

    def write(self, span: Span, judged: Iterable[tuple[Record, Verdict]]) -> None:
        """Write a span's part, unless it is there: who was first saw the rows accepted, not repeated."""
        rows = [_row(record, verdict) for record, verdict in judged]
        rows.sort(key=lambda row: row["line"])
        part = span.position.part
        summary: dict[str, Any] = {
            "file": span.uri,
            "etag": span.etag,
            "complete": span.following is None,
            "rows": len(rows),
            "results": Counter(row["result"] for row in rows),
            "codes": Counter(row["code"] for row in rows if "code" in row),
        }
        summary["so_far"] = self._so_far(span, summary)
        if span.following is not None:
            summary["next"] = span.following.to_json()
        name = self.layout.report(span.uri, span.etag, None if span.following is None else part)
        data = "".join(json.dumps(line) + "\n" for line in (summary, *rows)).encode()
        with suppress(RoundError):
            self.storage.put_once(name, data)

    def _so_far(self, span: Span, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Add up this part and all before."""
        before: Mapping[str, Any] = {"rows": 0, "results": {}, "codes": {}}
        if span.position.part > 1:
            before = self._summary(span.uri, span.etag, span.position.part - 1)["so_far"]
        return {
            "rows": before["rows"] + summary["rows"],
            "results": Counter(before["results"]) + Counter(summary["results"]),
            "codes": Counter(before["codes"]) + Counter(summary["codes"]),
        }

    def _summary(self, uri: str, etag: str, part: int) -> Mapping[str, Any]:
        name = self.layout.report(uri, etag, part)
        with self.storage.open(name) as file:
            found: Mapping[str, Any] = json.loads(file.readline())
        return found


def _row(record: Record, verdict: Verdict) -> dict[str, Any]:
    """Say what became of a row; of one that could not be read, why in the file's words, not the database's."""
    found = record.found
    row: dict[str, Any] = {"line": record.line.number}
    if isinstance(found, Row):
        row |= {"id": found.client_annotation_id, "assignment_id": found.assignment_id}
        row |= {"result": verdict.result}
        if verdict.code is not None:
            row |= {
                "code": verdict.code,
                "field": verdict.field,
                "reason": REASONS.get(verdict.code, verdict.code),
            }
        return row
    return row | {"result": "rejected", "code": found.code, "field": found.field, "reason": found.reason}
