"""A batch of tasks as one file of each format, and the ids in it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from tasks.vendors.connector import Offer
from tasks.vendors.files.ground_truth import label_categories, manifest_line
from tasks.vendors.files.options import FileOptions

_FIXED = ("assignment_id", "item", "campaign", "task", "classes", "schema_version", "priority", "expires_at")


def encode(offers: Sequence[Offer], options: FileOptions) -> bytes:
    """Write a batch; texts are in UTF-8, in JSON Lines even in ASCII."""
    if options.format == "csv":
        return _csv(offers).encode()
    if options.format == "manifest":
        lines = (manifest_line(offer, options.source) for offer in offers)
        return _json_lines(lines, ascii_only=False)
    return _json_lines(task_line(offer) for offer in offers)


def task_line(offer: Offer) -> dict[str, Any]:
    """Give a task in the words of the HTTP API."""
    line: dict[str, Any] = {
        "assignment_id": offer.assignment_id,
        "item": offer.item,
        "campaign": offer.schema.id,
        "payload": dict(offer.payload),
        "schema": {"id": offer.schema.id, "version": offer.schema.version},
        "task": offer.schema.task,
        "classes": list(offer.schema.classes),
        "priority": offer.priority,
        "expires_at": offer.expires_at.isoformat(),
    }
    return line | ({"urls": dict(offer.urls)} if offer.urls else {})


def encode_withdrawn(offers: Sequence[Offer]) -> bytes:
    """Write which tasks were taken back."""
    return _json_lines({"assignment_id": offer.assignment_id} for offer in offers)


def encode_urls(offers: Sequence[Offer]) -> bytes:
    """Write the addresses of tasks' payloads."""
    return _json_lines({"assignment_id": offer.assignment_id, "urls": dict(offer.urls)} for offer in offers)


def encode_schema(offer: Offer, options: FileOptions) -> bytes:
    """Write what is asked of the items: for manifests as Ground Truth's label categories."""
    schema = offer.schema
    if options.format == "manifest":
        return _json(label_categories(schema.classes))
    return _json(
        {
            "id": schema.id,
            "version": schema.version,
            "task": schema.task,
            "classes": list(schema.classes),
            "instructions": schema.instructions,
        }
    )


def ids_of_csv(file: BinaryIO) -> Iterator[str]:
    """Read the ids of a batch in CSV."""
    for row in csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")):
        yield row["assignment_id"]


def ids_of_json_lines(file: BinaryIO) -> Iterator[str]:
    """Read the ids of a batch in JSON Lines or a manifest, or of withdrawn tasks."""
    for line in file:
        yield json.loads(line)["assignment_id"]


def _csv(offers: Sequence[Offer]) -> str:
    """One column for each payload column, ``payload.NAME``, and for each address, ``url.NAME``."""
    payload = list(dict.fromkeys(name for offer in offers for name in offer.payload))
    urls = list(dict.fromkeys(name for offer in offers for name in offer.urls))
    text = io.StringIO()
    writer = csv.writer(text)  # its lines end in CR LF: with LF alone it would not quote a CR in a text
    writer.writerow([*_FIXED, *(f"payload.{name}" for name in payload), *(f"url.{name}" for name in urls)])
    for offer in offers:
        schema = offer.schema
        fixed = [offer.assignment_id, offer.item, schema.id, schema.task, json.dumps(list(schema.classes))]
        fixed += [str(schema.version), str(offer.priority), offer.expires_at.isoformat()]
        values = [_cell(offer.payload.get(name)) for name in payload]
        writer.writerow([*fixed, *values, *(offer.urls.get(name, "") for name in urls)])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _json_lines(lines: Iterable[Any], *, ascii_only: bool = True) -> bytes:
    return b"".join(_json(line, ascii_only=ascii_only) + b"\n" for line in lines)


def _json(value: Any, *, ascii_only: bool = True) -> bytes:
    # In ASCII no reader can take U+2028 for the end of a line, nor one encoding for another.
    return json.dumps(value, ensure_ascii=ascii_only).encode()
