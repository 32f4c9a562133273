"""What the columns of a pool mean: as the campaign names them, or found from the first rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import PoolRejected
from tasks.pool.cast import Kind, canonical_type, cast_array, cast_values, parse_lists
from tasks.pool.spec import PoolSpec

# A string column is text, not a category, when its values are long, are sentences, or hardly repeat.
_TEXT_CHARACTERS = 50
_TEXT_WORDS = 4
_DISTINCT_SHARE = 0.5
_FEW_VALUES = 20


@dataclass(frozen=True)
class Columns:
    """Names of the columns by what they mean.

    Attributes
    ----------
    id
        The id column.
    text, numeric, categorical, embedding
        Columns to learn from.
    payload
        Columns that a vendor may see; they may be columns to learn from too.
    dimensions
        Length of the vectors of each column of `embedding`.
    """

    id: str
    text: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()
    dimensions: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def features(self) -> tuple[str, ...]:
        """All columns to learn from."""
        return self.text + self.numeric + self.categorical + self.embedding

    @property
    def names(self) -> tuple[str, ...]:
        """Every column once: the id, the features, the rest of the payload."""
        return tuple(dict.fromkeys((self.id, *self.features, *self.payload)))

    def kind(self, name: str) -> Kind:
        """Say what a column is read as."""
        if name == self.id:
            return "id"
        kinds: tuple[tuple[tuple[str, ...], Kind], ...] = (
            (self.text, "text"),
            (self.numeric, "numeric"),
            (self.categorical, "categorical"),
            (self.embedding, "embedding"),
        )
        return next((kind for names, kind in kinds if name in names), "payload")

    def dimension(self, name: str) -> int:
        """Length of an embedding's vectors; 0 for other columns."""
        return self.dimensions[self.embedding.index(name)] if name in self.embedding else 0

    def schema(self, names: Sequence[str] | None = None) -> Any:
        """Arrow schema of the table that `read_pool` gives for these columns (all of them by default)."""
        wanted = self.names if names is None else names
        return pa.schema([(name, canonical_type(self.kind(name), self.dimension(name))) for name in wanted])


def resolve_columns(sample: Mapping[str, Any], spec: PoolSpec, *, typed: bool = True) -> Columns:
    """Decide what each column is.

    Parameters
    ----------
    sample
        The first rows: Arrow arrays or lists of Python values by column name.
    spec
        What the campaign names. Columns that it names are taken as it says.
    typed
        False where the source knows no types (CSV), so that numbers are strings that look like numbers.

    Raises
    ------
    PoolRejected
        A named column is not there, no column is left to learn from, or an embedding has no vectors.
    """
    absent = [name for name in spec.named if name not in sample]
    if absent:
        raise PoolRejected(
            f"{spec.uri}: column {absent[0]!r} of the campaign is not in the pool, which has "
            f"{', '.join(sample) or 'no columns'}"
        )
    kinds = _named_kinds(spec)
    if spec.auto:
        hidden = {spec.id, *spec.ignore}
        found = {name: _guess(_as_array(sample[name]), typed) for name in sample if name not in hidden}
        kinds = {name: kind for name, kind in found.items() if kind is not None}
    if not kinds:
        raise PoolRejected(
            f"{spec.uri}: no column to learn from in {', '.join(sample)}; name some in pool.columns"
        )
    chosen = {kind: tuple(name for name in kinds if kinds[name] == kind) for kind in set(kinds.values())}
    embedding = chosen.get("embedding", ())
    return Columns(
        id=spec.id,
        text=chosen.get("text", ()),
        numeric=chosen.get("numeric", ()),
        categorical=chosen.get("categorical", ()),
        embedding=embedding,
        payload=spec.payload,
        dimensions=tuple(_dimension(name, sample[name], spec.uri) for name in embedding),
    )


def _named_kinds(spec: PoolSpec) -> dict[str, Kind]:
    kinds: dict[str, Kind] = dict.fromkeys(spec.text, "text")
    kinds |= dict.fromkeys(spec.numeric, "numeric")
    kinds |= dict.fromkeys(spec.categorical, "categorical")
    return kinds | dict.fromkeys(spec.embedding, "embedding")


def _as_array(values: Any) -> Any:
    if not isinstance(values, list):
        return values
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeEncodeError):
        return cast_values(values, "payload")[0]


def _guess(array: Any, typed: bool) -> Kind | None:
    """Kind of a column by its type and first values; None when there is nothing to learn from it."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), kind.value_type
    if _is_list(kind):
        return "embedding" if _one_length(array) and _holds_floats(kind.value_type) else None
    if pa.types.is_nested(kind) or pa.types.is_null(kind):
        return None
    numbers, wrong = cast_array(array, "numeric")
    text, undecodable = cast_array(array, "categorical")
    if undecodable is not None or _constant(text):
        return None
    if not _is_string(kind) and not _is_binary(kind):
        return "numeric" if wrong is None else None
    if not typed and wrong is None and not _has_leading_zeros(text):
        return "numeric" if _distinct(numbers) > 1 else None
    return _text_or_category(text)


def _is_list(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_string(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_binary(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _holds_floats(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _constant(text: Any) -> bool:
    values = _distinct(text)
    return values == 0 or (values == 1 and text.null_count == 0)


def _distinct(array: Any) -> int:
    return int(pc.count_distinct(array, mode="only_valid").as_py())


def _has_leading_zeros(text: Any) -> bool:
    return bool(pc.any(pc.match_substring_regex(text, r"^[+-]?0\d")).as_py())


def _text_or_category(text: Any) -> Kind:
    values = text.drop_null()
    characters = pc.mean(pc.utf8_length(values)).as_py()
    words = pc.mean(pc.count_substring_regex(values, r"\S+")).as_py()
    repeats_little = _distinct(values) > max(_FEW_VALUES, _DISTINCT_SHARE * len(values))
    is_text = characters >= _TEXT_CHARACTERS or words >= _TEXT_WORDS or repeats_little
    return "text" if is_text else "categorical"


def _lengths(array: Any) -> np.ndarray[Any, Any]:
    lengths = pc.list_value_length(array.filter(array.is_valid()))
    return np.asarray(lengths.to_numpy(zero_copy_only=False))


def _one_length(array: Any) -> bool:
    """Whether nearly all lists are equally long; lists of free length are no vectors."""
    lengths = _lengths(array)
    return lengths.size > 0 and np.median(lengths) > 0 and float(np.mean(lengths == np.median(lengths))) > 0.9


def _dimension(name: str, values: Any, uri: str) -> int:
    array = _as_array(values)
    if _is_string(array.type) or _is_binary(array.type):
        array, _ = parse_lists(array)
    if not _is_list(array.type):
        return _no_vectors(name, uri)
    lengths = _lengths(array)
    lengths = lengths[lengths > 0]
    if not lengths.size:
        return _no_vectors(name, uri)
    values_found, counts = np.unique(lengths, return_counts=True)
    return int(values_found[np.argmax(counts)])


def _no_vectors(name: str, uri: str) -> int:
    raise PoolRejected(f"{uri}: embedding column {name!r} has no lists of numbers in its first rows")
