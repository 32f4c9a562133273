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
from tasks.features.categories import (
    MOST_CATEGORIES,
    CategoryBlock,
    FrequencyBlock,
    fit_category,
    fit_frequencies,
)
from tasks.features.columns import Floats, Parts, column_of, varies
from tasks.features.dates import DateBlock, fit_dates
from tasks.features.given import PredictionBlock
from tasks.features.numbers import EmbeddingBlock, NumericBlock, fit_embedding, fit_numeric
from tasks.features.tags import MOST_TAGS, TagsBlock, fit_tags
from tasks.features.terms import Vocabulary
from tasks.features.text import LONGEST_TEXT, TextSpace
from tasks.features.tokens import join_columns

__all__ = [
    "MOST_CATEGORIES",
    "MOST_TAGS",
    "Block",
    "CategoryBlock",
    "DateBlock",
    "EmbeddingBlock",
    "Floats",
    "FrequencyBlock",
    "NumericBlock",
    "Parts",
    "PredictionBlock",
    "ShapeBlock",
    "TagsBlock",
    "TextBlock",
    "fit_category",
    "fit_dates",
    "fit_embedding",
    "fit_frequencies",
    "fit_numeric",
    "fit_shape",
    "fit_tags",
    "read_block",
]


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
            column_of(table, name)
        return self.space.transform(table)

    def to_parts(self) -> Parts:
        """Give the fitted text space."""
        space = self.space
        arrays: dict[str, NDArray[Any]] = {
            "words": space.words.keys,
            "ngrams": space.ngrams.keys,
            "idf": space.idf,
            "components": space.components,
        }
        return {"columns": space.columns}, arrays


@dataclass(frozen=True)
class ShapeBlock:
    """How the text columns look, whatever the language: length and the shares of kinds of characters."""

    kind: ClassVar[str] = "shape"
    weight: ClassVar[float] = 0.1
    columns: tuple[str, ...]
    kept: tuple[str, ...] = field(default=("length", "capitals", "digits", "signs", "links", "tags"))

    _PATTERNS: ClassVar[dict[str, str]] = {
        "capitals": r"\p{Lu}",
        "digits": r"\pN",
        "signs": r"[^\pL\pM\pN\s]",
        # Features read HTML as plain text; that there was some is kept here.
        "links": r"(?i)https?://|www\.|mailto:",
        "tags": r"<[a-zA-Z/!][^<>]*>",
    }

    @property
    def names(self) -> tuple[str, ...]:
        """One name a measure."""
        return tuple(f"text.{measure}" for measure in self.kept)

    def transform(self, table: pa.Table) -> Floats:
        """Measure texts: ln(1 + characters), and shares of all characters."""
        for name in self.columns:
            column_of(table, name)
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


def fit_shape(sample: pa.Table, columns: tuple[str, ...]) -> ShapeBlock | None:
    """Keep the measures of shape that vary."""
    block = ShapeBlock(columns)
    matrix = block.transform(sample)
    kept = tuple(measure for place, measure in enumerate(block.kept) if varies(matrix[:, place]))
    return ShapeBlock(columns, kept) if kept else None


def read_block(kind: str, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Block:
    """Make a block again of what `to_parts` gave."""
    if kind == NumericBlock.kind:
        return NumericBlock(tuple(settings["columns"]))
    if kind == CategoryBlock.kind:
        return CategoryBlock(settings["column"], tuple(settings["values"]))
    if kind == FrequencyBlock.kind:
        values = tuple(tuple(own) for own in settings["values"])
        counts = tuple(arrays[f"counts{place}"] for place in range(len(values)))
        return FrequencyBlock(tuple(settings["columns"]), values, counts)
    if kind == DateBlock.kind:
        return DateBlock(tuple(settings["columns"]), tuple(tuple(own) for own in settings["parts"]))
    if kind == TagsBlock.kind:
        return TagsBlock(settings["column"], tuple(settings["values"]), settings["counted"])
    if kind == EmbeddingBlock.kind:
        return EmbeddingBlock(settings["column"], settings["size"], arrays["kept"])
    if kind == ShapeBlock.kind:
        return ShapeBlock(tuple(settings["columns"]), tuple(settings["kept"]))
    if kind == TextBlock.kind:
        terms = {name: Vocabulary(arrays[name]) for name in ("words", "ngrams")}
        columns = tuple(settings["columns"])
        return TextBlock(TextSpace(columns, **terms, idf=arrays["idf"], components=arrays["components"]))
    if kind == PredictionBlock.kind:
        return PredictionBlock(settings["column"], tuple(settings["outputs"]))
    raise UsageError(
        f"The feature space holds a block of kind {kind!r}, which this version does not know. Fit it again."
    )
