"""Values of any source type to the few types that the rest of the code knows.

* ``id``, ``text``, ``categorical``, ``payload``: string. Whole numbers become their decimal text (also 7.0),
  nested payload values become JSON text.
* ``numeric``: float64, NaN = missing. Times are seconds since 1970 (UTC where they name no zone), booleans 0 and
  1, both also when written as text; infinities count as missing.
* ``embedding``: fixed_size_list<float32>, finite.
* ``date``: timestamp[us] in UTC.
* ``tags``: list<string>.

Every function returns the new array and a mask of the rows that did not fit (None when all did).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.pool.numbers import to_numbers
from tasks.pool.tags import to_tags
from tasks.pool.texts import as_json, to_text
from tasks.pool.times import to_times
from tasks.pool.values import Kind, Mask, canonical_type, missing, or_none, plain
from tasks.pool.vectors import to_vectors

__all__ = ["Kind", "Mask", "canonical_type", "cast_array", "cast_values"]


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
    array = plain(array)
    if pa.types.is_null(array.type):
        return missing(len(array), kind, dimension), None
    if kind == "numeric":
        return to_numbers(array)
    if kind == "embedding":
        return to_vectors(array, dimension)
    if kind == "date":
        return to_times(array)
    if kind == "tags":
        return to_tags(array)
    return to_text(array, kind)


def cast_values(values: Sequence[Any], kind: Kind, dimension: int = 0) -> tuple[Any, Mask | None]:
    """Cast Python values as JSON gives them, each by its own type when they are mixed."""
    if kind == "payload":
        values = [as_json(value) if isinstance(value, list | dict) else value for value in values]
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
            part = missing(1, kind, dimension)
            wrong[position] = True
        parts.append(part)
    return pa.concat_arrays(parts), or_none(wrong)
