"""Rows of a CSV file in which some may be broken: each line that is a whole row is read, whatever stands around it."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tasks.vendors.files.lines import Line
from tasks.vendors.files.problems import BAD_CHARACTER, COLUMNS, NOT_READABLE, NOT_UTF8, Problem, Unreadable

DELIMITERS = ",;\t"
_ID = "assignment_id"
_ANSWERS = {"label", "labels", "answer"}
_LONGEST = 100  # lines over which one quoted value may go
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """The first line.

    Attributes
    ----------
    names
        Of the columns.
    delimiter
        Comma, semicolon or tab.
    """

    names: tuple[str, ...]
    delimiter: str

    @classmethod
    def read(cls, line: Line) -> Header:
        """Read the first line.

        Raises
        ------
        Unreadable
            It does not name ``assignment_id`` and an answer, or a column twice.
        """
        text = _text(line)
        for delimiter in DELIMITERS:
            names = tuple(name.strip() for name in _cut(text, delimiter) or ())
            if _ID in names:
                break
        else:
            raise Unreadable(NOT_READABLE, f"the first line must name the columns, among them {_ID}", _ID)
        if not _ANSWERS & set(names):
            raise Unreadable(NOT_READABLE, "the first line names no column label, labels or answer", "label")
        twice = [name for name in names if name and names.count(name) > 1]
        if twice:
            raise Unreadable(NOT_READABLE, f"the first line names the column {twice[0]!r} twice", twice[0])
        return cls(names, delimiter)

    def fields(self, values: list[str]) -> dict[str, Any]:
        """Name the values of a row; empty ones are left out."""
        found: dict[str, Any] = {
            name: value for name, value in zip(self.names, values, strict=True) if value != ""
        }
        if "labels" in found:
            found["labels"] = _several(found["labels"])
        if "confidence" in found:
            found["confidence"] = _number(found["confidence"])
        return found

    def starts_row(self, text: str) -> bool:
        """Whether a line looks like the start of a row: a UUID where the assignment stands."""
        values = text.split(self.delimiter)
        place = self.names.index(_ID)
        return place < len(values) and _UUID.fullmatch(values[place].strip(' "\r')) is not None


def read_values(lines: Iterator[Line], header: Header) -> Iterator[tuple[Line, list[str] | Problem]]:
    """Give the rows after the header, each with the line where it starts; `end` is where the next one does.

    A value in quotes may go over several lines. Where a quote is not closed, the line with it is broken and the next
    line is read for itself, so that one stray quote swallows no other row.
    """
    waiting: deque[Line] = deque()
    while line := waiting.popleft() if waiting else next(lines, None):
        if line.is_blank:
            continue
        try:
            values, last = _row(line, lines, waiting, header)
        except Unreadable as error:
            yield line, error.problem
            continue
        if any(value != "" for value in values):
            yield line._replace(end=last.end), values


def _row(line: Line, lines: Iterator[Line], waiting: deque[Line], header: Header) -> tuple[list[str], Line]:
    """Read the row that starts with a line; the lines that it takes leave `waiting`."""
    text, last, taken = _text(line), line, 0
    values = _cut(text, header.delimiter)
    while values is None:
        if taken == len(waiting) and (more := next(lines, None)) is not None:
            waiting.append(more)
        if taken == len(waiting) or taken == _LONGEST:
            raise Unreadable(COLUMNS, "a quote is opened and not closed")
        last = waiting[taken]
        following = _text(last)
        if header.starts_row(following):
            raise Unreadable(COLUMNS, "a quote is opened and not closed before the next row")
        text += "\n" + following
        taken += 1
        values = _cut(text, header.delimiter) if '"' in following else None
    if len(values) != len(header.names):
        raise Unreadable(
            COLUMNS, f"there are {len(values)} columns; the first line names {len(header.names)}"
        )
    for _ in range(taken):
        waiting.popleft()
    return values, last


def _cut(text: str, delimiter: str) -> list[str] | None:
    """Cut a row into its values; None when it ends inside quotes.

    Raises
    ------
    Unreadable
        Something stands between a closing quote and the next delimiter.
    """
    text = text.removesuffix("\r")
    if '"' not in text:
        return text.split(delimiter)
    values, start = [], 0
    while True:
        if text[start : start + 1] != '"':
            end = text.find(delimiter, start)
            values.append(text[start:] if end < 0 else text[start:end])
        else:
            end = start + 1
            while (end := text.find('"', end)) >= 0 and text[end + 1 : end + 2] == '"':
                end += 2
            if end < 0:
                return None
            values.append(text[start + 1 : end].replace('""', '"'))
            end = end + 1 if end + 1 < len(text) else -1
            if end > 0 and text[end] != delimiter:
                raise Unreadable(COLUMNS, "text follows a closing quote")
        if end < 0:
            return values
        start = end + 1


def _text(line: Line) -> str:
    if line.problem is not None:
        raise Unreadable(line.problem.code, line.problem.reason)
    if b"\x00" in line.data:
        raise Unreadable(BAD_CHARACTER, "there is a NUL character; is it UTF-16 without a byte order mark?")
    try:
        return line.data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(NOT_UTF8, f"byte {error.start + 1} is no UTF-8") from None


def _several(text: str) -> Any:
    """Classes as a JSON list, or parted by bars."""
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return [part.strip() for part in text.split("|")]


def _number(text: str) -> float | str:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text
