"""Columns that give the label away: filled in with it, after it, or from it.

Such a column makes every measure look perfect and is not there when it counts. It cannot be told for sure from a
column that is merely good, so what is found is a warning for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features.columns import column_of, whole

if TYPE_CHECKING:
    from tasks.pool.schema import Columns

Codes = NDArray[np.int64]

SHARE = 0.99
LEAST = 30
# Items outside the commonest class that a column must have been tried on, ...
_LEAST_OTHERS = 5
# ... and how much of the errors of "always the commonest class" it must take away.
_LEFT_ERRORS = 0.1
# With fewer items a value than this on average, agreement comes from groups (one sender, one patient), not values.
_ITEMS_PER_VALUE = 5
_FEW_NUMBERS = 20


@dataclass(frozen=True)
class Leak:
    """A column that by itself equals the label.

    Attributes
    ----------
    column : str
    how : {'values', 'thresholds'}
        Whether each value goes with a class, or each stretch of numbers does.
    right, items : int
        On how many of how many labelled items.
    """

    column: str
    how: str
    right: int
    items: int

    @property
    def share(self) -> float:
        """Of items on which the column equals the label."""
        return self.right / self.items

    def __str__(self) -> str:
        """Say what to do about it."""
        parts = "the values" if self.how == "values" else "thresholds"
        return (
            f"{parts} of column {self.column!r} alone give the label of {self.right} of {self.items} items "
            f"({self.share:.1%}). If it is filled in with or after the label, put it in pool.columns.ignore"
        )


def leaks(
    table: pa.Table, y: Codes, columns: Columns, *, share: float = SHARE, least: int = LEAST
) -> tuple[Leak, ...]:
    """Find columns that by themselves equal the label.

    Categories, tags, texts and numbers with few different values: each item is given the commonest class among the
    *other* items with its value, a missing one being a value too; items alone with theirs do not count. Other
    numbers and dates: the stretches between as many thresholds as there are classes, each of two items or more.

    Parameters
    ----------
    table : pyarrow.Table
        The labelled items in canonical types, (n,).
    y : int64 (n,)
        Class codes.
    columns : Columns
        Which column is what. Embeddings are not looked at.
    share : float
        A column is named when it equals the label on more than this share, ...
    least : int
        ... of at least so many items; twice as many where thresholds are tried.

    Returns
    -------
    tuple of Leak
        The surest first; none when one class has nearly all labels, as anything equals those.

    Raises
    ------
    UsageError
        Table and labels differ in length, or a column is missing.
    """
    y = np.asarray(y, np.int64)
    if len(y) != table.num_rows:
        raise UsageError(f"{table.num_rows} rows, but {len(y)} labels.")
    if len(y) < least:
        return ()
    found = []
    for name in columns.features:
        kind = columns.kind(name)
        if kind == "embedding":
            continue
        how, right, tried = _try(column_of(table, name), kind, y)
        items = int(np.count_nonzero(tried))
        # Thresholds are found on the very items that they are tried on: of 30, a merely good column may get all.
        needed = least if how == "values" else 2 * least
        if items >= needed and _is_leak(y[tried], int(np.count_nonzero(right & tried)), share):
            found.append(Leak(name, how, int(np.count_nonzero(right & tried)), items))
    return tuple(sorted(found, key=lambda leak: (-leak.share, -leak.items, leak.column)))


def _try(column: pa.ChunkedArray, kind: str, y: Codes) -> tuple[str, Any, Any]:
    if kind not in ("numeric", "date"):
        return "values", *_by_value(_value_codes(column, kind), y)
    numbers = np.asarray((column.cast(pa.int64()) if kind == "date" else column).to_numpy(), np.float64)
    different, codes = np.unique(numbers, return_inverse=True)
    if len(different) <= _FEW_NUMBERS:
        return "values", *_by_value(codes, y)
    return "thresholds", *_by_thresholds(numbers, y)


def _is_leak(y: Codes, right: int, share: float) -> bool:
    others = len(y) - int(np.bincount(y).max())
    return others >= _LEAST_OTHERS and right > share * len(y) and len(y) - right <= _LEFT_ERRORS * others


def _value_codes(column: pa.ChunkedArray, kind: str) -> Codes:
    values = whole(column)
    if kind == "tags":
        sets = [
            None if tags is None else "\0".join(sorted({tag or "" for tag in tags}))
            for tags in values.to_pylist()
        ]
        values = pa.array(sets, pa.large_string())
    codes = pc.fill_null(values.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    return np.asarray(np.unique(codes, return_inverse=True)[1], np.int64)


def _by_value(codes: Codes, y: Codes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Compare each label with the commonest one of the other items that share the value."""
    counts = np.zeros((int(codes.max()) + 1, int(y.max()) + 1), np.int64)
    np.add.at(counts, (codes, y), 1)
    tried = counts.sum(axis=1)[codes] >= 2
    values = len(np.unique(codes[tried]))
    if np.count_nonzero(tried) < _ITEMS_PER_VALUE * values:
        tried = np.zeros(len(y), np.bool_)
    others = counts[codes]
    others[np.arange(len(y)), y] -= 1
    own = others[np.arange(len(y)), y]
    # A tie with another class is no agreement.
    others[np.arange(len(y)), y] = -1
    return own > others.max(axis=1, initial=0), tried


def _by_thresholds(numbers: NDArray[np.float64], y: Codes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Compare labels with a small tree's; one stretch more than classes, for what is missing."""
    from sklearn.tree import DecisionTreeClassifier

    with np.errstate(over="ignore"):
        rows = np.clip(numbers, -1e37, 1e37).astype(np.float32).reshape(-1, 1)
    stretches = max(2, len(np.unique(y)) + bool(np.isnan(numbers).any()))
    tree = DecisionTreeClassifier(max_leaf_nodes=stretches, min_samples_leaf=2, random_state=0).fit(rows, y)
    return tree.predict(rows) == y, np.ones(len(y), np.bool_)
