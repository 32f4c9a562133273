"""Values of any source type to the few types that the rest of the code knows.

* ``id``, ``text``, ``categorical``, ``payload``: string. Whole numbers become their decimal text (also 7.0),
  nested payload values become JSON text.
* ``numeric``: float64, NaN = missing. Times are seconds since 1970 (UTC where they name no zone), booleans 0 and
  1, both also when written as text; infinities count as missing.
* ``embedding``: fixed_size_list<float32>, finite.

Every function returns the new array and a mask of the rows that did not fit (None when all did).
"""

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Kind = Literal["id", "text", "numeric", "categorical", "embedding", "payload"]
Mask = NDArray[np.bool_]

_MISSING_WORDS = ("", "na", "n/a", "#n/a", "nan", "null", "none", "-")
_TRUTH = {"true": 1.0, "false": 0.0}
_EXACT_INTEGERS = float(2**53)


def canonical_type(kind: Kind, dimension: int = 0) -> Any:
    """Arrow type of `kind`; `dimension` is the length of an embedding."""
    if kind == "numeric":
        return pa.float64()
    if kind == "embedding":
        return pa.list_(pa.float32(), dimension)
    return pa.string()


def cast_array(array: Any, kind: Kind, dimension: int = 0) -> tuple[Any, Mask | None]:
    """Cast an Arrow array of any type.

    Parameters
    ----------
    array
        Arrow array, (n,).
    kind
        What the column means.
    dimension
        Length of each vector of an embedding.

    Returns
    -------
    array, wrong
        Array of `canonical_type` and the mask (n,) of values that could not be cast, or None.
    """
    array = _plain(array)
    if pa.types.is_null(array.type):
        return _missing(len(array), kind, dimension), None
    if kind == "numeric":
        return _to_numbers(array)
    if kind == "embedding":
        return _to_vectors(array, dimension)
    return _to_text(array, kind)


def cast_values(values: Sequence[Any], kind: Kind, dimension: int = 0) -> tuple[Any, Mask | None]:
    """Cast Python values as JSON gives them, each by its own type when they are mixed."""
    if kind == "payload":
        values = [_json(value) if isinstance(value, list | dict) else value for value in values]
    try:
        return cast_array(pa.array(values), kind, dimension)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return _cast_one_by_one(values, kind, dimension)


def _cast_one_by_one(values: Sequence[Any], kind: Kind, dimension: int) -> tuple[Any, Mask | None]:
    wrong = np.zeros(len(values), dtype=np.bool_)
    parts = []
    for position, value in enumerate(values):
        try:
            part, part_wrong = cast_array(pa.array([value]), kind, dimension)
            wrong[position] = part_wrong is not None and part_wrong[0]
        except OverflowError:  # beyond 64 bits, by itself or somewhere inside
            part, part_wrong = cast_array(pa.array([str(value)]), kind, dimension)
            wrong[position] = isinstance(value, dict | list) or (part_wrong is not None and part_wrong[0])
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
            part = _missing(1, kind, dimension)
            wrong[position] = True
        parts.append(part)
    return pa.concat_arrays(parts), _or_none(wrong)


def _plain(array: Any) -> Any:
    """Without the layers that only compress or annotate values."""
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    return array


def _missing(n: int, kind: Kind, dimension: int) -> Any:
    if kind == "numeric":
        return pa.array(np.full(n, np.nan))
    return pa.nulls(n, canonical_type(kind, dimension))


def _or_none(wrong: Mask) -> Mask | None:
    return wrong if wrong.any() else None


def _is_stringlike(kind: Any) -> bool:
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary)
    more = (types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    return any(test(kind) for test in (*tests, *more))


# -- text ---------------------------------------------------------------------------------------------------


def _to_text(array: Any, kind: Kind) -> tuple[Any, Mask | None]:
    if _is_stringlike(array.type):
        return _decode(array)
    if pa.types.is_integer(array.type):
        return array.cast(pa.string()), None
    if pa.types.is_floating(array.type):
        return _floats_to_text(array, whole_only=kind == "id")
    if pa.types.is_nested(array.type):
        if kind != "payload":
            return _wrong_where_valid(array, kind)
        return pa.array([None if v is None else _json(v) for v in array.to_pylist()], pa.string()), None
    if kind == "id" and not pa.types.is_decimal(array.type):
        return _wrong_where_valid(array, kind)
    if pa.types.is_decimal(array.type):
        return _by_value(array, lambda v: _decimal_text(v, whole_only=kind == "id"), pa.string())
    try:
        return array.cast(pa.string()), None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string()), None


def _decode(array: Any) -> tuple[Any, Mask | None]:
    """Strings and bytes as UTF-8; Arrow checks bytes on the way to strings, but not strings."""
    raw = array.cast(pa.large_binary())
    try:
        return raw.cast(pa.string()), None
    except pa.ArrowInvalid:
        return _by_value(raw, lambda value: bytes.decode(value, "utf-8"), pa.string())


def _floats_to_text(array: Any, *, whole_only: bool) -> tuple[Any, Mask | None]:
    numbers = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = ~np.isnan(numbers)
    whole = known & (np.abs(numbers) < _EXACT_INTEGERS) & (np.trunc(numbers) == numbers)
    as_integers = pa.array(np.where(whole, numbers, 0).astype(np.int64)).cast(pa.string())
    fractions = pa.array(numbers, mask=~known).cast(pa.string())
    text = pc.if_else(pa.array(whole), as_integers, fractions)
    return text, _or_none(known & ~whole) if whole_only else None


def _decimal_text(value: Any, *, whole_only: bool) -> str:
    if value == value.to_integral_value():
        return str(int(value))
    if whole_only:
        raise ValueError("not a whole number")
    return str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


# -- numbers ------------------------------------------------------------------------------------------------


def _to_numbers(array: Any) -> tuple[Any, Mask | None]:
    kind, wrong = array.type, None
    if _is_stringlike(kind):
        text, undecodable = _decode(array)
        array, unparsed = _parse_numbers(text)
        wrong = _either(undecodable, unparsed)
    elif pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        array = array.cast(pa.float64(), safe=False)
    elif pa.types.is_floating(kind):
        array = array.cast(pa.float64())
    elif pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        array = pc.divide(_ticks(array).cast(pa.float64(), safe=False), _ticks_per_second(kind))
    else:
        return _wrong_where_valid(array, "numeric")
    numbers = array.to_numpy(zero_copy_only=False)
    return pa.array(np.where(np.isfinite(numbers), numbers, np.nan)), wrong


def _parse_numbers(text: Any) -> tuple[Any, Mask | None]:
    text = pc.utf8_trim_whitespace(text)
    missing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(_MISSING_WORDS))
    text = pc.if_else(missing, pa.scalar(None, pa.string()), text)
    try:
        return text.cast(pa.float64()), None
    except pa.ArrowInvalid:
        return _by_value(text, _parse_number, pa.float64())


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


# -- vectors ------------------------------------------------------------------------------------------------


def _to_vectors(array: Any, dimension: int) -> tuple[Any, Mask | None]:
    kind = array.type
    if _is_stringlike(kind):
        lists, unparsed = parse_lists(array)
        vectors, misfits = _to_vectors(lists, dimension)
        return vectors, _either(unparsed, misfits)
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not _is_number(kind.value_type):
        return _wrong_where_valid(array, "embedding", dimension)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    lengths = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False)
    fits = valid & (lengths == dimension)
    flat = pc.list_flatten(array.filter(pa.array(fits))).cast(pa.float32(), safe=False)
    with np.errstate(over="ignore"):
        rows = flat.to_numpy(zero_copy_only=False).reshape(-1, dimension)
    vectors = np.zeros((len(array), dimension), dtype=np.float32)
    vectors[fits] = rows
    finite = np.isfinite(vectors).all(axis=1)
    wrong = (valid & ~fits) | ~finite
    vectors[~finite] = 0
    mask = pa.array(~valid | wrong)
    flat_values = pa.array(vectors.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat_values, dimension, mask=mask), _or_none(wrong)


def parse_lists(array: Any) -> tuple[Any, Mask | None]:
    """Parse lists of numbers written as JSON, as in a CSV cell; the mask marks what is none."""
    text, undecodable = _decode(array)
    lists, unparsed = _by_value(text, _parse_vector, pa.list_(pa.float64()))
    return lists, _either(undecodable, unparsed)


def _either(first: Mask | None, second: Mask | None) -> Mask | None:
    return second if first is None else first if second is None else first | second


def _parse_vector(text: str) -> list[float]:
    return [float(value) for value in json.loads(text)]


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


# -- both ---------------------------------------------------------------------------------------------------


def _wrong_where_valid(array: Any, kind: Kind, dimension: int = 0) -> tuple[Any, Mask | None]:
    wrong = array.is_valid().to_numpy(zero_copy_only=False)
    return _missing(len(array), kind, dimension), _or_none(wrong)


def _by_value(array: Any, convert: Callable[[Any], Any], kind: Any) -> tuple[Any, Mask | None]:
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
    return pa.array(values, kind), _or_none(wrong)
