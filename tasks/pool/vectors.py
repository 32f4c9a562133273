"""Lists of numbers, also as JSON text, to vectors of one length."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.pool.values import (
    Mask,
    by_value,
    decode,
    either,
    is_list,
    is_number,
    is_stringlike,
    or_none,
    wrong_where_valid,
)


def to_vectors(array: Any, dimension: int) -> tuple[Any, Mask | None]:
    """Cast to fixed_size_list<float32>, with the mask of what is no finite vector of `dimension` numbers."""
    kind = array.type
    if is_stringlike(kind):
        lists, unparsed = parse_lists(array)
        vectors, misfits = to_vectors(lists, dimension)
        return vectors, either(unparsed, misfits)
    if not is_list(kind) or not is_number(kind.value_type):
        return wrong_where_valid(array, "embedding", dimension)
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
    return pa.FixedSizeListArray.from_arrays(flat_values, dimension, mask=mask), or_none(wrong)


def parse_lists(array: Any) -> tuple[Any, Mask | None]:
    """Parse lists of numbers written as JSON, as in a CSV cell; the mask marks what is none."""
    text, undecodable = decode(array)
    lists, unparsed = by_value(text, _parse_vector, pa.list_(pa.float64()))
    return lists, either(undecodable, unparsed)


def _parse_vector(text: str) -> list[float]:
    return [float(value) for value in json.loads(text)]
