"""Looking for answers: what changed on the server since the last look, and what was already handed in of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from tasks.vendors.connector import Known, Offer
from tasks.vendors.label_studio.answers import Matched
from tasks.vendors.label_studio.names import NOTE
from tasks.vendors.label_studio.shelf import Entry, Shelf

WINDOW = timedelta(minutes=2)
"""How far a look reaches behind the newest change seen: changes become visible a little out of order."""
FULL_EVERY = 50
"""Every so many turns all annotations are looked through, whatever the times say."""


@dataclass(frozen=True)
class Cursor:
    """Where the last look ended. Losing it costs one look at everything.

    Attributes
    ----------
    project
        A cursor of another project is of no use.
    since
        Newest change that was seen, in the server's time; None before the first look.
    looks
        How many there were.
    handed
        See `tasks.vendors.label_studio.answers.match`.
    noted
        Tasks that bear a note about a rejected answer.
    asked
        Task and classes of the newest schema seen, for turns in which the vendor holds nothing.
    """

    project: int
    since: str | None = None
    looks: int = 0
    handed: Mapping[str, list[Any]] = field(default_factory=dict)
    noted: tuple[int, ...] = ()
    asked: tuple[str, tuple[str, ...]] | None = None

    @classmethod
    def read(cls, told: Mapping[str, Any], project: int) -> Self:
        """Read what `to_json` wrote for this project; a new cursor where there is none."""
        if told.get("project") != project:
            return cls(project)
        asked = told.get("asked")
        return cls(
            project=project,
            since=told.get("since"),
            looks=int(told.get("looks", 0)),
            handed={name: list(mark) for name, mark in told.get("handed", {}).items()},
            noted=tuple(told.get("noted", ())),
            asked=None if asked is None else (asked[0], tuple(asked[1])),
        )

    def to_json(self) -> dict[str, Any]:
        """Give it in plain types."""
        return {
            "project": self.project, "since": self.since, "looks": self.looks, "handed": dict(self.handed),
            "noted": list(self.noted), "asked": None if self.asked is None else [self.asked[0], list(self.asked[1])],
        }  # fmt: skip

    @property
    def is_full(self) -> bool:
        """Whether the next look is at everything."""
        return self.since is None or self.looks % FULL_EVERY == 0

    @property
    def border(self) -> str | None:
        """From where on the next look goes; None before the first one."""
        if self.since is None:
            return None
        border = datetime.fromisoformat(self.since) - WINDOW
        return border.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def after(self, entries: Sequence[Entry], matched: Sequence[Matched], known: Sequence[Known]) -> Cursor:
        """Give the cursor after a look that saw `entries`, and gave `matched`."""
        seen = {entry.id for entry in entries}
        revisions = {was.client_annotation_id: was.revision for was in known}
        handed = {} if self.is_full else {
            name: mark
            for name, mark in self.handed.items()
            if mark[2] not in seen and not _is_settled(mark, revisions.get(name))
        }  # fmt: skip
        for one in matched:
            handed |= {name: list(mark) for name, mark in one.handed.items()}
        times = [entry.updated_at for entry in entries] + ([self.since] if self.since else [])
        return replace(
            self,
            # Written alike by the server, to the microsecond, so that they sort as texts.
            since=max(times, default=None),
            looks=self.looks + 1,
            handed=handed,
            noted=tuple(sorted({one.id for one in entries if one.data.get(NOTE)})),
        )


def look(shelf: Shelf, cursor: Cursor, held: Sequence[Offer], known: Sequence[Known]) -> list[Entry]:
    """Give the tasks of ours that may bring something new, with their annotations."""
    if not cursor.is_full:
        return [entry for entry in shelf.annotated(cursor.border) if entry.item]
    entries = [entry for entry in shelf.annotated(None) if entry.item]
    seen = {entry.item for entry in entries}
    # Tasks that lost their only annotation.
    entries += shelf.of_items(sorted({was.item for was in known} - seen))
    listens = {one.item for one in held} | {was.item for was in known}
    return [entry for entry in entries if not _is_over(entry, listens, cursor.border)]


def _is_over(entry: Entry, listens: Collection[str], border: str | None) -> bool:
    """Tell whether a task is of a round that is over, and was seen by an earlier look."""
    return entry.item not in listens and border is not None and entry.updated_at <= border


def _is_settled(mark: Sequence[Any], revision: int | None) -> bool:
    """Tell whether what was handed in has been taken."""
    if revision is None:
        return False
    base = str(mark[0]).removeprefix("revision ")
    return base == mark[0] or revision > int(base)
