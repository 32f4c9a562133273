"""Lists of categories, in lists or in text."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.pool.texts import to_text
from tasks.pool.values import (
    TAGS,
    Mask,
    by_value,
    decode,
    either,
    is_list,
    is_stringlike,
    or_none,
    plain,
    without_missing_words,
    wrong_where_valid,
)

_SIGNS = ("|", ";", ",")
_LONGEST = 2**31 - 1


def to_tags(array: Any) -> tuple[Any, Mask | None]:
    """Cast to list<string>, with the mask of what is neither a list of plain values nor one such value.

    Text is a list written as JSON, or tags parted by the first of bar, semicolon and comma that occurs in it.
    """
    kind = array.type
    if is_stringlike(kind):
        text, undecodable = decode(array)
        tags, unparsed = by_value(without_missing_words(text), parse_tags, TAGS)
        return tags, either(undecodable, unparsed)
    if is_list(kind):
        return _from_lists(array)
    if pa.types.is_nested(kind):
        return wrong_where_valid(array, "tags")
    text, wrong = to_text(array, "categorical")
    return _as_lists(
        text, np.ones(len(text), np.int64), text.is_valid().to_numpy(zero_copy_only=False)
    ), wrong


def parse_tags(text: str) -> list[str]:
    """Read the tags of one text; ValueError for JSON that is no list of plain values."""
    if text.lstrip().startswith("["):
        return [_tag(value) for value in json.loads(text) if value is not None]
    sign = next((sign for sign in _SIGNS if sign in text), None)
    parts = [text] if sign is None else text.split(sign)
    return [part.strip() for part in parts if part.strip()]


def _tag(value: Any) -> str:
    if isinstance(value, dict | list):
        raise ValueError("nested")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def _from_lists(array: Any) -> tuple[Any, Mask | None]:
    flat = plain(array.flatten())
    if pa.types.is_nested(flat.type):
        return wrong_where_valid(array, "tags")
    text, wrong = (pa.nulls(len(flat), pa.string()), None)
    if not pa.types.is_null(flat.type):
        text, wrong = to_text(flat, "categorical")
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    if wrong is not None:
        row = np.repeat(np.arange(len(array)), lengths)
        wrong = np.bincount(row, wrong, len(array)) > 0
    return _as_lists(text, lengths, valid), None if wrong is None else or_none(wrong)


def _as_lists(text: Any, lengths: Any, valid: Any) -> Any:
    ends = np.concatenate([[0], np.cumsum(lengths)])
    if ends[-1] > _LONGEST:
        raise pa.ArrowInvalid(f"{ends[-1]:,} tags in one block")
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), text, mask=pa.array(~valid))
