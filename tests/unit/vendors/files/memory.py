"""A store in memory that can end at any call, and a vendor that works with files in it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tasks.errors import NotFound, PoolChanged, RoundError
from tasks.pool.store import StoredObject
from tasks.vendors.connector import Known, Offer
from tasks.vendors.files.connector import FilesConnector
from tasks.vendors.files.layout import Layout
from tasks.vendors.files.options import FileOptions
from tasks.vendors.testing import Judge

URI = "s3://vendors/acme"


class Crash(BaseException):
    """The process ends."""


@dataclass
class Memory:
    """Objects in memory, written at one second each.

    `crash_at` is the call at which the process ends: a write of an even number ends before it took place, one of an odd
    number after it.
    """

    objects: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    crash_at: int | None = None
    calls: int = 0
    clock: float = 0.0

    def list(self, uri: str) -> Iterator[StoredObject]:
        self._step()
        found = [key for key in self.objects if key == uri or key.startswith(uri.rstrip("/") + "/")]
        return iter(
            [
                StoredObject(key, etag(self.objects[key][0]), len(self.objects[key][0]), self.objects[key][1])
                for key in sorted(found)
            ]
        )

    def open(self, uri: str, *, etag: str | None = None) -> BinaryIO:
        data = self.get(uri)
        if etag is not None and etag != globals()["etag"](data):
            raise PoolChanged(uri)
        return io.BytesIO(data)

    def get(self, uri: str) -> bytes:
        self._step()
        if uri not in self.objects:
            raise NotFound(uri)
        return self.objects[uri][0]

    def put(self, uri: str, data: bytes) -> None:
        if self._step():
            raise Crash
        self.clock += 1
        self.objects[uri] = (data, self.clock)
        self._ended()

    def put_once(self, uri: str, data: bytes) -> None:
        if uri in self.objects and self.objects[uri][0] != data:
            raise RoundError(uri)
        self.put(uri, data)

    def _step(self) -> bool:
        """Count a call; whether the process ends before it."""
        self.calls += 1
        return self.crash_at is not None and self.calls == self.crash_at and self.calls % 2 == 0

    def _ended(self) -> None:
        if self.calls == self.crash_at:
            raise Crash


def etag(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def connector(store: Any, format: str = "jsonl", portion: int = 20_000, **options: Any) -> FilesConnector:
    read = FileOptions(URI, format, **options)
    return FilesConnector(read, Layout(URI, "check"), store, portion=portion)


def turn(made: FilesConnector, held: list[Offer], judge: Judge) -> int:
    """One fetch, judged and acknowledged; how many rows and changes it had."""
    fetched = made.fetch(held, list(judge.known.values()), {})
    made.acknowledge(fetched, judge.judge(fetched))
    return len(fetched.rows) + len(fetched.changes)


def turns(made: FilesConnector, held: list[Offer], judge: Judge, most: int = 1000) -> int:
    """Turns until there is nothing more."""
    total = 0
    for _ in range(most):
        if not (taken := turn(made, held, judge)):
            return total
        total += taken
    raise AssertionError("it does not come to an end")


def upload(store: Any, name: str, data: bytes | str) -> None:
    store.put(f"{URI}/in/check/{name}", data.encode() if isinstance(data, str) else data)


def jsonl(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def reports(store: Memory, name: str) -> list[dict[str, Any]]:
    """Rows of all parts of the reports on a file, sums left out."""
    start = f"{URI}/reports/check/{name}."
    lines = [
        json.loads(line)
        for key in sorted(store.objects)
        if key.startswith(start)
        for line in store.objects[key][0].splitlines()
    ]
    return [line for line in lines if "line" in line]


def answers_of(judge: Judge) -> dict[str, Any]:
    return {known.assignment_id: known.label for known in judge.known.values()}


def known_of(judge: Judge) -> list[Known]:
    return list(judge.known.values())


@dataclass
class FileVendor:
    """A vendor that takes files: reads what lies under out, answers with a file each time."""

    store: Any
    format: str
    uploads: int = 0

    def tasks(self) -> Collection[str]:
        withdrawn = {row["assignment_id"] for row in self._rows("withdrawn-")}
        return [row["assignment_id"] for row in self._rows("batch-") if row["assignment_id"] not in withdrawn]

    def answer(self, assignment_id: str, label: str) -> None:
        self.uploads += 1
        upload(self.store, f"answers-{self.uploads:04d}.{self.format}", self._file(assignment_id, label))

    def _file(self, assignment_id: str, label: str) -> str:
        if self.format == "csv":
            return f"assignment_id,label\r\n{assignment_id},{label}\r\n"
        if self.format == "jsonl":
            return jsonl({"assignment_id": assignment_id, "label": label})
        metadata = {"class-name": label, "confidence": 0.9, "creation-date": "2026-01-02T03:04:05.678901"}
        return jsonl({"assignment_id": assignment_id, "kind": 0, "kind-metadata": metadata})

    def _rows(self, kind: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for found in self.store.list(f"{URI}/out/check/"):
            if found.uri.rpartition("/")[2].startswith(kind):
                text = self.store.get(found.uri).decode()
                if found.uri.endswith(".csv"):
                    rows += csv.DictReader(io.StringIO(text, newline=""))
                else:
                    rows += [json.loads(line) for line in text.splitlines()]
        return rows
