"""Rules of a campaign file over Arrow tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.weak.patterns import Mask, search

if TYPE_CHECKING:
    from tasks.campaign.weak import LabelingFunction


class Condition(Protocol):
    """What is asked of a column; a labeling function, or what the audit draws more often."""

    @property
    def column(self) -> str | None:
        """Its name."""

    @property
    def equals(self) -> tuple[str, ...]:
        """The value is one of these; empty = any."""

    @property
    def above(self) -> float | None:
        """The number is larger."""

    @property
    def below(self) -> float | None:
        """The number is smaller."""

    @property
    def missing(self) -> bool | None:
        """Whether there is no value."""


@dataclass(frozen=True)
class Held:
    """Where a rule holds.

    Attributes
    ----------
    rows : bool (n,)
        Where it surely holds.
    unsure : int64 (u,)
        Rows where all holds but the patterns, which only Python's `re` can judge.
    """

    rows: Mask
    unsure: NDArray[np.int64]


def patterns_of(rule: LabelingFunction, text: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """Give the patterns of a rule with their columns; each must be found in one of its columns."""
    patterns: list[tuple[tuple[str, ...], str]] = []
    if rule.text is not None:
        patterns.append((tuple(text), rule.text))
    if rule.matches is not None and rule.column is not None:
        patterns.append(((rule.column,), rule.matches))
    return patterns


def holds(rule: LabelingFunction, table: pa.Table, text: Sequence[str]) -> Held:
    """Say where a rule holds.

    Parameters
    ----------
    rule : LabelingFunction
        With conditions; all of them must hold.
    table : pyarrow.Table (n rows)
    text : sequence of str
        The campaign's text columns.

    Raises
    ------
    UsageError
        The table lacks a column, or has one of a kind that the rule cannot read.
    """
    rows = np.ones(table.num_rows, np.bool_)
    if rule.column is not None:
        rows = _column_conditions(rule, _column(table, rule.column))
    unsure = np.zeros(table.num_rows, np.bool_)
    possible = rows.copy()
    for columns, pattern in patterns_of(rule, text):
        if not columns:
            raise UsageError("text needs a text column, and the campaign has none; use column and matches")
        results = [search(pattern, as_text(_column(table, name), name)) for name in columns]
        found = np.any([result[0] for result in results], axis=0)
        doubt = np.any([result[1] for result in results], axis=0) & ~found
        rows, possible, unsure = rows & found, possible & (found | doubt), unsure | doubt
    return Held(rows, np.flatnonzero(possible & unsure))


def holds_in_column(condition: Condition, table: pa.Table) -> Mask:
    """Say where the conditions on one column hold, bool (n,).

    Raises
    ------
    UsageError
        The table lacks the column, or has one of a kind that the condition cannot read.
    """
    return _column_conditions(condition, _column(table, condition.column or ""))


def _column(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        raise UsageError(f"there is no column {name}; the pool has {', '.join(table.column_names)}")
    column = table.column(name)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # too long for one array, or without chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


def as_text(array: pa.Array, name: str) -> pa.Array:
    """Cast a column to text.

    Raises
    ------
    UsageError
        It holds lists or other nested values.
    """
    if pa.types.is_nested(array.type):
        raise UsageError(f"column {name} holds {array.type}, which no rule can read; write a Python function")
    return array if pa.types.is_string(array.type) else pc.cast(array, pa.string())


def as_numbers(array: pa.Array, name: str) -> NDArray[np.float64]:
    """Cast a column to numbers; NaN where a text is none, or missing.

    Raises
    ------
    UsageError
        It holds lists or other nested values.
    """
    kind = array.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        numbers = pc.cast(array, pa.float64(), safe=False)
        return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)
    texts = as_text(array, name).to_pylist()
    return np.array([_number(text) for text in texts], np.float64)


def _number(text: str | None) -> float:
    try:
        return float("nan" if text is None else text)
    except ValueError:
        return float("nan")


def _column_conditions(rule: Condition, array: pa.Array) -> Mask:
    name = rule.column or ""
    rows = np.ones(len(array), np.bool_)
    if rule.missing is not None:
        missing = pc.is_null(array, nan_is_null=True).to_numpy(zero_copy_only=False)
        rows &= np.asarray(missing, np.bool_) == rule.missing
    if rule.equals:
        rows &= _equals(array, rule.equals, name)
    if rule.above is not None or rule.below is not None:
        numbers = as_numbers(array, name)
        rows &= numbers > (-np.inf if rule.above is None else rule.above)
        rows &= numbers < (np.inf if rule.below is None else rule.below)
    return rows


def _equals(array: pa.Array, values: Sequence[str], name: str) -> Mask:
    if pa.types.is_floating(array.type) or pa.types.is_integer(array.type):
        strange = [value for value in values if np.isnan(_number(value))]
        if strange:
            raise UsageError(f"column {name} holds numbers, and {strange[0]!r} is none")
        return np.isin(as_numbers(array, name), [_number(value) for value in values])
    found = pc.is_in(as_text(array, name), value_set=pa.array(list(values), pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
