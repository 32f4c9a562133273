"""What can be wrong with a row before anybody judges its answer."""

from __future__ import annotations

from dataclasses import dataclass

NOT_READABLE, NOT_UTF8, NOT_JSON, COLUMNS = "NOT_READABLE", "NOT_UTF8", "NOT_JSON", "COLUMNS"
BAD_CHARACTER, TOO_LARGE = "BAD_CHARACTER", "TOO_LARGE"
CONFLICT, MISSING_FIELD, BAD_TYPE = "CONFLICT", "MISSING_FIELD", "BAD_TYPE"

REASONS = {
    "UNKNOWN_ASSIGNMENT": "no task of yours has this assignment_id",
    "MISSING_FIELD": "a field that must be there is not",
    "BAD_TYPE": "a field has a value of the wrong type",
    "LABEL_NOT_IN_SCHEMA": "the label is none of the task's classes",
    "SCHEMA_VERSION_MISMATCH": "the classes were changed; read the newest schema and answer again",
    "CONFLICT": "this client_annotation_id was used for another answer",
    "ANNOTATOR_REPEAT": "this annotator answered for the item before",
    "TASK_CANCELLED": "the task was withdrawn",
    "BATCH_CLOSED": "the batch is closed",
    "CORRECTION_CLOSED": "the time for corrections is over",
    "STALE_REVISION": "the answer was changed in between; send the correction again",
    "TIME_INVALID": "a time is no ISO 8601 time, or before another that it must follow",
    "UNKNOWN_ANNOTATION": "no answer of yours that could be changed",
}


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be handed in.

    Attributes
    ----------
    code
        One of those above.
    reason
        For a person.
    field
        Which field is meant.
    """

    code: str
    reason: str
    field: str | None = None


class Unreadable(Exception):
    """A row that cannot be handed in."""

    def __init__(self, code: str, reason: str, field: str | None = None) -> None:
        self.problem = Problem(code, reason, field)
        super().__init__(reason)
