"""The tasks of one project: looked up by our ids of the items, put there, changed, taken away.

A Label Studio task is an item, whose overlap says how many annotators it wants. Task ids are reused after deletes, so
nothing here is remembered by them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import NotFound, VendorUnreachable
from tasks.vendors.label_studio.client import Client
from tasks.vendors.label_studio.names import ITEM

AT_ONCE = 250
"""Tasks of one import."""
ASKED_AT_ONCE = 100
"""Ids of one look-up: they stand in the address, of which a proxy takes 8 KB."""
PAGE = 200


@dataclass(frozen=True)
class Entry:
    """One task as it stands on the server.

    Attributes
    ----------
    item
        Our id of it; empty for a task that somebody else put there.
    assignments
        All that it was ever offered for, in the order of the offers.
    annotated
        Annotations that it has, skips among them.
    annotations
        As the server has them; empty from `Shelf.find`.
    """

    id: int
    item: str
    data: Mapping[str, Any]
    assignments: tuple[str, ...]
    overlap: int
    done: bool
    annotated: int
    updated_at: str = ""
    annotations: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Entry:
        """Read a task of the server."""
        data = told.get("data") or {}
        meta = told.get("meta")
        assignments = meta.get("assignments") if isinstance(meta, Mapping) else None
        return cls(
            id=int(told["id"]),
            item=str(data.get(ITEM) or ""),
            data=data,
            assignments=tuple(map(str, assignments)) if isinstance(assignments, list) else (),
            overlap=int(told.get("overlap") or 1),
            done=bool(told.get("is_labeled")),
            annotated=int(told.get("total_annotations") or 0) + int(told.get("cancelled_annotations") or 0),
            updated_at=str(told.get("updated_at") or ""),
            annotations=tuple(told.get("annotations") or ()),
        )


class Shelf:
    """The tasks of one project.

    Parameters
    ----------
    client
        A user who sees the project.
    project
        Its id.
    """

    def __init__(self, client: Client, project: int) -> None:
        self._client, self.project = client, project

    def find(self, items: Sequence[str]) -> dict[str, list[Entry]]:
        """Look up the tasks of items, by item, oldest first: more than one where an import came twice."""
        found: dict[str, list[Entry]] = {}
        wanted = "id,data,meta,overlap,is_labeled,total_annotations,cancelled_annotations,updated_at"
        for some in pieces(items, ASKED_AT_ONCE):
            one_of = condition(f"data.{ITEM}", "in_list", "List", list(some))
            for entry in self._list([one_of], {"include": wanted}):
                found.setdefault(entry.item, []).append(entry)
        return found

    def annotated(self, since: str | None) -> Iterator[Entry]:
        """Give the tasks that changed after a time, or all that somebody annotated, with their annotations."""
        if since is None:
            chosen = condition("annotations_ids", "empty", "String", "false")
        else:
            chosen = condition("updated_at", "greater", "Datetime", since)
        yield from self._list([chosen], {"fields": "all"})

    def of_items(self, items: Sequence[str]) -> Iterator[Entry]:
        """Give the tasks of items with their annotations."""
        for some in pieces(items, ASKED_AT_ONCE):
            yield from self._list(
                [condition(f"data.{ITEM}", "in_list", "List", list(some))], {"fields": "all"}
            )

    def put(self, tasks: Sequence[Mapping[str, Any]]) -> list[int]:
        """Import tasks in their order, and give their ids.

        Raises
        ------
        VendorUnreachable
            The answer is lost, or says that fewer were stored: look up what is there before trying again.
        """
        ids: list[int] = []
        for some in pieces(tasks, AT_ONCE):
            path = f"/api/projects/{self.project}/import"
            told = self._client.call("POST", path, params={"return_task_ids": "true"}, json=list(some))
            if told["task_count"] != len(some) or len(told.get("task_ids") or ()) != len(some):
                raise VendorUnreachable(
                    f"Label Studio stored {told['task_count']} of {len(some)} tasks; the next turn looks which"
                )
            ids += map(int, told["task_ids"])
        return ids

    def change(self, task: int, **values: Any) -> bool:
        """Change a task; False when it is gone."""
        try:
            self._client.call("PATCH", f"/api/tasks/{task}/", json=values)
        except NotFound:
            return False
        return True

    def task(self, task: int) -> Entry | None:
        """Give one task; None when it is gone."""
        try:
            return Entry.of(self._client.call("GET", f"/api/tasks/{task}/"))
        except NotFound:
            return None

    def has_annotation(self, annotation: int) -> bool:
        """Tell whether an annotation is still there."""
        try:
            self._client.call("GET", f"/api/annotations/{annotation}/")
        except NotFound:
            return False
        return True

    def drop_untouched(self, tasks: Sequence[int]) -> None:
        """Delete those of the tasks that nobody annotated.

        The server itself looks, as it deletes: an annotation that arrives between our look and our deletion would
        otherwise go with its task.
        """
        untouched = [
            condition("total_annotations", "equal", "Number", 0),
            condition("cancelled_annotations", "equal", "Number", 0),
        ]
        for some in pieces(tasks, AT_ONCE):
            body = {
                "project": self.project,
                "selectedItems": {"all": False, "included": list(some)},
                "filters": {"conjunction": "and", "items": untouched},
            }
            address = {"id": "delete_tasks", "project": self.project}
            self._client.call("POST", "/api/dm/actions", params=address, json=body)

    def _list(self, conditions: Sequence[Mapping[str, Any]], fields: Mapping[str, str]) -> Iterator[Entry]:
        """Walk over tasks by growing id: pages would shift while tasks come and go."""
        last = 0
        while True:
            after = condition("id", "greater", "Number", last)
            query = {
                "filters": {"conjunction": "and", "items": [*conditions, after]},
                "ordering": ["tasks:id"],
            }
            params = {
                "project": self.project,
                "page": 1,
                "page_size": PAGE,
                "query": json.dumps(query, separators=(",", ":")),
                **fields,
            }
            found = self._client.call("GET", "/api/tasks/", params=params)["tasks"]
            yield from map(Entry.of, found)
            if len(found) < PAGE:
                return
            last = int(found[-1]["id"])


def condition(column: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    """Write one condition as Label Studio's filters have it."""
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}


def pieces(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Cut a sequence into pieces of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
