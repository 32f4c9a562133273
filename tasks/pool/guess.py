"""What a column is by its type and its first values, where the campaign does not say."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.pool.cast import cast_array, cast_values
from tasks.pool.values import Kind, is_list, is_number, is_stringlike, plain, without_missing_words

# A string column is text, not a category, when its values are long, are sentences, or hardly repeat.
_TEXT_CHARACTERS = 50
_TEXT_WORDS = 4
_DISTINCT_SHARE = 0.5
_FEW_VALUES = 20

# Fewer different whole numbers than this may well be a measurement that happens to have no gap.
_LEAST_RUN = 50
_GAPS = 1.5
_ID_NAME = re.compile(r"(^|[_\-. ])(id|uuid|guid|key|index|idx|row|rowid)$", re.IGNORECASE)
_ID_CAMEL = re.compile(r"[a-z](Id|ID)$")
_ID_FORM = r"^[A-Za-z0-9{][A-Za-z0-9_:.#{}\-]{0,63}$"
_DIGIT_SHARE = 0.9

_ISO = r"^\s*\d{4}-\d{2}-\d{2}([Tt ]\d{2}(:?\d{2}.*)?)?\s*$"
_JSON_TAGS = r'(?s)^\s*\[\s*(".*")?\s*\]\s*$'

_CONSTANT = "always the same"
_COUNTER = "whole numbers that only tell the rows apart"
_ID = "ids, all different"
_UNKNOWN = "of a type that is not learned from"


@dataclass(frozen=True)
class Guess:
    """What a column seems to be.

    Attributes
    ----------
    kind
        None when there is nothing to learn from it.
    reason
        Why there is not.
    """

    kind: Kind | None
    reason: str = ""


def guess(name: str, values: Any, *, typed: bool = True) -> Guess:
    """Look at the first values of a column.

    Parameters
    ----------
    name
        Of the column: of different whole numbers those called like an id are one.
    values
        Arrow array or list of Python values.
    typed
        False where the source knows no types (CSV).
    """
    array = plain(as_array(values))
    kind = array.type
    if is_list(kind):
        return _guess_list(array)
    if pa.types.is_null(kind):
        return Guess(None, _CONSTANT)
    if pa.types.is_nested(kind):
        return Guess(None, _UNKNOWN)
    text, undecodable = cast_array(array, "categorical")
    if undecodable is not None:
        return Guess(None, _UNKNOWN)
    if _constant(text):
        return Guess(None, _CONSTANT)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Guess("date")
    if is_stringlike(kind):
        return _guess_text(name, text, typed)
    numbers, wrong = cast_array(array, "numeric")
    return Guess(None, _UNKNOWN) if wrong is not None else _guess_numbers(name, numbers)


def as_array(values: Any) -> Any:
    """Arrow array of a column of a sample."""
    if not isinstance(values, list):
        return values
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return cast_values(values, "payload")[0]


def list_lengths(array: Any) -> NDArray[np.int64]:
    """Lengths of the lists that are not missing."""
    lengths = pc.list_value_length(array.filter(array.is_valid()))
    return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)


def _guess_list(array: Any) -> Guess:
    inner = array.type.value_type
    if is_number(inner) and _one_length(array):
        return Guess("embedding")
    if pa.types.is_floating(inner) or pa.types.is_decimal(inner):
        return Guess(None, _UNKNOWN)
    tags, wrong = cast_array(array, "tags")
    return Guess(None, _UNKNOWN) if wrong is not None else _tags_or_constant(tags)


def _tags_or_constant(tags: Any) -> Guess:
    different = {None if value is None else tuple(value) for value in tags.to_pylist()}
    return Guess("tags") if len(different) > 1 else Guess(None, _CONSTANT)


def _one_length(array: Any) -> bool:
    """Whether nearly all lists are equally long; lists of free length are no vectors."""
    lengths = list_lengths(array)
    if not lengths.size:
        return False
    usual = float(np.median(lengths))
    return usual > 0 and float(np.mean(lengths == usual)) > 0.9


def _guess_numbers(name: str, numbers: Any) -> Guess:
    if _distinct(numbers.filter(pc.is_finite(numbers))) == 0:
        return Guess(None, _CONSTANT)
    return Guess(None, _COUNTER) if _only_counts(name, numbers.to_numpy()) else Guess("numeric")


def _only_counts(name: str, numbers: NDArray[np.float64]) -> bool:
    """Whether these are row numbers or keys: whole, all different, and without gaps or called like an id."""
    n = len(numbers)
    if n < _LEAST_RUN or np.isnan(numbers).any() or np.any(numbers != np.trunc(numbers)):
        return False
    if len(np.unique(numbers)) < n:
        return False
    return _is_id_name(name) or bool(np.ptp(numbers) < _GAPS * n)


def _is_id_name(name: str) -> bool:
    return bool(_ID_NAME.search(name) or _ID_CAMEL.search(name))


def _guess_text(name: str, text: Any, typed: bool) -> Guess:
    known = without_missing_words(text).drop_null()
    if not len(known):
        return Guess(None, _CONSTANT)
    if _all_match(known, _ISO) and cast_array(known, "date")[1] is None:
        return Guess("date")
    if not typed and not _has_leading_zeros(text):
        numbers, wrong = cast_array(text, "numeric")
        if wrong is None:
            return _guess_numbers(name, numbers) if _varies(numbers) else Guess(None, _CONSTANT)
    if _all_match(known, _JSON_TAGS):
        tags, wrong = cast_array(text, "tags")
        if wrong is None:
            return _tags_or_constant(tags)
    return _text_or_category(text)


def _varies(numbers: Any) -> bool:
    values = numbers.to_numpy()
    known = values[~np.isnan(values)]
    return len(known) > 0 and (len(known) < len(values) or bool(np.any(known != known[0])))


def _all_match(values: Any, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _constant(text: Any) -> bool:
    values = _distinct(text)
    return values == 0 or (values == 1 and text.null_count == 0)


def _distinct(array: Any) -> int:
    return int(pc.count_distinct(array, mode="only_valid").as_py())


def _has_leading_zeros(text: Any) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, r"^[+-]?0\d")).as_py())


def _text_or_category(text: Any) -> Guess:
    values = text.drop_null()
    characters = pc.mean(pc.utf8_length(values)).as_py()
    words = pc.mean(pc.count_substring_regex(values, r"\S+")).as_py()
    repeats_little = _distinct(values) > max(_FEW_VALUES, _DISTINCT_SHARE * len(values))
    if repeats_little and _look_like_ids(values):
        # Keys of something else (a user, a product) come back; those of the row itself do not.
        return Guess(None, _ID) if _distinct(values) == len(values) else Guess("categorical")
    is_text = characters >= _TEXT_CHARACTERS or words >= _TEXT_WORDS or repeats_little
    return Guess("text" if is_text else "categorical")


def _look_like_ids(values: Any) -> bool:
    """Whether these are single tokens with digits, such as x17 or a UUID; words, addresses and numbers are not."""
    if not _all_match(values, _ID_FORM):
        return False
    with_digits = pc.mean(pc.match_substring_regex(values, r"\d").cast(pa.float64())).as_py()
    numbers, wrong = cast_array(values, "numeric")
    fractions = wrong is None and bool(np.any(numbers.to_numpy() % 1))
    return bool(with_digits >= _DIGIT_SHARE) and not fractions
