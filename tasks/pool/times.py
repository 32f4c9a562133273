"""Times of any type to timestamps in UTC."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.pool.values import (
    TIME,
    Mask,
    by_value,
    decode,
    either,
    is_number,
    is_stringlike,
    or_none,
    without_missing_words,
    wrong_where_valid,
)

# Years 1 to 9999, in microseconds since 1970: what ISO 8601 writes and Python's datetime holds.
_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
_DAY = 86_400_000_000
# A plain number counts seconds, or what it would have to count to lie in our age: up to these sizes.
_SECONDS, _MILLIS, _MICROS = 1e11, 1e14, 1e17
_EPOCH = datetime(1970, 1, 1)


def to_times(array: Any) -> tuple[Any, Mask | None]:
    """Cast to timestamp[us], with the mask of what is no time of the years 1 to 9999.

    Times with a zone or an offset become UTC; those that name none are taken as they are. Text is ISO 8601. A
    number, also as text, is seconds since 1970, or milli-, micro- or nanoseconds when it is too large for that.
    """
    kind = array.type
    if is_stringlike(kind):
        text, undecodable = decode(array)
        times, unparsed = _parse_times(text)
        return times, either(undecodable, unparsed)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_ticks(array)
    if is_number(kind):
        return _from_numbers(array)
    return wrong_where_valid(array, "date")


def _parse_times(text: Any) -> tuple[Any, Mask | None]:
    text = without_missing_words(text)
    for kind in (TIME, pa.timestamp("us", "UTC")):
        try:
            return _from_ticks(text.cast(kind))
        except pa.ArrowInvalid:
            continue
    return by_value(text, _parse_time, TIME)


def _parse_time(text: str) -> datetime:
    digits = text.lstrip("+-").replace(".", "", 1)
    if digits.isdecimal() and digits.isascii() and len(digits) != 8:  # of 8 digits it is a day, 20240501
        return _EPOCH + timedelta(microseconds=_micros(np.array([float(text)]))[0].item())
    time = datetime.fromisoformat(text)
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time


def _from_ticks(array: Any) -> tuple[Any, Mask | None]:
    kind = array.type
    ticks = array.cast(pa.int32()) if pa.types.is_date32(kind) else array
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    values = ticks.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if not pa.types.is_date(kind) and kind.unit == "ns":
        return _as_times(values // 1_000, valid)
    factor = _DAY if pa.types.is_date32(kind) else 1_000 if pa.types.is_date64(kind) else _FACTORS[kind.unit]
    # Beyond these bounds the product would not fit 64 bits.
    within = (values >= _EARLIEST // factor - 1) & (values <= _LATEST // factor + 1)
    micros = np.where(within, values, 0) * factor
    return _as_times(np.where(within, micros, _LATEST + 1), valid)


_FACTORS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def _from_numbers(array: Any) -> tuple[Any, Mask | None]:
    numbers = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    known = np.isfinite(numbers)
    return _as_times(_micros(np.where(known, numbers, 0)), known)


def _micros(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    size = np.abs(numbers)
    factor = np.select([size < _SECONDS, size < _MILLIS, size < _MICROS], [1e6, 1e3, 1.0], 1e-3)
    return np.asarray(np.clip(np.rint(numbers * factor), -9e18, 9e18).astype(np.int64))


def _as_times(micros: NDArray[np.int64], valid: Mask) -> tuple[Any, Mask | None]:
    within = (micros >= _EARLIEST) & (micros <= _LATEST)
    times = pa.array(np.where(within, micros, 0), mask=~(valid & within)).cast(TIME)
    return times, or_none(valid & ~within)
