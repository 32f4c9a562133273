"""Values of any type to float64, NaN = missing."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.pool.values import (
    Mask,
    by_value,
    decode,
    either,
    is_stringlike,
    without_missing_words,
    wrong_where_valid,
)

_TRUTH = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


def to_numbers(array: Any) -> tuple[Any, Mask | None]:
    """Cast to float64, with the mask of values that are no numbers.

    Times are seconds since 1970 (UTC where they name no zone), booleans 0 and 1, both also when written as text;
    infinities count as missing.
    """
    kind, wrong = array.type, None
    if is_stringlike(kind):
        text, undecodable = decode(array)
        array, unparsed = _parse_numbers(text)
        wrong = either(undecodable, unparsed)
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        array = array.cast(pa.float64(), safe=False)
    elif pa.types.is_floating(kind):
        array = array.cast(pa.float64())
    elif pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        array = pc.divide(_ticks(array).cast(pa.float64(), safe=False), _ticks_per_second(kind))
    else:
        return wrong_where_valid(array, "numeric")
    numbers = array.to_numpy(zero_copy_only=False)
    return pa.array(np.where(np.isfinite(numbers), numbers, np.nan)), wrong


def _parse_numbers(text: Any) -> tuple[Any, Mask | None]:
    text = without_missing_words(text)
    try:
        return text.cast(pa.float64()), None
    except pa.ArrowInvalid:
        return by_value(text, _parse_number, pa.float64())


def _parse_number(text: str) -> float:
    """Read a number, a boolean or an ISO 8601 date or time: formats without types write all three as text."""
    if text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    if "_" in text:  # Python's float takes 1_000, which no other tool writes
        raise ValueError(text)
    try:
        return float(text)
    except ValueError:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _ticks(array: Any) -> Any:
    narrow = pa.types.is_date32(array.type) or pa.types.is_time32(array.type)
    return array.cast(pa.int32()) if narrow else array.cast(pa.int64())


def _ticks_per_second(kind: Any) -> float:
    if pa.types.is_date32(kind):
        return 1 / 86_400
    if pa.types.is_date64(kind):
        return 1e3
    return {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
