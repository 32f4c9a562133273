"""Values of a predictions file as probabilities, checked: a network's other outputs look much like them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.pool.cast import cast_array, cast_values
from tasks.pool.values import is_list, is_number, is_stringlike, plain
from tasks.predictions.spec import PredictionSpec
from tasks.strategies.rows import proxy_of_rows

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# Probabilities in half precision, or written with three decimals, do not sum to 1 exactly.
_SLACK = 0.01
_SHOWN = 60


class BadRow(UsageError):
    """A row that is no prediction.

    Parameters
    ----------
    row : int
        Its position among those that were given, from 0.
    why : str
        To follow "row 3 of item x": "sums to 3.2".
    """

    def __init__(self, row: int, why: str) -> None:
        self.row, self.why = row, why
        super().__init__(f"row {row + 1} {why}")


def ids_of(values: Any) -> pa.Array:
    """Read ids as the pool's are: whole numbers become their decimal text.

    Raises
    ------
    BadRow
        An id is missing or is no text.
    """
    cast = cast_values if isinstance(values, list) else cast_array
    ids, wrong = cast(values, "id")
    if wrong is not None:
        raise BadRow(int(np.argmax(wrong)), "has an id that is no text and no whole number")
    blank = pc.fill_null(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(ids)), 0), True)
    if pc.any(blank).as_py():
        raise BadRow(int(np.argmax(np.asarray(blank))), "has no id")
    return ids


def probabilities(values: Sequence[Any], spec: PredictionSpec) -> Floats:
    """Give what is kept of each item.

    Parameters
    ----------
    values : list of arrays (n,)
        One array of lists, or one of numbers for each class: Arrow arrays, or lists of Python values.

    Returns
    -------
    float32 (n, len(spec.outputs))
        Rows sum to 1.

    Raises
    ------
    BadRow
        A row is no prediction; the first one.
    """
    if not len(values[0]):
        return np.zeros((0, len(spec.outputs)), np.float32)
    if spec.columns:
        found = np.column_stack(
            [_numbers(column, name) for column, name in zip(values, spec.columns, strict=True)]
        )
        return _checked(found)
    array = as_lists(values[0])
    if spec.aggregate is None:
        return _checked(_single_rows(array, spec))
    flat, offsets = _many_rows(array)
    item = np.repeat(np.arange(len(array)), np.diff(offsets))
    try:
        rows = _checked(flat)
    except BadRow as error:
        inside = error.row - int(offsets[item[error.row]])
        raise BadRow(int(item[error.row]), f"{error.why} in its row {inside + 1}") from None
    if not len(rows):
        return np.tile(np.array([1, 0], np.float32), (len(array), 1))
    return proxy_of_rows(rows, offsets, measure=spec.measure, how=spec.aggregate)


def as_lists(values: Any) -> pa.Array:
    """Give an array of lists of numbers, or of lists of them: of Arrow lists, Python lists or JSON text."""
    if isinstance(values, list):
        return _from_python(values)
    array = plain(values)
    if is_stringlike(array.type):
        return _from_python([_parsed(row, value) for row, value in enumerate(array.to_pylist())])
    if not is_list(array.type):
        raise BadRow(0, f"holds {array.type}; a list of probabilities is wanted")
    return array


def _from_python(values: list[Any]) -> pa.Array:
    try:
        array = pa.array(values)
        if is_list(array.type):
            return array
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass
    for row, value in enumerate(values):
        if not isinstance(value, list) or not _is_numbers(value):
            raise BadRow(row, f"holds {_short(value)}; a list of probabilities is wanted")
    raise BadRow(0, "is a list of numbers where others are lists of lists, or the other way round")


def _is_numbers(value: list[Any]) -> bool:
    inner = [one for part in value for one in (part if isinstance(part, list) else [part])]
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in inner)


def _parsed(row: int, value: Any) -> Any:
    try:
        return None if value is None else json.loads(value)
    except ValueError:
        raise BadRow(row, f"holds {_short(value)}; a list such as [0.1, 0.9] is wanted") from None


def _single_rows(array: pa.Array, spec: PredictionSpec) -> Doubles:
    """Read lists of as many numbers as there are classes, float64 (n, n_classes)."""
    inner = array.type.value_type
    if is_list(inner):
        raise BadRow(
            0,
            "has a list of rows; predictions.aggregate says how the uncertainties of several rows are joined",
        )
    _refuse_other_lengths(array, len(spec.classes), f"the campaign has {len(spec.classes)} classes")
    return _flat(array, inner).reshape(-1, len(spec.classes))


def _many_rows(array: pa.Array) -> tuple[Doubles, Ints]:
    """Read lists of rows; gives float64 (r, c) and int64 (n + 1,), where each item's rows begin."""
    inner = array.type.value_type
    if pa.types.is_null(inner):  # no item has a row
        return np.zeros((0, 2)), np.zeros(len(array) + 1, np.int64)
    if not is_list(inner):
        raise BadRow(
            0, "has one row of probabilities; leave predictions.aggregate out, or give a list of rows"
        )
    if array.null_count:
        raise BadRow(_first_null(array), "has no list of rows; [] is an item in which nothing was found")
    counts = np.asarray(pc.list_value_length(array), np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = pc.list_flatten(array)
    if not len(rows):
        return np.zeros((0, 2)), offsets
    lengths = pc.fill_null(pc.list_value_length(rows), 0)
    wanted = max(2, int(lengths[0].as_py()))
    try:
        _refuse_other_lengths(rows, wanted, f"others have {wanted}; all rows have as many")
    except BadRow as error:
        item = int(np.searchsorted(offsets, error.row, side="right")) - 1
        raise BadRow(item, error.why) from None
    return _flat(rows, inner.value_type).reshape(-1, wanted), offsets


def _refuse_other_lengths(array: pa.Array, wanted: int, why: str) -> None:
    lengths = np.asarray(pc.fill_null(pc.list_value_length(array), -1))
    strange = np.flatnonzero(lengths != wanted)
    if len(strange):
        row = int(strange[0])
        if lengths[row] < 0:
            raise BadRow(row, "has no probabilities")
        raise BadRow(row, f"has {lengths[row]} probabilities; {why}")


def _flat(array: pa.Array, kind: Any) -> Doubles:
    if not is_number(kind):
        raise BadRow(0, f"holds lists of {kind}; a list of probabilities is wanted")
    return np.asarray(pc.list_flatten(array).cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _numbers(values: Any, name: str) -> Doubles:
    cast = cast_values if isinstance(values, list) else cast_array
    numbers, wrong = cast(values, "numeric")
    if wrong is not None:
        row = int(np.argmax(wrong))
        raise BadRow(row, f"has no number in column {name!r}")
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)


def _checked(rows: Doubles) -> Floats:
    """Refuse rows that are no probabilities; scale the others so that they sum to 1, float32 of the same shape."""
    total = np.zeros(len(rows))
    # Added column by column: a sum over a row may depend on how many rows there are.
    for column in rows.T:
        total += column
    with np.errstate(invalid="ignore"):
        good = (rows >= 0).all(axis=1) & (np.abs(total - 1) <= _SLACK)
    if not good.all():
        row = int(np.argmin(good))
        raise BadRow(row, _what_is_wrong(rows[row]))
    return (rows / np.where(total > 0, total, 1)[:, None]).astype(np.float32)


def _what_is_wrong(row: Doubles) -> str:
    """Say it, and which output of a network it may be."""
    wanted = "probabilities are wanted"
    if not np.isfinite(row).all():
        return f"holds {row[~np.isfinite(row)][0]}; {wanted}"
    total = float(row.sum())
    if (row <= 0).all() and abs(float(np.exp(row).sum()) - 1) <= _SLACK:
        return f"holds {row[row < 0][0]:.4g}; {wanted}, and these are their logarithms: take exp"
    if (row < 0).any():
        return f"holds {row[row < 0][0]:.4g}; {wanted}, and these look like logits: take the softmax"
    if abs(total - 100) <= 100 * _SLACK:
        return f"sums to {total:.4g}: {wanted}, and these are per cent: divide by 100"
    hint = "; of logits take the softmax" if (row > 1).any() else ""
    return f"sums to {total:.4g}: {wanted}{hint}"


def _first_null(array: pa.Array) -> int:
    return int(np.argmax(np.asarray(array.is_null())))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
