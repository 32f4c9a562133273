"""Reading the pool as a manifest pins it, and small labelled tables."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import NotFound, PoolChanged, UsageError
from tasks.pool.ahead import ReadAhead
from tasks.pool.decode import USABLE, DecodedRows, MissingColumnError, decode_rows
from tasks.pool.formats import CHUNK_ROWS, UNREADABLE, format_of
from tasks.pool.guard import open_guarded
from tasks.pool.manifest import Manifest, ManifestObject
from tasks.pool.schema import Columns
from tasks.pool.store import ObjectStore, StoredObject
from tasks.truth.labelset import names_of, text_of

_READING_VERSION = 3  # part of every chunk's key: raise it when the same bytes are read as other values
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive usable rows of one object.

    Attributes
    ----------
    object_no
        Position of the object in the manifest.
    chunk_no
        Number of the chunk in the object, from 0.
    key
        Stable name of exactly these values: equal keys mean equal tables, so results derived from the table
        can be kept under it.
    table
        Arrow table in canonical types (`Columns.schema`), the id first.
    """

    object_no: int
    chunk_no: int
    key: str
    table: Any


def read_pool(
    store: ObjectStore,
    manifest: Manifest,
    *,
    names: Sequence[str] | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[Chunk]:
    """Stream the usable rows of the pool, in order of objects and rows.

    Parameters
    ----------
    store
        Where the objects are.
    manifest
        From `take_manifest`.
    names
        Columns to read, all of the manifest's when None; the id always comes along.
    chunk_rows
        Most rows a chunk. A chunk also ends after some MiB, so that memory stays bounded for long texts.

    Raises
    ------
    PoolChanged
        An object is gone or differs from the manifest.
    ServiceUnavailable
        From the store.
    """
    columns = manifest.columns
    wanted = columns.names if names is None else tuple(dict.fromkeys((columns.id, *names)))
    strange = [name for name in wanted if name not in columns.names]
    if strange:
        raise ValueError(f"column {strange[0]!r} is not one of {', '.join(columns.names)}")
    object_nos = manifest.dropped["object_no"].to_numpy()
    row_nos = manifest.dropped["row_no"].to_numpy()
    with ReadAhead(store, manifest.objects) as ahead:
        for number, item in enumerate(manifest.objects):
            start, stop = np.searchsorted(object_nos, [number, number + 1])
            yield from _read_object(ahead, number, item, columns, wanted, chunk_rows, row_nos[start:stop])


def _read_object(
    store: ObjectStore,
    number: int,
    item: ManifestObject,
    columns: Columns,
    names: Sequence[str],
    chunk_rows: int,
    dropped: NDArray[np.int64],
) -> Iterator[Chunk]:
    read = 0
    try:
        with open_guarded(store, item.uri, item.etag) as file:
            pieces = decode_rows(
                file, item.format, columns, names, optional=item.absent, chunk_rows=chunk_rows
            )
            for chunk_no, rows in enumerate(pieces):
                start, stop = np.searchsorted(dropped, [read, read + rows.raw.n])
                here = dropped[start:stop] - read
                read += rows.raw.n
                if len(here) < rows.raw.n:
                    key = _chunk_key(item, chunk_no, columns, names, chunk_rows, here)
                    yield Chunk(number, chunk_no, key, _without(rows.table, here))
    except NotFound as error:
        raise PoolChanged(f"{item.uri}: gone since the round's manifest was taken; put it back") from error
    except UNREADABLE as error:
        raise PoolChanged(f"{item.uri}: could be read for the round's manifest, now: {error}") from error
    if read != item.rows:
        raise PoolChanged(f"{item.uri}: has {read} rows now, {item.rows} when the round's manifest was taken")


def _without(table: Any, positions: NDArray[np.int64]) -> Any:
    if not len(positions):
        return table
    keep = np.ones(table.num_rows, dtype=np.bool_)
    keep[positions] = False
    return table.filter(pa.array(keep))


def _chunk_key(
    item: ManifestObject,
    chunk_no: int,
    columns: Columns,
    names: Sequence[str],
    chunk_rows: int,
    dropped: NDArray[np.int64],
) -> str:
    kinds = [(name, columns.kind(name), columns.dimension(name)) for name in names]
    parts = [_READING_VERSION, item.uri, item.etag, item.size, chunk_no, chunk_rows, kinds]
    digest = hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode())
    digest.update(dropped.astype("<i8").tobytes())
    return digest.hexdigest()


# -- labelled tables ----------------------------------------------------------------------------------------


def read_table(
    store: ObjectStore, uri: str, *, id: str, names: Sequence[str] = (), columns: Columns | None = None
) -> Any:
    """Read a whole small table, for example seed labels or a hold-out.

    Parameters
    ----------
    store
        Where the table is.
    uri
        One object, or a prefix that ends with ``/``.
    id
        Its id column.
    names
        Further columns, read as text; whole numbers become their decimal text, as for classes, and lists JSON.
    columns
        Of the pool: its columns to learn from are read too, in their canonical types.

    Returns
    -------
    pyarrow.Table
        ``id``, `names`, the features; ids as text.

    Raises
    ------
    NotFound
        There is no such object.
    UsageError
        It cannot be read, lacks a column or has rows that cannot be used: with examples.
    """
    pool = columns or Columns("")
    features = tuple(name for name in pool.features if name not in {id, *names})
    of_kind = {
        kind: tuple(name for name in found if name in features) for kind, found in pool.by_kind.items()
    }
    lengths = tuple(pool.dimension(name) for name in of_kind["embedding"])
    wanted = Columns(id, payload=tuple(names), dimensions=lengths, **of_kind)
    order = (id, *names, *features)
    parts = [_read_whole(store, stored, wanted, order) for stored in _objects_of(store, uri)]
    return pa.concat_tables(parts)


def read_labels(
    store: ObjectStore,
    uri: str,
    *,
    id: str,
    label: str,
    classes: Sequence[str],
    columns: Columns | None = None,
    task: str = "classification",
) -> Any:
    """Read labels that are known, with the features when `columns` is given.

    Parameters
    ----------
    store, uri, id, columns
        As in `read_table`.
    label
        The column of labels. With the task ``multilabel`` each is a list of classes, in a column of lists or as
        JSON text.
    classes
        What a label may be, or hold.
    task
        ``classification`` or ``multilabel``.

    Returns
    -------
    pyarrow.Table
        ``id``, ``label`` and the features, one row an id, in the file's order. Features of the pool that
        are called like the label are not read. Labels that are sets have the text of `tasks.truth.labelset`.

    Raises
    ------
    NotFound, UsageError
        As `read_table`; also when a label is none of `classes`, or an id has two different labels.
    """
    table = read_table(store, uri, id=id, names=(label,), columns=columns)
    check = _as_sets if task == "multilabel" else _check_classes
    table = check(table, uri, id, label, classes)
    first: dict[str, str] = {}
    keep = []
    for position, (key, value) in enumerate(
        zip(table[id].to_pylist(), table[label].to_pylist(), strict=True)
    ):
        if key not in first:
            first[key] = value
            keep.append(position)
        elif first[key] != value:
            raise UsageError(f"{uri}: id {key!r} has two labels, {first[key]!r} and {value!r}")
    return table.take(pa.array(keep, pa.int64())) if len(keep) < table.num_rows else table


def _check_classes(table: Any, uri: str, id: str, label: str, classes: Sequence[str]) -> Any:
    strange = table.filter(pc.invert(pc.is_in(table[label], value_set=pa.array(list(classes), pa.string()))))
    if strange.num_rows:
        shown = ", ".join(f"{row[id]!r}: {row[label]!r}" for row in strange.slice(0, _EXAMPLES).to_pylist())
        raise UsageError(
            f"{uri}: {strange.num_rows} labels in column {label!r} are none of the classes "
            f"{', '.join(classes)}; first (id: label) {shown}"
        )
    return table


def _as_sets(table: Any, uri: str, id: str, label: str, classes: Sequence[str]) -> Any:
    """Give labels that are sets their text; equal sets then are equal."""
    values = table[label].to_pylist()
    known: dict[str | None, str] = {}
    wrong: dict[str | None, str] = {None: "no label; [] is an item with none of the classes"}
    for value in dict.fromkeys(values):
        try:
            known[value] = text_of(names_of(value, classes), classes) if value is not None else ""
        except UsageError as error:
            wrong[value] = str(error).rstrip(".")
    strange = [at for at, value in enumerate(values) if value in wrong]
    if strange:
        ids = table[id].take(pa.array(strange[:_EXAMPLES])).to_pylist()
        shown = "; ".join(f"{one!r}: {wrong[values[at]]}" for one, at in zip(ids, strange, strict=False))
        raise UsageError(
            f"{uri}: {len(strange)} labels in column {label!r} are no lists of classes; first (id: why) {shown}"
        )
    place = table.schema.get_field_index(label)
    return table.set_column(place, label, pa.array([known[value] for value in values], pa.string()))


def _objects_of(store: ObjectStore, uri: str) -> list[StoredObject]:
    listed = [stored for stored in store.list(uri) if not stored.uri.endswith("/")]
    exact = [stored for stored in listed if stored.uri == uri]
    found = exact or [stored for stored in listed if stored.uri.startswith(uri.rstrip("/") + "/")]
    if not found:
        raise NotFound(f"{uri}: no such object")
    return found


def _read_whole(store: ObjectStore, stored: StoredObject, columns: Columns, names: Sequence[str]) -> Any:
    form = format_of(stored.uri)
    if form is None:
        raise UsageError(f"{stored.uri}: neither Parquet, CSV nor JSON Lines by its name")
    tables = [columns.schema(names).empty_table()]
    read = 0
    try:
        with open_guarded(store, stored.uri, stored.etag) as file:
            for rows in decode_rows(file, form, columns, names):
                _refuse_bad_rows(rows, read, stored.uri)
                read += rows.raw.n
                tables.append(rows.table)
    except MissingColumnError as error:
        raise UsageError(f"{stored.uri}: {error}") from error
    except UNREADABLE as error:
        raise UsageError(f"{stored.uri}: cannot be read: {error}") from error
    return pa.concat_tables(tables)


def _refuse_bad_rows(rows: DecodedRows, before: int, uri: str) -> None:
    bad = np.flatnonzero(rows.codes != USABLE)
    if len(bad):
        shown = "; ".join(f"row {before + at + 1}: {rows.explain(int(at))}" for at in bad[:_EXAMPLES])
        raise UsageError(f"{uri}: {len(bad)} rows cannot be used: {shown}")
    if rows.raw.skipped:
        raise UsageError(f"{uri}: {rows.raw.skipped} rows have another number of fields than the header")
