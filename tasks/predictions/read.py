"""Reading predictions from the store, object by object, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from tasks.errors import NotFound, PoolRejected, UsageError
from tasks.pool.ahead import ReadAhead
from tasks.pool.formats import UNREADABLE, RawRows, column_names, read_rows
from tasks.pool.guard import open_guarded
from tasks.pool.listing import Listed, list_pool
from tasks.pool.store import ObjectStore, StoredObject
from tasks.predictions.rows import BadRow, Floats, ids_of, probabilities
from tasks.predictions.spec import PredictionSpec


@dataclass(frozen=True)
class Predicted:
    """Consecutive rows of an object of predictions.

    Attributes
    ----------
    object_no, row_no : int
        Position of the object among those read, and of the first row in it.
    ids : pyarrow.Array (n,)
        Strings.
    proba : float32 (n, w)
        As `tasks.predictions.rows.probabilities` gives them.
    """

    object_no: int
    row_no: int
    ids: pa.Array
    proba: Floats


def list_predictions(store: ObjectStore, uri: str) -> list[Listed]:
    """List the objects that hold predictions.

    Raises
    ------
    UsageError
        There is none.
    """
    try:
        listed, strange = list_pool(store, uri)
    except (PoolRejected, NotFound) as error:
        raise UsageError(
            f"predictions.uri: {uri}: no Parquet, JSON Lines or CSV objects there; put predictions there or mend it"
        ) from error
    if strange:
        raise UsageError(f"predictions.uri: {strange[0]} is neither Parquet, JSON Lines nor CSV by its name")
    return listed


def read_predictions(store: ObjectStore, listed: list[Listed], spec: PredictionSpec) -> Iterator[Predicted]:
    """Stream all predictions, checked.

    Raises
    ------
    UsageError
        An object cannot be read or lacks a column, or a row is no prediction: with its place and item.
    PoolChanged, ServiceUnavailable
        From the store.
    """
    with ReadAhead(store, [stored for stored, _ in listed]) as ahead:
        for number, (stored, form) in enumerate(listed):
            try:
                with open_guarded(ahead, stored.uri, stored.etag) as file:
                    _refuse_absent(column_names(file, form), stored, spec)
                    read = 0
                    for raw in read_rows(file, form, spec.names):
                        if raw.n:
                            yield _decode(raw, stored, spec, number, read)
                            read += raw.n
                        if raw.skipped:
                            raise UsageError(
                                f"{stored.uri}: {raw.skipped} rows have another number of fields than the header"
                            )
            except UNREADABLE as error:
                raise UsageError(f"{stored.uri}: predictions cannot be read: {error}") from error


def _refuse_absent(present: tuple[str, ...] | None, stored: StoredObject, spec: PredictionSpec) -> None:
    absent = [name for name in spec.names if present is not None and name not in present]
    if absent:
        raise UsageError(
            f"{stored.uri}: no column {absent[0]!r} of predictions; it has {', '.join(present or ()) or 'none'}"
        )


def _decode(raw: RawRows, stored: StoredObject, spec: PredictionSpec, number: int, read: int) -> Predicted:
    if raw.malformed:
        raise UsageError(f"{stored.uri}: row {read + raw.malformed[0] + 1} is no JSON object")
    try:
        ids = ids_of(raw.columns[spec.id])
    except BadRow as error:
        raise UsageError(f"{stored.uri}: row {read + error.row + 1} {error.why}") from None
    try:
        proba = probabilities([raw.columns[name] for name in spec.names[1:]], spec)
    except BadRow as error:
        place = f"row {read + error.row + 1}, of item {ids[error.row].as_py()!r},"
        raise UsageError(f"{stored.uri}: {place} {error.why}") from None
    return Predicted(number, read, ids, proba)
