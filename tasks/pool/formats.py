"""Parquet, CSV and JSON Lines as a stream of raw rows, in memory that does not depend on the file's size.

Rows are numbered in file order from 0. The numbering is the same whichever columns are read, so that a later
pass can drop exactly the rows that an earlier one refused.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa

Format = Literal["parquet", "csv", "jsonl", "csv.gz", "jsonl.gz"]

CHUNK_ROWS = 8_192
CHUNK_BYTES = 16 << 20
LONGEST_ROW = 32 << 20

_SUFFIXES: Mapping[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv.gz",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonl.gz": "jsonl.gz",
    ".ndjson.gz": "jsonl.gz",
}


class MalformedObjectError(ValueError):
    """The object can be parsed, but does not have the form of a table."""


UNREADABLE = (
    MalformedObjectError,
    pa.ArrowInvalid,
    pa.ArrowNotImplementedError,
    pa.ArrowTypeError,
    pa.ArrowKeyError,
    OSError,
    EOFError,
    zlib.error,
    UnicodeDecodeError,
    csv.Error,
)
"""What readers raise for content that is corrupt or not what its suffix says."""


@dataclass(frozen=True, slots=True)
class RawRows:
    """Some consecutive rows of an object, with values as the file has them.

    Attributes
    ----------
    n
        Number of rows.
    columns
        Arrow arrays, or lists of Python values (JSON), (n,) each.
    malformed
        Positions of rows that are no JSON object; their values are None.
    skipped
        Lines that the parser could not take as a row at all; they have no number.
    """

    n: int
    columns: Mapping[str, Any]
    malformed: tuple[int, ...] = ()
    skipped: int = 0


def format_of(uri: str) -> Format | None:
    """Format by the suffix of the name, whatever its case; None when it is unknown."""
    name = uri.rsplit("/", 1)[-1].lower()
    return next((form for suffix, form in _SUFFIXES.items() if name.endswith(suffix)), None)


def column_names(file: BinaryIO, form: Format) -> tuple[str, ...] | None:
    """Names of the columns, or None for JSON Lines, where every row has its own.

    Raises
    ------
    MalformedObjectError
        A name occurs twice.
    """
    if form.startswith("jsonl"):
        return None
    names = (
        tuple(_parquet(file).schema_arrow.names) if form == "parquet" else _header(_unpacked(file, form))[0]
    )
    twice = [name for position, name in enumerate(names) if name in names[:position]]
    if twice:
        raise MalformedObjectError(f"column {twice[0]!r} occurs twice")
    return names


def read_rows(
    file: BinaryIO,
    form: Format,
    names: Sequence[str] | None = None,
    *,
    chunk_rows: int = CHUNK_ROWS,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[RawRows]:
    """Stream the rows of one object.

    Parameters
    ----------
    file
        Seekable; `guard.open_guarded` keeps errors of the store apart from errors of the content.
    form
        As `format_of` says.
    names
        Columns to read, all when None. JSON rows without a column have None there.
    chunk_rows, chunk_bytes
        A chunk ends when it has this many rows or about this many bytes.

    Raises
    ------
    tuple of `UNREADABLE`
        The content is corrupt, at the point of the stream where that shows.
    """
    if form == "parquet":
        batches = _read_parquet(file, names, chunk_rows, chunk_bytes)
        yield from _rechunk(batches, chunk_rows, chunk_bytes)
    elif form.startswith("csv"):
        skipped: list[int] = []
        yield from _rechunk(_read_csv(file, form, names, skipped), chunk_rows, chunk_bytes)
        if skipped:
            yield RawRows(0, {}, skipped=len(skipped))
    else:
        yield from _read_jsonl(_unpacked(file, form), names, chunk_rows, chunk_bytes // 4)


def _rechunk(batches: Iterator[Any], chunk_rows: int, chunk_bytes: int) -> Iterator[RawRows]:
    """Slices of about equal size; depends on the sequence of rows and bytes alone."""
    pending: list[Any] = []
    rows = size = 0
    for batch in batches:
        while batch.num_rows:
            per_row = max(1, batch.nbytes // batch.num_rows)
            room = max(1, min(chunk_rows - rows, (chunk_bytes - size) // per_row))
            piece, batch = batch.slice(0, room), batch.slice(room)
            pending.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
            if rows >= chunk_rows or size + per_row > chunk_bytes:
                yield _raw(pending)
                pending, rows, size = [], 0, 0
    if pending:
        yield _raw(pending)


def _raw(batches: list[Any]) -> RawRows:
    batch = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
    return RawRows(batch.num_rows, dict(zip(batch.schema.names, batch.columns, strict=True)))


# -- Parquet ------------------------------------------------------------------------------------------------


def _parquet(file: BinaryIO) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, buffer_size=1 << 20)  # buffered: pages are streamed, not whole column chunks


def _read_parquet(file: BinaryIO, names: Sequence[str] | None, rows: int, size: int) -> Iterator[Any]:
    parquet = _parquet(file)
    for group in range(parquet.num_row_groups):
        metadata = parquet.metadata.row_group(group)
        if metadata.num_rows == 0:
            continue
        per_row = max(1, metadata.total_byte_size // metadata.num_rows)
        # Dictionary pages hide the size of the values: small steps bound what they unfold to.
        step = max(1, min(rows, 1_024, size // per_row))
        yield from parquet.iter_batches(step, row_groups=[group], columns=_list(names), use_threads=False)


def _list(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)


# -- CSV ----------------------------------------------------------------------------------------------------


def _unpacked(file: BinaryIO, form: Format) -> BinaryIO:
    file.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if form.endswith(".gz") else file


def _header(file: BinaryIO) -> tuple[tuple[str, ...], str]:
    """Column names and delimiter: the comma, or what the first line has instead."""
    head = file.read(1 << 20)
    file.seek(0)
    if not head.strip():
        return (), ","
    text = head.decode("utf-8-sig", errors="replace")
    line = text.split("\n", 1)[0]
    delimiter = next((mark for mark in (",", ";", "\t") if mark in line), ",")
    return tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))), delimiter


def _read_csv(file: BinaryIO, form: Format, names: Sequence[str] | None, skipped: list[int]) -> Iterator[Any]:
    """Blocks of 1 MiB, and of 32 MiB when a row is longer than that."""
    done = 0
    for block in (1 << 20, LONGEST_ROW):
        skipped.clear()
        position = 0
        try:
            for batch in _read_csv_blocks(_unpacked(file, form), names, block, skipped):
                start = min(batch.num_rows, max(0, done - position))
                position += batch.num_rows
                if start < batch.num_rows:
                    done = position
                    yield batch.slice(start)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or block == LONGEST_ROW:
                raise
        else:
            return


def _read_csv_blocks(
    file: BinaryIO, names: Sequence[str] | None, block: int, skipped: list[int]
) -> Iterator[Any]:
    import pyarrow.csv as arrow_csv

    def skip(row: Any) -> str:
        skipped.append(1)
        return "skip"

    header, delimiter = _header(file)
    if not header:
        return
    wanted = header if names is None else names
    reader = arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=block),
        parse_options=arrow_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip
        ),
        convert_options=arrow_csv.ConvertOptions(
            # Bytes: leading zeros stay, and one cell that is not UTF-8 does not cost the whole object.
            column_types={name: pa.binary() for name in header},
            include_columns=list(wanted),
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    yield from reader


# -- JSON Lines ---------------------------------------------------------------------------------------------


def _read_jsonl(
    file: BinaryIO, names: Sequence[str] | None, chunk_rows: int, chunk_bytes: int
) -> Iterator[RawRows]:
    rows: list[Mapping[str, Any]] = []
    malformed: list[int] = []
    size = 0
    for line in _lines(file):
        row = _json_object(line)
        if row is None:
            malformed.append(len(rows))
        rows.append(row or {})
        size += len(line)
        if len(rows) >= chunk_rows or size >= chunk_bytes:
            yield _json_rows(rows, names, malformed)
            rows, malformed, size = [], [], 0
    if rows:
        yield _json_rows(rows, names, malformed)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    buffered = io.BufferedReader(cast(io.RawIOBase, file), 1 << 20)
    try:
        while line := buffered.readline(LONGEST_ROW + 1):
            if len(line) > LONGEST_ROW:
                raise MalformedObjectError(f"a line is longer than {LONGEST_ROW >> 20} MiB")
            if line.strip():
                yield line
    finally:
        buffered.detach()


def _json_object(line: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json_rows(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str] | None, malformed: Sequence[int]
) -> RawRows:
    wanted = dict.fromkeys(name for row in rows for name in row) if names is None else names
    columns = {name: [row.get(name) for row in rows] for name in wanted}
    return RawRows(len(rows), columns, tuple(malformed))
