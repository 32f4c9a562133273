"""Columns of lists of categories: an indicator for each common one, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features.categories import count_values
from tasks.features.columns import Floats, Parts, column_of, least_count, varies, whole

MOST_TAGS = 64
_LONGEST_NAME = 40


@dataclass(frozen=True)
class TagsBlock:
    """One column of lists as indicator columns, and the number of different entries of each list.

    A missing list has none of the tags, and its number is missing.
    """

    kind: ClassVar[str] = "tags"
    weight: ClassVar[float] = 1.0
    column: str
    values: tuple[str, ...]
    counted: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Column name and tag; then the column's count."""
        tags = tuple(f"{self.column}.{value[:_LONGEST_NAME]}" for value in self.values)
        return (*tags, f"{self.column}.count") if self.counted else tags

    def transform(self, table: pa.Table) -> Floats:
        """Mark the tags of each list, and count them."""
        known, rows, tags = _entries(table, self.column)
        matrix = np.zeros((table.num_rows, len(self.values) + self.counted), np.float32)
        found = pc.fill_null(pc.index_in(tags, value_set=pa.array(self.values, pa.large_string())), -1)
        places = found.to_numpy(zero_copy_only=False)
        matrix[rows[places >= 0], places[places >= 0]] = 1
        if self.counted:
            matrix[:, -1] = np.where(known, np.bincount(rows, minlength=table.num_rows), np.nan)
        return matrix

    def to_parts(self) -> Parts:
        """Give the column name, the vocabulary, and whether entries are counted."""
        return {"column": self.column, "values": self.values, "counted": self.counted}, {}


def fit_tags(sample: pa.Table, column: str) -> TagsBlock | None:
    """Take the tags that most lists have, at most `MOST_TAGS`, of those that tell items apart."""
    _, _, tags = _entries(sample, column)
    values, counts = count_values(tags)
    common = int(np.count_nonzero(counts >= least_count(sample.num_rows)))
    # One more than wanted: a tag that all lists have tells nothing.
    block = TagsBlock(column, tuple(values[: min(common, MOST_TAGS + 1)]), counted=True)
    matrix = block.transform(sample)
    kept = [value for place, value in enumerate(block.values) if varies(matrix[:, place])]
    counted = varies(matrix[:, -1])
    return TagsBlock(column, tuple(kept[:MOST_TAGS]), counted) if kept or counted else None


def _entries(table: pa.Table, name: str) -> tuple[NDArray[np.bool_], NDArray[np.int64], pa.Array]:
    """Give which rows have a list, and each different entry of a list: its row and its tag."""
    column = column_of(table, name)
    if not pa.types.is_list(column.type) and not pa.types.is_large_list(column.type):
        raise UsageError(f"Column {name!r} is declared as tags but is {column.type}.")
    lists = whole(column)
    known = lists.is_valid().to_numpy(zero_copy_only=False)
    rows = pc.list_parent_indices(lists).cast(pa.int64())
    entries = pa.table({"row": rows, "tag": lists.flatten().cast(pa.large_string())})
    entries = entries.filter(pc.is_valid(entries["tag"])).group_by(["row", "tag"]).aggregate([])
    return known, entries["row"].to_numpy(), whole(entries["tag"])
