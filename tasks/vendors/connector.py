"""What a connector is: the way to a vendor that does not come to our door.

Vendors who call the HTTP API need none. For all others a connector carries tasks out and answers in, and keeps
nothing: what is leased, answered and known stands in the database, and each turn begins from there. One turn is

1. `Connector.withdraw` with what it should no longer do;
2. `Connector.offer` with all that the vendor holds, so that what is missing on its side is brought there once;
3. `Connector.fetch`, whose rows are handed in and judged one by one, as everybody's are;
4. `Connector.acknowledge` with what became of them.

A turn may end anywhere and the next one begins anew, so each of the four is safe to repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

AnswerKind = Literal["label", "skip", "unsure", "bad_item"]
Label = str | tuple[str, ...]
"""A class of the campaign; in a multi-label campaign the tuple of the classes that the item has."""


@dataclass(frozen=True)
class LabelSchema:
    """What is asked of an item.

    Attributes
    ----------
    id, version
        The campaign's name, and the number that grows whenever classes or instructions change.
    task
        ``classification``: one of `classes`; ``multilabel``: any set of them.
    instructions
        For people; may be empty.
    """

    id: str
    version: int
    task: str
    classes: tuple[str, ...]
    instructions: str = ""


@dataclass(frozen=True)
class Offer:
    """One task that the vendor holds.

    Attributes
    ----------
    assignment_id
        A UUID of this claim; answers name it.
    item
        A UUID of the item, the same for all its tasks that this vendor holds and for no other vendor. Where overlap
        counts annotators, a vendor may hold several tasks of one item: each wants another person.
    payload
        The columns that the vendor may see.
    urls
        Column to a presigned address, for payload values that are objects in S3.
    priority
        0 = most worth labeling.
    expires_at
        Until when the vendor holds it; extended as long as the connector works.
    """

    assignment_id: str
    item: str
    payload: Mapping[str, Any]
    schema: LabelSchema
    priority: int
    expires_at: datetime
    urls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One answer of the vendor, or one row that should have been one.

    Attributes
    ----------
    client_annotation_id
        The vendor's own id of the answer: handing it in again changes nothing.
    assignment_id
        As the row names it; may be wrong, which is for the database to say.
    label
        None unless `answer` is ``label``. Not checked yet.
    place
        Where it stands, for the report: a file's line, a page's number.
    """

    client_annotation_id: str
    assignment_id: str
    answer: str = "label"
    label: Any = None
    annotator: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    confidence: float | None = None
    comment: str | None = None
    place: str = ""


@dataclass(frozen=True)
class Change:
    """The vendor changed an answer that was taken before: a correction, or its withdrawal (`answer` ``skip``).

    Attributes
    ----------
    client_annotation_id
        Of the answer as it was first handed in.
    base_revision
        The revision that it changes.
    """

    client_annotation_id: str
    base_revision: int
    answer: str
    label: Any = None
    reason: str = ""
    place: str = ""


@dataclass(frozen=True)
class Known:
    """An answer of this vendor that was taken, in its newest revision."""

    client_annotation_id: str
    assignment_id: str
    item: str
    revision: int
    answer: str
    label: Label | None
    annotator: str | None


@dataclass(frozen=True)
class Verdict:
    """What became of one row or change.

    Attributes
    ----------
    result
        ``accepted | late_accepted | duplicate | corrected | surplus | rejected``.
    code, field
        Of a rejected one: why, and what is wrong with which field.
    """

    client_annotation_id: str
    result: str
    code: str | None = None
    field: str | None = None


@dataclass(frozen=True)
class Fetched:
    """What came since the last turn.

    Attributes
    ----------
    cursor
        JSON that the next `Connector.fetch` gets back, once all rows are taken. May be lost: then rows come twice,
        which changes nothing.
    """

    rows: tuple[Row, ...] = ()
    changes: tuple[Change, ...] = ()
    cursor: Mapping[str, Any] = field(default_factory=dict)


class Connector(Protocol):
    """A vendor's system, seen from here. Raises `tasks.errors.VendorUnreachable` where trying again may help."""

    def offer(self, offers: Sequence[Offer]) -> int:
        """Bring tasks to the vendor, each once however often this is called.

        Parameters
        ----------
        offers
            All that the vendor holds, most worth first; those that it knows already are among them.

        Returns
        -------
        int
            How many were new to it.
        """

    def withdraw(self, offers: Sequence[Offer]) -> None:
        """Take tasks back that were offered and are no longer wanted; unknown ones are passed over."""

    def fetch(self, held: Sequence[Offer], known: Sequence[Known], cursor: Mapping[str, Any]) -> Fetched:
        """Ask for answers that came, and answers that changed.

        Parameters
        ----------
        held
            What the vendor holds and has not answered.
        known
            Its answers that were taken before, in campaigns and rounds that still listen.
        cursor
            Of the last turn; empty at first.
        """

    def acknowledge(self, fetched: Fetched, verdicts: Sequence[Verdict]) -> None:
        """Tell the vendor what became of each row and change, in this order, where it can be told."""
