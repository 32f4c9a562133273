"""Raw rows to canonical columns, with the rows that cannot be used marked."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.pool.cast import Mask, cast_array, cast_values
from tasks.pool.formats import (
    CHUNK_BYTES,
    CHUNK_ROWS,
    Format,
    MalformedObjectError,
    RawRows,
    column_names,
    read_rows,
)
from tasks.pool.schema import Columns
from tasks.pool.values import missing

REASONS = ("usable", "malformed row", "missing id", "wrong type", "repeated id")
"""Why a row is set aside; a row's code is the position here."""
USABLE, MALFORMED, MISSING_ID, WRONG_TYPE, REPEATED_ID = range(len(REASONS))

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class DecodedRows:
    """Consecutive rows of an object in canonical types.

    Attributes
    ----------
    table
        Arrow table (n, columns); values of unusable rows mean nothing.
    codes
        Position in `REASONS` of each row, (n,).
    wrong
        By column, the mask of values of the wrong type.
    raw
        The rows as they were read.
    seen
        Columns that the object is known to have by now; in JSON Lines those that have had a value.
    """

    table: Any
    codes: NDArray[np.uint8]
    wrong: dict[str, Mask]
    raw: RawRows
    seen: frozenset[str] = frozenset()

    def explain(self, position: int) -> str:
        """Say what is wrong with one row, in a few words."""
        for name, mask in self.wrong.items():
            if mask[position]:
                value = self.raw.columns[name][position]
                plain = value.as_py() if isinstance(value, pa.Scalar) else value
                text = repr(plain.decode(errors="replace") if isinstance(plain, bytes) else plain)
                shown = text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
                return f"column {name!r} is {shown}"
        return REASONS[self.codes[position]]


class MissingColumnError(MalformedObjectError):
    """An object lacks a column that the campaign needs."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"missing column {name}")


def decode_rows(
    file: BinaryIO,
    form: Format,
    columns: Columns,
    names: Sequence[str],
    *,
    optional: Collection[str] = (),
    chunk_rows: int = CHUNK_ROWS,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[DecodedRows]:
    """Stream one object in canonical types.

    Parameters
    ----------
    file, form
        As for `read_rows`.
    columns
        What the columns mean.
    names
        Columns to read.
    optional
        Those of them that the object need not have: its rows have missing values there.
    chunk_rows, chunk_bytes
        As for `read_rows`.

    Raises
    ------
    MissingColumnError
        The object lacks one of `names`; for JSON Lines, when no row has it, at the end of the stream.
    tuple of `formats.UNREADABLE`
        The content is corrupt.
    """
    present = column_names(file, form)
    seen: frozenset[str] = frozenset()
    wanted: Sequence[str] = names
    if present is not None and (present or form == "parquet"):
        seen = frozenset(names).intersection(present)
        wanted = [name for name in names if name in seen]
        _refuse_absent(names, seen, optional)
    rows = 0
    for raw in read_rows(file, form, wanted, chunk_rows=chunk_rows, chunk_bytes=chunk_bytes):
        rows += raw.n
        if present is None:
            seen |= {
                name
                for name in names
                if name not in seen and any(value is not None for value in raw.columns[name])
            }
        yield _decode(raw, columns, names, seen)
    if rows:
        _refuse_absent(names, seen, optional)


def _refuse_absent(names: Sequence[str], seen: frozenset[str], optional: Collection[str]) -> None:
    for name in names:
        if name not in seen and name not in optional:
            raise MissingColumnError(name)


def _decode(raw: RawRows, columns: Columns, names: Sequence[str], seen: frozenset[str]) -> DecodedRows:
    arrays: dict[str, Any] = {}
    wrong: dict[str, Mask] = {}
    codes = np.zeros(raw.n, dtype=np.uint8)
    for name in names if raw.columns else ():
        kind, dimension = columns.kind(name), columns.dimension(name)
        if name not in raw.columns:
            arrays[name] = missing(raw.n, kind, dimension)
            continue
        values = raw.columns[name]
        cast = cast_values if isinstance(values, list) else cast_array
        arrays[name], mask = cast(values, kind, dimension)
        if name == columns.id:
            mask = _either(mask, _holds_nul(arrays[name]))
        if mask is not None:
            wrong[name] = mask
            codes[mask] = WRONG_TYPE
    if columns.id in arrays:
        absent = _blank(arrays[columns.id]) & (codes != WRONG_TYPE)
        codes[absent] = MISSING_ID
    codes[list(raw.malformed)] = MALFORMED
    schema = columns.schema(names)
    table = pa.table(arrays, schema=schema) if arrays else schema.empty_table()
    return DecodedRows(table, codes, wrong, raw, seen)


def _holds_nul(ids: Any) -> Mask:
    """Mark ids that no database keeps as text."""
    found = pc.match_substring(ids, "\x00")
    return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _either(first: Mask | None, second: Mask) -> Mask | None:
    mask = second if first is None else first | second
    return mask if mask.any() else None


def _blank(ids: Any) -> Mask:
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(ids)), 0)
    return np.asarray(pc.fill_null(blank, True).to_numpy(zero_copy_only=False), dtype=np.bool_)
