"""Blocks of a feature matrix: what each kind of column becomes.

A block is fitted on a sample by its ``fit_*`` function, which returns None where the sample holds nothing
to tell items apart (a constant or an empty column), and maps any later table of the same schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features.text import LONGEST_TEXT, TextSpace
from tasks.features.tokens import join_columns

Floats = NDArray[np.float32]
Parts = tuple[dict[str, Any], dict[str, NDArray[Any]]]

MOST_CATEGORIES = 256
# XGBoost refuses infinity, and its last bin ends at twice the largest value, which has to fit float32 too.
_LARGEST = 1e37


class Block(Protocol):
    """Some columns of the matrix."""

    kind: ClassVar[str]
    # The block's part of a distance: 1 for what an item is about, less for how it looks.
    weight: ClassVar[float]

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each matrix column."""

    def transform(self, table: pa.Table) -> Floats:
        """Map rows, float32 (n, len(names)), NaN where missing."""

    def to_parts(self) -> Parts:
        """Give settings and arrays, for the file."""


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
class CategoryBlock:
    """One column of categories as codes; a value outside the vocabulary is missing."""

    kind: ClassVar[str] = "category"
    weight: ClassVar[float] = 1.0
    column: str
    values: tuple[str, ...]  # the commonest first

    @property
    def names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    def transform(self, table: pa.Table) -> Floats:
        """Code each value by its place in `values`."""
        vocabulary = pa.array(self.values, pa.large_string())
        codes = pc.index_in(_column(table, self.column).cast(pa.large_string()), value_set=vocabulary)
        return np.asarray(codes.to_numpy(), np.float32).reshape(-1, 1)

    def to_parts(self) -> Parts:
        """Give the column name and the vocabulary."""
        return {"column": self.column, "values": self.values}, {}


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
        return np.ascontiguousarray(_vectors(table, self.column, self.size)[:, self.kept])

    def to_parts(self) -> Parts:
        """Give the column name, the list size and the dimensions kept."""
        return {"column": self.column, "size": self.size}, {"kept": self.kept}


@dataclass(frozen=True)
class TextBlock:
    """What the text columns are about."""

    kind: ClassVar[str] = "text"
    weight: ClassVar[float] = 1.0
    space: TextSpace

    @property
    def names(self) -> tuple[str, ...]:
        """One name a latent dimension."""
        return tuple(f"text.{dimension}" for dimension in range(self.space.dimensions))

    def transform(self, table: pa.Table) -> Floats:
        """Map texts to the latent space."""
        for name in self.space.columns:
            _column(table, name)
        return self.space.transform(table)

    def to_parts(self) -> Parts:
        """Give the fitted text space; words hold no line break, so line breaks part them."""
        space = self.space
        words = np.frombuffer("\n".join(space.words.to_pylist()).encode(), np.uint8)
        arrays = {
            name: getattr(space, name) for name in ("word_term", "pairs", "pair_term", "idf", "components")
        }
        return {"columns": space.columns}, {"words": words, **arrays}


@dataclass(frozen=True)
class ShapeBlock:
    """How the text columns look, whatever the language: length and the shares of kinds of characters."""

    kind: ClassVar[str] = "shape"
    weight: ClassVar[float] = 0.1
    columns: tuple[str, ...]
    kept: tuple[str, ...] = field(default=("length", "capitals", "digits", "signs"))

    _PATTERNS: ClassVar[dict[str, str]] = {
        "capitals": r"\p{Lu}",
        "digits": r"\pN",
        "signs": r"[^\pL\pM\pN\s]",
    }

    @property
    def names(self) -> tuple[str, ...]:
        """One name a measure."""
        return tuple(f"text.{measure}" for measure in self.kept)

    def transform(self, table: pa.Table) -> Floats:
        """Measure texts: ln(1 + characters), and shares of all characters."""
        for name in self.columns:
            _column(table, name)
        if table.num_rows == 0:
            return np.zeros((0, len(self.kept)), np.float32)
        documents = join_columns(table, self.columns, LONGEST_TEXT)
        length = pc.utf8_length(documents).to_numpy(zero_copy_only=False).astype(np.float64)
        measures = [
            np.log1p(length)
            if measure == "length"
            else pc.count_substring_regex(documents, self._PATTERNS[measure]).to_numpy(zero_copy_only=False)
            / np.maximum(length, 1)
            for measure in self.kept
        ]
        return np.column_stack(measures).astype(np.float32)

    def to_parts(self) -> Parts:
        """Give the column names and the measures."""
        return {"columns": self.columns, "kept": self.kept}, {}


def fit_numeric(sample: pa.Table, columns: tuple[str, ...]) -> NumericBlock | None:
    """Keep the numeric columns that vary, a column that is sometimes missing included."""
    matrix = NumericBlock(columns).transform(sample)
    kept = tuple(name for place, name in enumerate(columns) if _varies(matrix[:, place]))
    return NumericBlock(kept) if kept else None


def fit_category(sample: pa.Table, column: str) -> CategoryBlock | None:
    """Take the commonest values of a column as its vocabulary, at most `MOST_CATEGORIES`."""
    values = _column(sample, column).cast(pa.large_string())
    counts = pa.table({"value": values}).group_by("value").aggregate([("value", "count")])
    # In a large sample a value seen once cannot be learnt from: it is noise or an identifier.
    counts = counts.filter(pc.greater_equal(counts["value_count"], 2 if sample.num_rows >= 50 else 1))
    counts = counts.sort_by([("value_count", "descending"), ("value", "ascending")]).slice(0, MOST_CATEGORIES)
    block = CategoryBlock(column, tuple(counts["value"].to_pylist()))
    return block if block.values and _varies(block.transform(sample)[:, 0]) else None


def fit_embedding(sample: pa.Table, column: str) -> EmbeddingBlock | None:
    """Keep the dimensions of an embedding that vary."""
    kind = _column(sample, column).type
    if not pa.types.is_fixed_size_list(kind):
        raise UsageError(
            f"Column {column!r} is declared as an embedding but is {kind}. "
            "Write it as lists of one fixed size."
        )
    vectors = _vectors(sample, column, kind.list_size)
    kept = np.array([d for d in range(kind.list_size) if _varies(vectors[:, d])], np.int64)
    return EmbeddingBlock(column, kind.list_size, kept) if len(kept) else None


def fit_shape(sample: pa.Table, columns: tuple[str, ...]) -> ShapeBlock | None:
    """Keep the measures of shape that vary."""
    block = ShapeBlock(columns)
    matrix = block.transform(sample)
    kept = tuple(measure for place, measure in enumerate(block.kept) if _varies(matrix[:, place]))
    return ShapeBlock(columns, kept) if kept else None


def read_block(kind: str, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Block:
    """Make a block again of what `to_parts` gave."""
    if kind == NumericBlock.kind:
        return NumericBlock(tuple(settings["columns"]))
    if kind == CategoryBlock.kind:
        return CategoryBlock(settings["column"], tuple(settings["values"]))
    if kind == EmbeddingBlock.kind:
        return EmbeddingBlock(settings["column"], settings["size"], arrays["kept"])
    if kind == ShapeBlock.kind:
        return ShapeBlock(tuple(settings["columns"]), tuple(settings["kept"]))
    if kind == TextBlock.kind:
        arrays = dict(arrays)
        words = pa.array(arrays.pop("words").tobytes().decode().split("\n"), pa.large_string())
        return TextBlock(TextSpace(columns=tuple(settings["columns"]), words=words, **arrays))
    raise UsageError(
        f"The feature space holds a block of kind {kind!r}, which this version does not know. Fit it again."
    )


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise UsageError(f"Column {name!r} is missing; the table has {', '.join(table.column_names)}.")
    return table.column(name)


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    column = _column(table, name)
    try:
        return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UsageError(f"Column {name!r} is declared numeric but is {column.type}: {error}") from error


def _vectors(table: pa.Table, name: str, size: int) -> Floats:
    column = _column(table, name)
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


def _varies(values: Floats) -> bool:
    present = values[~np.isnan(values)]
    if len(present) == 0:
        return False
    return len(present) < len(values) or bool(np.any(present != present[0]))
