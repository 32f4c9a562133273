"""A row of a file, of any format, as the answer that is handed in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tasks.vendors.connector import Row
from tasks.vendors.files.problems import (
    BAD_CHARACTER,
    BAD_TYPE,
    MISSING_FIELD,
    TOO_LARGE,
    Problem,
    Unreadable,
)

MAX_ROW = 16 * 1024
"""Characters of all that is handed in of one row."""
_CARRIED = ("annotator", "started_at", "finished_at", "confidence", "comment")
_TEXT, _SINGLE = (str, type(None)), (str, int, float, bool, type(None))


def to_row(fields: Mapping[str, Any], place: str) -> Row:
    """Make a row of the fields that a line has; fields of other names are passed over.

    Types are left to the database, which judges everybody's rows alike, except where a value could not even be
    carried there.

    Raises
    ------
    Unreadable
    """
    assignment = fields.get("assignment_id")
    if assignment is None or assignment == "":
        raise Unreadable(MISSING_FIELD, "there is no assignment_id", "assignment_id")
    own = fields.get("client_annotation_id")
    answer = fields.get("answer")
    for name, value in (("assignment_id", assignment), ("client_annotation_id", own), ("answer", answer)):
        if not isinstance(value, _TEXT):
            raise Unreadable(BAD_TYPE, f"{name} must be text", name)
    label = fields.get("label")
    if label is None:
        label = fields.get("labels")
    values = [assignment, own, answer, *(label if isinstance(label, list) else (label,))]
    carried: dict[str, Any] = {name: fields[name] for name in _CARRIED if fields.get(name) is not None}
    _check([*values, *carried.values()])
    assignment = assignment.strip().lower()
    return Row(
        client_annotation_id=own or f"file:{assignment}",
        assignment_id=assignment,
        answer=answer or "label",
        label=tuple(label) if isinstance(label, list) else label,
        place=place,
        **carried,
    )


def broken_row(problem: Problem, version: str, line: int, place: str) -> Row:
    """Make a row that will be rejected, so that it is kept and counted as everybody's bad rows are.

    Parameters
    ----------
    version
        The file's ETag.
    """
    return Row(
        client_annotation_id=f"line:{version}:{line}",
        assignment_id="",
        comment=f"{problem.code}: {problem.reason}",
        place=place,
    )


def _check(values: list[Any]) -> None:
    """Refuse what JSON or the database cannot hold, and what is far too long."""
    length = 0
    for value in values:
        if isinstance(value, str):
            length += len(value)
            if not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
                raise Unreadable(BAD_CHARACTER, "half of a surrogate pair stands alone")
            if "\x00" in value:
                raise Unreadable(BAD_CHARACTER, "there is a NUL character")
        elif not isinstance(value, _SINGLE):
            raise Unreadable(BAD_TYPE, "a field holds a list or an object where one value is wanted")
        elif isinstance(value, float) and not math.isfinite(value):
            raise Unreadable(BAD_TYPE, f"{value} is no number")
    if length > MAX_ROW:
        raise Unreadable(TOO_LARGE, f"the row has {length} characters; at most {MAX_ROW} are taken")
