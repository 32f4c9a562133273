"""Arrow types that the rest of the code knows, and what casts to them share."""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Kind = Literal["id", "text", "numeric", "categorical", "embedding", "date", "tags", "payload"]
Mask = NDArray[np.bool_]

TIME = pa.timestamp("us")
TAGS = pa.list_(pa.string())

_MISSING_WORDS = ("", "na", "n/a", "#n/a", "nan", "null", "none", "nat", "-")


def canonical_type(kind: Kind, dimension: int = 0) -> Any:
    """Arrow type of `kind`; `dimension` is the length of an embedding."""
    if kind == "embedding":
        return pa.list_(pa.float32(), dimension)
    return {"numeric": pa.float64(), "date": TIME, "tags": TAGS}.get(kind, pa.string())


def plain(array: Any) -> Any:
    """Without the layers that only compress or annotate values."""
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    return array


def missing(n: int, kind: Kind, dimension: int = 0) -> Any:
    """Give `n` missing values of `kind`."""
    if kind == "numeric":
        return pa.array(np.full(n, np.nan))
    return pa.nulls(n, canonical_type(kind, dimension))


def or_none(wrong: Mask) -> Mask | None:
    """Give the mask, or None when it marks nothing."""
    return wrong if wrong.any() else None


def either(first: Mask | None, second: Mask | None) -> Mask | None:
    """Mark what one of two masks marks."""
    return second if first is None else first if second is None else first | second


def is_stringlike(kind: Any) -> bool:
    """Tell types of strings and of bytes."""
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary)
    more = (types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return any(test(kind) for test in (*tests, *more))


def is_list(kind: Any) -> bool:
    """Tell types of lists."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_number(kind: Any) -> bool:
    """Tell types of numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def decode(array: Any) -> tuple[Any, Mask | None]:
    """Strings and bytes as UTF-8; Arrow checks bytes on the way to strings, but not strings."""
    raw = array.cast(pa.large_binary())
    try:
        return raw.cast(pa.string()), None
    except pa.ArrowInvalid:
        return by_value(raw, lambda value: bytes.decode(value, "utf-8"), pa.string())


def without_missing_words(text: Any) -> Any:
    """Trim texts, and take NA, null and the like for missing."""
    text = pc.utf8_trim_whitespace(text)
    absent = pc.is_in(pc.utf8_lower(text), value_set=pa.array(_MISSING_WORDS))
    return pc.if_else(absent, pa.scalar(None, pa.string()), text)


def wrong_where_valid(array: Any, kind: Kind, dimension: int = 0) -> tuple[Any, Mask | None]:
    """Give only missing values, and mark those that were none."""
    wrong = array.is_valid().to_numpy(zero_copy_only=False)
    return missing(len(array), kind, dimension), or_none(wrong)


def by_value(array: Any, convert: Callable[[Any], Any], kind: Any) -> tuple[Any, Mask | None]:
    """Convert value by value; slow, for arrays where the whole did not cast."""
    wrong = np.zeros(len(array), dtype=np.bool_)
    values: list[Any] = []
    for position, value in enumerate(array.to_pylist()):
        try:
            converted = None if value is None else convert(value)
            if isinstance(converted, float) and math.isnan(converted):
                converted = None
        except (ValueError, TypeError, OverflowError, RecursionError):
            converted = None
            wrong[position] = True
        values.append(converted)
    return pa.array(values, kind), or_none(wrong)
