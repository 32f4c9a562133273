"""Matrices as columns of Arrow tables, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def as_lists(matrix: Floats) -> pa.FixedSizeListArray:
    """Make a column of a matrix, float32 (n, d)."""
    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])


def as_matrix(column: Any) -> Floats:
    """Read the matrix that `as_lists` wrote, float32 (n, d)."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(whole.flatten(), np.float32).reshape(len(whole), whole.type.list_size)
