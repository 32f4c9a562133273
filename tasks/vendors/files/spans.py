"""How far a file was read, and the reading of its next span.

A span is what one turn takes of one file. Two answers to one assignment inside a span cannot both go in at once: what
is a correction needs the revision that it corrects. So a span with contradictions is read again, once for each change
of mind: the first pass (wave 0) takes the first answer to each assignment, the next one the second, and so on. Which
pass takes a row depends on the file alone, so a turn that is repeated takes the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.vendors.connector import Row
from tasks.vendors.files.problems import CONFLICT, Problem
from tasks.vendors.files.records import Record

MAX_BYTES = 64 * 2**20
MAX_WAVES = 50
Answer = tuple[str, Any]


@dataclass(frozen=True)
class Position:
    """Where the next span of a file begins.

    Attributes
    ----------
    offset, line
        Of its first row.
    part
        Of the report, from 1: how many spans were read before, and one.
    wave
        Which answer to each assignment is taken, from 0.
    until
        For waves after the first: the offset at which the span ends.
    """

    offset: int = 0
    line: int = 1
    part: int = 1
    wave: int = 0
    until: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Position:
        """Read what `to_json` gave."""
        return cls(**given)


@dataclass
class Span:
    """What was read of one version of a file.

    Attributes
    ----------
    uri, etag
        Of the file.
    position
        Where it began.
    following
        Where the next one begins; None at the file's end.
    records
        The rows that this pass takes.
    """

    uri: str
    etag: str
    position: Position
    following: Position | None = None
    records: list[Record] = field(default_factory=list)


def answer_of(row: Row) -> Answer:
    """Give what is compared of two answers: a set of classes has no order."""
    label = row.label
    if isinstance(label, tuple) and all(isinstance(one, str) for one in label):
        return row.answer, frozenset(label)
    return row.answer, label


def read_span(span: Span, records: Iterator[Record], most: int, before: dict[str, Answer]) -> bool:
    """Read the next span into `span`.

    Parameters
    ----------
    most
        Rows of a first pass.
    before
        Assignment to its last answer in other files of the same turn; what this span takes is added. A span ends
        before a row that contradicts one of them.

    Returns
    -------
    bool
        Whether a further file may be read in the same turn.
    """
    position, waves = span.position, _Waves()
    where, stopped = (position.offset, position.line), False
    for count, (line, found) in enumerate(records):
        where = (line.start, line.number)
        if _is_over(position, line.start, count, most):
            stopped = True
            break
        if isinstance(found, Problem):
            wave = 0
        else:
            answer = answer_of(found)
            if before.get(found.assignment_id, answer) != answer:
                stopped = True
                break
            wave = waves.of(found.assignment_id, answer)
            if wave >= MAX_WAVES:
                found, wave = Problem(CONFLICT, f"the answer changes for the {wave}th time in one file"), 0
        if wave == position.wave:
            span.records.append(Record(line, found))
        where = (line.end, line.number + 1)
    for assignment, (answer, _) in waves.last.items():
        before[assignment] = answer
    part = position.part + 1
    if waves.most > position.wave:
        until = where[0] if stopped else line.end
        span.following = Position(position.offset, position.line, part, position.wave + 1, until)
    elif stopped:
        span.following = Position(*where, part)
    return span.following is None


def _is_over(position: Position, start: int, count: int, most: int) -> bool:
    if position.until is not None:
        return start >= position.until
    return count > 0 and (count >= most or start - position.offset > MAX_BYTES)


class _Waves:
    """How often each assignment's answer has changed so far."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[Answer, int]] = {}
        self.most = 0

    def of(self, assignment: str, answer: Answer) -> int:
        """Give the wave of the next row; an answer that is repeated belongs to the same."""
        previous = self.last.get(assignment)
        wave = 0 if previous is None else previous[1] + (previous[0] != answer)
        self.last[assignment] = (answer, wave)
        self.most = max(self.most, min(wave, MAX_WAVES - 1))
        return wave
