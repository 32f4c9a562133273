"""Which objects a pool has, and what their first rows say of its columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from tasks.errors import PoolRejected
from tasks.pool.evolution import follow
from tasks.pool.formats import UNREADABLE, Format, column_names, format_of, read_rows
from tasks.pool.guard import open_guarded
from tasks.pool.schema import Columns, Resolved, resolve
from tasks.pool.spec import PoolSpec
from tasks.pool.store import ObjectStore, StoredObject

Listed = tuple[StoredObject, Format]

# One object's first rows tell the columns; of pools with tiny objects, the first few objects'.
_SAMPLE_ROWS = 2_000
_ENOUGH_ROWS = 1_000
_SAMPLE_OBJECTS = 8


def list_pool(store: ObjectStore, uri: str) -> tuple[list[Listed], list[str]]:
    """Objects of known formats, and addresses of those of unknown ones.

    Names that begin with ``_`` or ``.`` below `uri` (as of ``_SUCCESS`` or ``_delta_log/``) are skipped.

    Raises
    ------
    PoolRejected
        There is no object of a known format.
    """
    known: list[Listed] = []
    strange: list[str] = []
    folder = uri.rstrip("/") + "/"
    for stored in store.list(uri):
        inside = stored.uri.startswith(folder)
        if stored.uri.endswith("/") or not (inside or stored.uri == uri):
            continue  # a folder's own marker; or the prefix s3://b/mail also lists s3://b/mailbox
        below = stored.uri[len(folder) :] if inside else stored.uri.rsplit("/", 1)[-1]
        if any(part.startswith(("_", ".")) for part in below.split("/")):
            continue
        form = format_of(stored.uri)
        if form is None:
            strange.append(stored.uri)
        else:
            known.append((stored, form))
    if not known:
        others = f" (but {len(strange)} of other formats, first {strange[0]})" if strange else ""
        raise PoolRejected(
            f"{uri}: no Parquet, CSV or JSON Lines objects there{others}; put data there or mend pool.uri"
        )
    return known, strange


def find_columns(store: ObjectStore, uri: str, listed: Sequence[Listed], spec: PoolSpec) -> Columns:
    """Decide on the columns; see `study_columns`."""
    return study_columns(store, uri, listed, spec).columns


def study_columns(
    store: ObjectStore,
    uri: str,
    listed: Sequence[Listed],
    spec: PoolSpec,
    earlier: Columns | None = None,
) -> Resolved:
    """Decide on the columns by the first object that can be read and has the named ones.

    Parameters
    ----------
    store, uri, listed
        The pool.
    spec
        What the campaign names.
    earlier
        The columns that the last round learned from, if there was one: they stay what they are.

    Raises
    ------
    PoolRejected
        There is no such object, or `resolve` finds nothing to learn from.
    PoolChanged
        A column is no longer what the last round learned from.
    """
    parts: list[Mapping[str, Any]] = []
    rows = 0
    first_form: Format | None = None
    seen: dict[str, None] = {}
    unreadable = ""
    for stored, form in listed:
        if parts and (form != first_form or rows >= _ENOUGH_ROWS or len(parts) >= _SAMPLE_OBJECTS):
            break
        try:
            head, n = _head(store, stored, form)
        except UNREADABLE as error:
            unreadable = unreadable or f"{stored.uri}: {error}"
            continue
        seen |= dict.fromkeys(head)
        if n and all(name in head for name in spec.named):
            first_form = form
            rows += n
            parts.append(head)
    if not parts:
        raise PoolRejected(f"{uri}: {_why_no_columns(spec, seen, unreadable)}")
    sample, typed = _joined(parts), not str(first_form).startswith("csv")
    if earlier is None:
        return resolve(sample, spec, typed=typed)
    return follow(earlier, sample, spec, typed=typed)


def _head(store: ObjectStore, stored: StoredObject, form: Format) -> tuple[Mapping[str, Any], int]:
    with open_guarded(store, stored.uri, stored.etag) as file:
        names = column_names(file, form)
        for raw in read_rows(file, form, chunk_rows=_SAMPLE_ROWS, chunk_bytes=4 << 20):
            if raw.n:
                return raw.columns, raw.n
        return dict.fromkeys(names or ()), 0


def _why_no_columns(spec: PoolSpec, seen: Mapping[str, None], unreadable: str) -> str:
    missing = [name for name in spec.named if name not in seen]
    if seen and missing:
        return (
            f"column {missing[0]!r} of the campaign is in no object of the pool; they have {', '.join(seen)}"
        )
    if unreadable and not seen:
        return f"no object can be read; {unreadable}"
    return f"no object has rows with all of the columns {', '.join(spec.named)}"


def _joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Join the first rows of several objects, column by column; arrays of another type are left out."""
    joined: dict[str, Any] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        values = [part[name] for part in parts if name in part]
        if isinstance(values[0], list):
            joined[name] = [value for part in values for value in part]
        else:
            joined[name] = pa.concat_arrays([part for part in values if part.type == values[0].type])
    return joined
