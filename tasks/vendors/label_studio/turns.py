"""The connector to Label Studio: all that it knows stands in the project, in the database, or in its cursor.

Nothing in Label Studio recognises a repeated import, and one whose answer was lost may still be stored: before every
import the server is asked which of our ids it has. Two imports at once lose predictions on SQLite: one driver at a
time runs a campaign's turns, which the campaign's advisory lock sees to, and imports carry no predictions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import requests

from tasks.vendors.connector import Fetched, Known, Offer, Verdict
from tasks.vendors.label_studio.answers import Matched, match
from tasks.vendors.label_studio.client import Client
from tasks.vendors.label_studio.links import lapses_soon
from tasks.vendors.label_studio.names import NOTE, key_of
from tasks.vendors.label_studio.options import Options
from tasks.vendors.label_studio.poll import Cursor, look
from tasks.vendors.label_studio.project import (
    Project,
    ask_predictions,
    ensure_project,
    find_project,
    marker,
)
from tasks.vendors.label_studio.reading import Annotation, Reader
from tasks.vendors.label_studio.shelf import Entry, Shelf

log = logging.getLogger(__name__)


class LabelStudio:
    """A `tasks.vendors.connector.Connector`.

    Parameters
    ----------
    options
        Of the vendor in the campaign.
    campaign, vendor
        Whose project it is.
    session
        That sends the requests.
    clock
        Gives the time, with its zone.
    """

    def __init__(
        self,
        options: Options,
        campaign: str,
        vendor: str,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.options = options
        self._client = Client(options.url, options.token, session)
        self._line = marker(campaign, vendor)
        self._clock = clock

    def offer(self, offers: Sequence[Offer]) -> int:
        """Import what the project lacks, in order of worth, and want as many annotators as there are tasks."""
        if not offers:
            return 0
        project = ensure_project(self._client, self.options, self._line, offers)
        shelf = Shelf(self._client, project.id)
        items = _by_item(sorted(offers, key=lambda one: (one.priority, one.item, one.assignment_id)))
        there = shelf.find(list(items))
        # An import that was still going on when the server was last asked.
        doubles = [one.id for entries in there.values() for one in entries[1:] if not one.annotated]
        if doubles:
            shelf.drop_untouched(doubles)
        self._put(shelf, project, [some for item, some in items.items() if item not in there])
        for item, entries in there.items():
            self._keep_up(shelf, project, entries[0], items[item])
        known = {name for entries in there.values() for one in entries for name in one.assignments}
        return sum(offer.assignment_id not in known for offer in offers)

    def withdraw(self, offers: Sequence[Offer]) -> None:
        """Delete tasks that nobody annotated and nobody wants any more; want fewer annotators of the others."""
        project = find_project(self._client, self._line) if offers else None
        if project is None:
            return
        shelf, items = Shelf(self._client, project.id), _by_item(offers)
        drop = []
        for item, entries in shelf.find(list(items)).items():
            unwanted = {offer.assignment_id for offer in items[item]}
            for entry in entries:
                left = [name for name in entry.assignments if name not in unwanted]
                if not left and not entry.annotated:
                    drop.append(entry.id)
                elif len(left) < len(entry.assignments):
                    # `fetch` counts exactly, and sees the task because this changes it.
                    wanted = max(1, len(left))
                    shelf.change(entry.id, overlap=wanted, is_labeled=entry.annotated >= wanted)
        if drop:
            shelf.drop_untouched(drop)

    def fetch(self, held: Sequence[Offer], known: Sequence[Known], cursor: Mapping[str, Any]) -> Fetched:
        """Look at the tasks that changed, now and then at all, and want as many annotators as tasks are left."""
        project = find_project(self._client, self._line)
        if project is None:
            return Fetched(cursor=cursor)
        before = Cursor.read(cursor, project.id)
        asked = _asked(held, project) or before.asked
        if asked is None:
            return Fetched(cursor=cursor)
        reader = Reader(*asked, project.question(asked[1]))
        shelf = Shelf(self._client, project.id)
        entries = look(shelf, before, held, known)
        matched = self._matched(shelf, reader, entries, held, known, before)
        after = before.after(entries, list(matched.values()), known)
        for entry in entries:
            _want(shelf, entry, matched[entry.item])
        return Fetched(
            rows=tuple(row for one in matched.values() for row in one.rows),
            changes=tuple(change for one in matched.values() for change in one.changes),
            cursor={**after.to_json(), "asked": [asked[0], list(asked[1])]},
        )

    def acknowledge(self, fetched: Fetched, verdicts: Sequence[Verdict]) -> None:
        """Note at a task why its answer was rejected, where the Data Manager shows it; nothing else can be told."""
        if not fetched.cursor:
            return
        cursor = Cursor.read(fetched.cursor, int(fetched.cursor["project"]))
        shelf = Shelf(self._client, cursor.project)
        notes: dict[int, str | None] = {}
        for verdict in verdicts:
            mark = cursor.handed.get(verdict.client_annotation_id)
            if mark is None or not mark[2]:
                continue
            if verdict.result == "rejected":
                annotation = verdict.client_annotation_id.rpartition(":")[2]
                notes[mark[2]] = f"{verdict.code} {verdict.field or ''} (annotation {annotation})".replace(
                    "  ", " "
                )
            elif mark[2] in cursor.noted:
                notes.setdefault(mark[2], None)
        for task, note in notes.items():
            _note(shelf, task, note)

    def _put(self, shelf: Shelf, project: Project, items: Sequence[Sequence[Offer]]) -> None:
        ids = shelf.put([
            {
                "data": project.data(offers[0]),
                "meta": {"assignments": [offer.assignment_id for offer in offers]},
            }
            for offers in items
        ])  # fmt: skip
        for task, offers in zip(ids, items, strict=True):
            if len(offers) != project.overlap:
                shelf.change(task, overlap=len(offers))
        if ids and self.options.ml_backend is not None:
            ask_predictions(self._client, project.id, ids)

    def _keep_up(self, shelf: Shelf, project: Project, entry: Entry, offers: Sequence[Offer]) -> None:
        """Bring a task that is there up to what is offered now."""
        changes: dict[str, Any] = {}
        new = [offer.assignment_id for offer in offers if offer.assignment_id not in entry.assignments]
        if new:
            changes["meta"] = {"assignments": [*entry.assignments, *new]}
        if not entry.annotated and (entry.overlap != len(offers) or entry.done):
            changes |= {"overlap": len(offers), "is_labeled": False}
        places = [key_of(column) for column in offers[0].urls]
        if any(lapses_soon(str(entry.data.get(key, "")), self._clock()) for key in places):
            fresh = project.data(offers[0])
            changes["data"] = {**entry.data, **{key: fresh[key] for key in places if key in fresh}}
        if changes:
            shelf.change(entry.id, **changes)

    def _matched(
        self,
        shelf: Shelf,
        reader: Reader,
        entries: Sequence[Entry],
        held: Sequence[Offer],
        known: Sequence[Known],
        cursor: Cursor,
    ) -> dict[str, Matched]:
        open_tasks, taken = _by_item(held), _by_item(known)
        annotations: dict[str, list[Annotation]] = {}
        offered: dict[str, list[str]] = {}
        for entry in entries:
            read = [reader.read(told, self._clock()) for told in entry.annotations]
            annotations.setdefault(entry.item, []).extend(one for one in read if one is not None)
            offered.setdefault(entry.item, []).extend(entry.assignments)
        return {
            item: match(
                shelf.project,
                found,
                [offer.assignment_id for offer in open_tasks.get(item, ())],
                taken.get(item, ()),
                offered=offered[item],
                handed=cursor.handed,
                is_gone=lambda number: not shelf.has_annotation(number),
            )
            for item, found in annotations.items()
        }


def _by_item(values: Sequence[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for one in values:
        found.setdefault(one.item, []).append(one)
    return found


def _asked(held: Sequence[Offer], project: Project) -> tuple[str, tuple[str, ...]] | None:
    """Give task and classes that the answers are of: as the vendor's tasks say, else as the interface does."""
    newest = max((offer.schema for offer in held), key=lambda one: one.version, default=None)
    if newest is not None:
        return newest.task, newest.classes
    return None if project.form is None else (project.form.task, project.form.classes)


def _want(shelf: Shelf, entry: Entry, matched: Matched) -> None:
    """Say how many annotators a task wants; the server does not find out by itself when it has them."""
    if entry.overlap != matched.wanted or entry.done != matched.done:
        shelf.change(entry.id, overlap=matched.wanted, is_labeled=matched.done)


def _note(shelf: Shelf, task: int, note: str | None) -> None:
    entry = shelf.task(task)
    if entry is not None and entry.data.get(NOTE) != note:
        data = {name: value for name, value in entry.data.items() if name != NOTE}
        shelf.change(task, data=data if note is None else {**data, NOTE: note})
