"""What a simulated vendor knows: a file with the payload's columns and the label."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.errors import UsageError


class Truth:
    """Looks a payload up; callable as `tasks.vendors.http_vendor.Answer`.

    Parameters
    ----------
    rows
        The file's rows.
    label
        The column with the class, or with a list of classes.
    on
        Columns by which a payload is known; empty are all that both have.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], label: str, on: Sequence[str] = ()) -> None:
        if not rows or label not in rows[0]:
            have = ", ".join(rows[0]) if rows else "nothing"
            raise UsageError(f"the truth file has no column {label!r}; it has {have}")
        self._rows, self._label, self._on = rows, label, tuple(on)
        self._index: dict[tuple[str, ...], dict[tuple[str, ...], Any]] = {}

    def __call__(self, payload: Mapping[str, Any]) -> str | Collection[str]:
        """Return the label of a payload.

        Raises
        ------
        UsageError
            The file does not have it.
        """
        columns = self._on or tuple(name for name in sorted(payload) if name in self._rows[0])
        if columns not in self._index:
            self._index[columns] = {_key(row, columns): row[self._label] for row in self._rows}
        found = self._index[columns].get(_key(payload, columns))
        if not columns or found is None:
            raise UsageError(
                f"the truth file has no row for a payload; compared by {', '.join(columns) or 'nothing'}"
            )
        return [str(one) for one in found] if isinstance(found, list) else str(found)


def read_truth(path: Path, label: str, on: Sequence[str] = ()) -> Truth:
    """Read a Parquet, CSV or JSON Lines file.

    Raises
    ------
    UsageError
        It cannot be read, or has no such column.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    readers = {".parquet": pa.parquet.read_table, ".csv": pa.csv.read_csv}
    try:
        table = readers.get(path.suffix, pa.json.read_json)(path)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path}: cannot be read as Parquet, CSV or JSON Lines: {error}") from None
    return Truth(table.to_pylist(), label, on)


def _key(row: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(row.get(name)) for name in columns)
