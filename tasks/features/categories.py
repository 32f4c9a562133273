"""Columns of categories, be they two or many thousands.

A model with few labels can tell apart few categories: each code more is a chance to learn labels by heart. So the
commonest values of the pool have a code each, all others share one, and how common a value is stands beside it as
a number. What a category means for the classes is left to the model, since the features see no label.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.features.columns import Floats, Parts, least_count, strings_of, varies

MOST_CATEGORIES = 128
# Values whose counts are kept; rarer ones count as not seen.
_MOST_COUNTED = 20_000


@dataclass(frozen=True)
class CategoryBlock:
    """One column of categories as codes: the commonest by their rank, all others the code after the last."""

    kind: ClassVar[str] = "category"
    weight: ClassVar[float] = 1.0
    column: str
    values: tuple[str, ...]  # the commonest first

    @property
    def names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    def transform(self, table: pa.Table) -> Floats:
        """Code each value by its place in `values`; NaN where it is missing."""
        values = strings_of(table, self.column)
        codes = pc.index_in(values, value_set=pa.array(self.values, pa.large_string()))
        codes = pc.if_else(values.is_valid(), pc.fill_null(codes, len(self.values)), None)
        return np.asarray(codes.to_numpy(zero_copy_only=False), np.float32).reshape(-1, 1)

    def to_parts(self) -> Parts:
        """Give the column name and the vocabulary."""
        return {"column": self.column, "values": self.values}, {}


@dataclass(frozen=True)
class FrequencyBlock:
    """How common the values of columns with many categories are: ln(1 + count in the sample)."""

    kind: ClassVar[str] = "frequency"
    weight: ClassVar[float] = 0.1
    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]  # of each column
    counts: tuple[NDArray[np.int64], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each column, and what is measured."""
        return tuple(f"{column}.frequency" for column in self.columns)

    def transform(self, table: pa.Table) -> Floats:
        """Look counts up: 0 for a value that the sample has not, NaN where it is missing."""
        matrix = np.empty((table.num_rows, len(self.columns)), np.float32)
        for place, (column, known, counts) in enumerate(
            zip(self.columns, self.values, self.counts, strict=True)
        ):
            values = strings_of(table, column)
            found = pc.index_in(values, value_set=pa.array(known, pa.large_string()))
            at = pc.fill_null(found, len(known)).to_numpy(zero_copy_only=False)
            logs = np.log1p(np.append(counts, 0))[at]
            matrix[:, place] = np.where(values.is_valid().to_numpy(zero_copy_only=False), logs, np.nan)
        return matrix

    def to_parts(self) -> Parts:
        """Give column names, values and counts."""
        settings = {"columns": self.columns, "values": self.values}
        return settings, {f"counts{place}": counts for place, counts in enumerate(self.counts)}


def fit_category(sample: pa.Table, column: str) -> CategoryBlock | None:
    """Take the commonest values of a column as its vocabulary, at most `MOST_CATEGORIES`."""
    values, counts = count_values(strings_of(sample, column))
    common = int(np.count_nonzero(counts >= least_count(sample.num_rows)))
    block = CategoryBlock(column, tuple(values[: min(common, MOST_CATEGORIES)]))
    return block if block.values and varies(block.transform(sample)[:, 0]) else None


def fit_frequencies(sample: pa.Table, columns: Iterable[str]) -> FrequencyBlock | None:
    """Count the values of those columns that have more than `MOST_CATEGORIES`."""
    kept: list[tuple[str, tuple[str, ...], NDArray[np.int64]]] = []
    for column in columns:
        values, counts = count_values(strings_of(sample, column))
        often = int(np.count_nonzero(counts >= least_count(sample.num_rows)))
        known = min(often, _MOST_COUNTED)
        # Where the rest are values seen once, or all are equally common, there is nothing to tell.
        if len(values) > MOST_CATEGORIES and known and counts[0] > counts[-1]:
            kept.append((column, tuple(values[:known]), counts[:known]))
    if not kept:
        return None
    names, vocabularies, numbers = zip(*kept, strict=True)
    return FrequencyBlock(names, vocabularies, numbers)


def count_values(values: pa.Array) -> tuple[list[str], NDArray[np.int64]]:
    """Give the different values, the commonest first and equally common ones by their text, and their counts."""
    counted = pa.table({"value": values}).group_by("value").aggregate([("value", "count")])
    counted = counted.filter(pc.is_valid(counted["value"]))
    counted = counted.sort_by([("value_count", "descending"), ("value", "ascending")])
    return counted["value"].to_pylist(), counted["value_count"].to_numpy().astype(np.int64)
