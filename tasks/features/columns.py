"""What the blocks of a feature matrix share: columns of a table as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import UsageError

Floats = NDArray[np.float32]
Parts = tuple[dict[str, Any], dict[str, NDArray[Any]]]

# From so many rows on, a value that the sample has once cannot be learnt from: it is noise or an identifier.
_LARGE_SAMPLE = 50


def column_of(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Give a column.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    if name not in table.column_names:
        raise UsageError(f"Column {name!r} is missing; the table has {', '.join(table.column_names)}.")
    return table.column(name)


def strings_of(table: pa.Table, name: str) -> pa.Array:
    """Give a column of categories as large strings, nulls kept."""
    return whole(column_of(table, name).cast(pa.large_string()))


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Give all chunks of a column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def varies(values: Floats) -> bool:
    """Tell whether a matrix column tells items apart; being missing now and then is enough."""
    present = values[~np.isnan(values)]
    if len(present) == 0:
        return False
    return len(present) < len(values) or bool(np.any(present != present[0]))


def least_count(rows: int) -> int:
    """Give how often a sample must have a value for it to be learnt from."""
    return 2 if rows >= _LARGE_SAMPLE else 1
