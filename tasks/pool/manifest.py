"""The manifest: exactly which objects and rows a round reads, so that the round can be repeated."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import pyarrow as pa

from tasks.pool.formats import Format
from tasks.pool.schema import Columns

DROPPED_SCHEMA = pa.schema(
    [("object_no", pa.int32()), ("row_no", pa.int64()), ("reason", pa.dictionary(pa.int32(), pa.string()))]
)
_META = b"labelrounds.manifest"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """One object as it was when the manifest was taken.

    Attributes
    ----------
    uri, etag, size
        As listed.
    format
        How it is read.
    rows
        All its numbered rows, usable or not.
    absent
        Columns to learn from that it lacks; its rows have missing values there.
    """

    uri: str
    etag: str
    size: int
    format: Format
    rows: int
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows or objects that are left out for one reason.

    Attributes
    ----------
    reason
        For example ``missing id``, ``repeated id``, ``wrong type``, ``unreadable object``.
    count
        How many rows or objects.
    examples
        At most five, each with its place.
    """

    reason: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.reason}: {self.count}" + (f" (first: {self.examples[0]})" if self.examples else "")


@dataclass(frozen=True)
class Manifest:
    """What a round reads of its pool.

    Attributes
    ----------
    uri
        The pool's prefix.
    objects
        Objects in order of their addresses; an object's number is its position.
    rows
        Usable rows in all.
    set_aside
        What is left out, and why.
    columns
        What the columns mean.
    dropped
        Arrow table ``object_no, row_no, reason``, in that order: rows that no later pass gives out.
    notes
        What a person should know of the columns: which are left out, added or missing in places. No part of the
        digest.
    """

    uri: str
    objects: tuple[ManifestObject, ...]
    rows: int
    set_aside: tuple[SetAside, ...]
    columns: Columns
    dropped: Any
    notes: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Addresses of the objects."""
        return tuple(item.uri for item in self.objects)

    @property
    def digest(self) -> str:
        """SHA-256 of the content, independent of how it is stored."""
        digest = hashlib.sha256(_as_json(self._meta()))
        for name in ("object_no", "row_no"):
            digest.update(self.dropped[name].to_numpy().astype("<i8").tobytes())
        digest.update("\n".join(self.dropped["reason"].cast(pa.string()).to_pylist()).encode())
        return digest.hexdigest()

    def to_bytes(self) -> bytes:
        """One self-contained Parquet file: the dropped rows, and all else as JSON in its metadata."""
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        meta = self._meta() | ({"notes": list(self.notes)} if self.notes else {})
        pq.write_table(
            self.dropped.replace_schema_metadata({_META: _as_json(meta)}), sink, compression="zstd"
        )
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read what `to_bytes` wrote.

        Raises
        ------
        ValueError
            The bytes are no manifest, or one of a later version.
        """
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data))
        meta = json.loads((table.schema.metadata or {}).get(_META, b"{}"))
        if meta.get("version") != _VERSION:
            raise ValueError(f"not a pool manifest of version {_VERSION}")
        return cls(
            uri=meta["uri"],
            objects=tuple(
                ManifestObject(**item | {"absent": tuple(item.get("absent", ()))}) for item in meta["objects"]
            ),
            rows=meta["rows"],
            set_aside=tuple(
                SetAside(item["reason"], item["count"], tuple(item["examples"])) for item in meta["set_aside"]
            ),
            columns=_columns(meta["columns"]),
            dropped=table.replace_schema_metadata(None).cast(DROPPED_SCHEMA),
            notes=tuple(meta.get("notes", ())),
        )

    def _meta(self) -> dict[str, Any]:
        # What later versions added is written only where there is some, so that digests stay what they were.
        return {
            "version": _VERSION,
            "uri": self.uri,
            "objects": [_without_empty(asdict(item), ("absent",)) for item in self.objects],
            "rows": self.rows,
            "set_aside": [asdict(item) for item in self.set_aside],
            "columns": _without_empty(asdict(self.columns), ("date", "tags")),
        }


def _without_empty(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value or name not in names}


def _as_json(meta: Mapping[str, Any]) -> bytes:
    return json.dumps(meta, sort_keys=True, separators=(",", ":")).encode()


def _columns(meta: Mapping[str, Any]) -> Columns:
    values = {
        item.name: tuple(value) if isinstance(value := meta[item.name], list) else value
        for item in fields(Columns)
        if item.name in meta
    }
    return Columns(**cast(dict[str, Any], values))
