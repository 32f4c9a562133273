"""Values of any type to strings."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.pool.values import Kind, Mask, by_value, decode, is_stringlike, or_none, wrong_where_valid

_EXACT_INTEGERS = float(2**53)


def to_text(array: Any, kind: Kind) -> tuple[Any, Mask | None]:
    """Cast to string, with the mask of values that `kind` cannot have: an id is a whole number or a string."""
    if is_stringlike(array.type):
        return decode(array)
    if pa.types.is_integer(array.type):
        return array.cast(pa.string()), None
    if pa.types.is_floating(array.type):
        return _floats_to_text(array, whole_only=kind == "id")
    if pa.types.is_nested(array.type):
        if kind != "payload":
            return wrong_where_valid(array, kind)
        return pa.array([None if v is None else as_json(v) for v in array.to_pylist()], pa.string()), None
    if kind == "id" and not pa.types.is_decimal(array.type):
        return wrong_where_valid(array, kind)
    if pa.types.is_decimal(array.type):
        return by_value(array, lambda v: _decimal_text(v, whole_only=kind == "id"), pa.string())
    try:
        return array.cast(pa.string()), None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Arrow raises the second for types, such as intervals, from which it has no cast to text.
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string()), None


def _floats_to_text(array: Any, *, whole_only: bool) -> tuple[Any, Mask | None]:
    numbers = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = ~np.isnan(numbers)
    whole = known & (np.abs(numbers) < _EXACT_INTEGERS) & (np.trunc(numbers) == numbers)
    as_integers = pa.array(np.where(whole, numbers, 0).astype(np.int64)).cast(pa.string())
    fractions = pa.array(numbers, mask=~known).cast(pa.string())
    text = pc.if_else(pa.array(whole), as_integers, fractions)
    return text, or_none(known & ~whole) if whole_only else None


def _decimal_text(value: Any, *, whole_only: bool) -> str:
    if value == value.to_integral_value():
        return str(int(value))
    if whole_only:
        raise ValueError("not a whole number")
    return str(value)


def as_json(value: Any) -> str:
    """Write a nested value."""
    return json.dumps(value, ensure_ascii=False, default=str)
