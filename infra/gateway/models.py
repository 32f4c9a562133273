"""The documents of the API: what is checked of a call, and what /docs says of answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, Strict, WithJsonSchema

MAX_ROWS = 1000

Whole = Annotated[int, Strict()]
Seconds = Annotated[int, Strict(), Field(ge=1, le=31_536_000)]
Text = Annotated[str, Strict()]

REQUEST = "0d3c6a54-6a4f-4d63-9d54-2a4f2a1f6b11"
LEASE = "5b0c2a0e-1f1c-4d8a-8a56-0a4c1c7d9e01"
ASSIGNMENT = "b7e0f0de-6f0f-4f0a-9d59-7c1f8f0f3a21"

RequestId = Annotated[
    UUID,
    Field(
        description="A UUID that you make for this call. Send the same one when you repeat it: you get the same answer",
        examples=[REQUEST],
    ),
]


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LeaseCall(_Call):
    """Take tasks."""

    request_id: RequestId
    max: Annotated[int, Strict(), Field(ge=1, le=MAX_ROWS)] = 100
    ttl_s: Seconds | None = Field(
        default=None, description="Seconds; at most, and by default, what the campaign allows"
    )
    campaign: Annotated[str, Strict(), Field(max_length=63)] | None = Field(
        default=None, description="Of this campaign alone", examples=["emails"]
    )


class ExtendCall(_Call):
    """Hold a lease longer."""

    request_id: RequestId
    ttl_s: Seconds | None = Field(
        default=None, description="Seconds from now; at most what the campaign allows"
    )


class ReleaseCall(_Call):
    """Give tasks back."""

    request_id: RequestId
    assignment_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_ROWS)] | None = Field(
        default=None, description="None: all open tasks of the lease"
    )
    reason: Annotated[str, Strict(), Field(max_length=500)] | None = None


class PayloadCall(_Call):
    """Ask for fresh addresses."""

    assignment_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_ROWS)]


class AnnotationRow(BaseModel):
    """One answer."""

    assignment_id: UUID = Field(examples=[ASSIGNMENT])
    client_annotation_id: str | None = Field(
        default=None,
        max_length=200,
        description="Your own id of the answer; the assignment's where you have none",
    )
    answer: Literal["label", "skip", "unsure", "bad_item"] = "label"
    label: str | list[str] | None = Field(
        default=None, description="A class; in a `multilabel` campaign a list. Only with `answer: label`"
    )
    annotator: str | None = Field(default=None, max_length=200, description="Who answered, in your own words")
    started_at: datetime | None = None
    finished_at: datetime | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    comment: str | None = Field(default=None, max_length=10_000)
    schema_version: int | None = None


class CorrectionRow(BaseModel):
    """A change of an answer that was taken."""

    client_annotation_id: str = Field(max_length=200)
    base_revision: int = Field(
        description="The revision that you change; a newer one makes the row STALE_REVISION"
    )
    answer: Literal["label", "skip", "unsure", "bad_item"] = "label"
    label: str | list[str] | None = None
    reason: str | None = Field(default=None, max_length=10_000)


def _rows_of(model: type[BaseModel]) -> WithJsonSchema:
    # A row is judged by the database, alone: what is documented here is not checked here.
    schema = {
        "type": "array", "minItems": 1, "maxItems": MAX_ROWS,
        "items": model.model_json_schema(), "description": "Each is judged alone",
    }  # fmt: skip
    return WithJsonSchema(schema)


AnnotationRows = Annotated[list[Any], Field(min_length=1), _rows_of(AnnotationRow)]
CorrectionRows = Annotated[list[Any], Field(min_length=1), _rows_of(CorrectionRow)]


class AnnotationsCall(_Call):
    """Hand answers in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "request_id": REQUEST,
                "rows": [
                    {
                        "assignment_id": ASSIGNMENT,
                        "client_annotation_id": "a-1",
                        "label": "spam",
                        "annotator": "ann7",
                    }
                ],
            }
        },
    )
    request_id: RequestId
    rows: AnnotationRows


class CorrectionsCall(_Call):
    """Change answers."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "request_id": REQUEST,
                "rows": [
                    {"client_annotation_id": "a-1", "base_revision": 1, "label": "ham", "reason": "misread"}
                ],
            }
        },
    )
    request_id: RequestId
    rows: CorrectionRows


class SchemaName(BaseModel):
    """Which label schema."""

    id: str = Field(examples=["emails"])
    version: int


class Task(BaseModel):
    """One task that you hold."""

    assignment_id: UUID
    item: UUID = Field(description="Your name of the item: the same for all its tasks that you see")
    campaign: str = Field(examples=["emails"])
    payload: dict[str, Any] = Field(description="What is to be labelled", examples=[{"text": "Lunch at 12?"}])
    payload_urls: dict[str, str] = Field(
        description="Column to address, for payload values that are objects in S3"
    )
    payload_urls_expire_at: datetime | None
    label_schema: SchemaName = Field(alias="schema")
    task: str = Field(
        description="`classification`: one class; `multilabel`: a list of classes",
        examples=["classification"],
    )
    classes: list[str] = Field(examples=[["ham", "spam"]])
    priority: int = Field(description="0 is wanted first")
    expires_at: datetime
    due_at: datetime | None


class Lease(BaseModel):
    """What you got."""

    lease_id: UUID | None
    expires_at: datetime | None
    tasks: list[Task]
    retry_after_s: int = Field(description="When nothing is free: when to come back")


class Extended(BaseModel):
    """Until when you hold it."""

    lease_id: UUID
    expires_at: datetime | None
    extended: int


class Released(BaseModel):
    """How many went back."""

    lease_id: UUID
    released: int


class OpenLease(BaseModel):
    """A lease with tasks that you have not answered."""

    lease_id: UUID
    expires_at: datetime
    assignments: list[UUID]


class Leases(BaseModel):
    """What you hold."""

    leases: list[OpenLease]


class PayloadUrls(BaseModel):
    """Fresh addresses of one task."""

    assignment_id: UUID
    payload_urls: dict[str, str]
    payload_urls_expire_at: datetime | None
    expires_at: datetime


class Payloads(BaseModel):
    """Fresh addresses; assignments that you do not hold are left out."""

    payloads: list[PayloadUrls]


class RowResult(BaseModel):
    """What became of one row."""

    row: int
    id: str | None = Field(description="Your `client_annotation_id`, or the assignment's")
    assignment_id: Any = Field(description="As you sent it")
    result: Literal["accepted", "late_accepted", "duplicate", "corrected", "surplus", "rejected"]
    code: str | None = Field(description="Why it was rejected", examples=["LABEL_NOT_IN_SCHEMA"])
    field: str | None = Field(examples=["label"])
    annotation_id: int | None
    revision: int | None


class Submission(BaseModel):
    """What became of all rows."""

    submission_id: int
    accepted: int
    late_accepted: int
    duplicates: int
    corrected: int
    surplus: int
    rejected: int
    rows: list[RowResult]


class Reject(BaseModel):
    """A row that was not taken, as you sent it."""

    reject_id: int
    submission_id: int | None
    row: int
    code: str = Field(examples=["LABEL_NOT_IN_SCHEMA"])
    field: str | None = Field(examples=["label"])
    raw: Any = Field(description="As you sent it", examples=[{"assignment_id": ASSIGNMENT, "label": "eggs"}])
    at: datetime


class Rejects(BaseModel):
    """Rows that were not taken, oldest first."""

    rejects: list[Reject]


class LabelSchemaDocument(BaseModel):
    """What is asked."""

    id: str = Field(examples=["emails"])
    version: int
    task: str = Field(examples=["classification"])
    classes: list[str] = Field(examples=[["ham", "spam"]])
    instructions: str


class Event(BaseModel):
    """Something that happened to your work."""

    seq: int
    id: UUID = Field(description="The `webhook-id` of the same event")
    type: str = Field(examples=["task.cancelled"])
    at: datetime
    data: dict[str, Any]


class Events(BaseModel):
    """Events, oldest first."""

    events: list[Event]


class Mistake(BaseModel):
    """One place in a call."""

    pointer: str
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[Mistake] | None = None
