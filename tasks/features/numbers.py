"""Columns of numbers and of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features.columns import Floats, Parts, column_of, varies

# XGBoost refuses infinity, and its last bin ends at twice the largest value, which has to fit float32 too.
_LARGEST = 1e37


@dataclass(frozen=True)
class NumericBlock:
    """Numbers as they are."""

    kind: ClassVar[str] = "numeric"
    weight: ClassVar[float] = 1.0
    columns: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' own names."""
        return self.columns

    def transform(self, table: pa.Table) -> Floats:
        """Cast to float32; infinities become the largest number that XGBoost takes."""
        matrix = np.empty((table.num_rows, len(self.columns)), np.float32)
        for place, name in enumerate(self.columns):
            matrix[:, place] = np.clip(_numbers(table, name), -_LARGEST, _LARGEST)
        return matrix

    def to_parts(self) -> Parts:
        """Give the column names."""
        return {"columns": self.columns}, {}


@dataclass(frozen=True)
class EmbeddingBlock:
    """A column of fixed-size lists, one matrix column a dimension that varies."""

    kind: ClassVar[str] = "embedding"
    weight: ClassVar[float] = 1.0
    column: str
    size: int
    kept: NDArray[np.int64]

    @property
    def names(self) -> tuple[str, ...]:
        """Column name and dimension."""
        return tuple(f"{self.column}.{dimension}" for dimension in self.kept)

    def transform(self, table: pa.Table) -> Floats:
        """Spread the lists; a missing list is a row of NaN."""
        return np.ascontiguousarray(vectors_of(table, self.column, self.size)[:, self.kept])

    def to_parts(self) -> Parts:
        """Give the column name, the list size and the dimensions kept."""
        return {"column": self.column, "size": self.size}, {"kept": self.kept}


def fit_numeric(sample: pa.Table, columns: tuple[str, ...]) -> NumericBlock | None:
    """Keep the numeric columns that vary, a column that is sometimes missing included."""
    matrix = NumericBlock(columns).transform(sample)
    kept = tuple(name for place, name in enumerate(columns) if varies(matrix[:, place]))
    return NumericBlock(kept) if kept else None


def fit_embedding(sample: pa.Table, column: str) -> EmbeddingBlock | None:
    """Keep the dimensions of an embedding that vary."""
    kind = column_of(sample, column).type
    if not pa.types.is_fixed_size_list(kind):
        raise UsageError(
            f"Column {column!r} is declared as an embedding but is {kind}. "
            "Write it as lists of one fixed size."
        )
    vectors = vectors_of(sample, column, kind.list_size)
    kept = np.array([d for d in range(kind.list_size) if varies(vectors[:, d])], np.int64)
    return EmbeddingBlock(column, kind.list_size, kept) if len(kept) else None


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    column = column_of(table, name)
    try:
        return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        # Arrow raises the second for types, such as lists, from which it has no cast to numbers.
        raise UsageError(f"Column {name!r} is declared numeric but is {column.type}: {error}") from error


def vectors_of(table: pa.Table, name: str, size: int) -> Floats:
    """Give a column of lists of one size as a matrix, float32 (n, size); a missing list is a row of NaN."""
    column = column_of(table, name)
    if not pa.types.is_fixed_size_list(column.type) or column.type.list_size != size:
        raise UsageError(
            f"Column {name!r} holds {column.type}, but the features were fitted on lists of {size}."
        )
    vectors = np.full((table.num_rows, size), np.nan, np.float32)
    start = 0
    for chunk in column.chunks:
        present = chunk.is_valid().to_numpy(zero_copy_only=False)
        flat = chunk.flatten().cast(pa.float32()).to_numpy(zero_copy_only=False)
        vectors[start : start + len(chunk)][present] = flat.reshape(-1, size)
        start += len(chunk)
    # One broken number of a network's output must not stop a round.
    return np.where(np.isinf(vectors), np.float32(np.nan), vectors)
