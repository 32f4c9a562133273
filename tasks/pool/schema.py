"""What the columns of a pool mean: as the campaign names them, or found from the first rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.errors import PoolRejected
from tasks.pool.guess import Guess, as_array, guess, list_lengths
from tasks.pool.spec import PoolSpec
from tasks.pool.values import Kind, canonical_type, is_list, is_stringlike
from tasks.pool.vectors import parse_lists

FEATURE_KINDS: tuple[Kind, ...] = ("text", "numeric", "categorical", "embedding", "date", "tags")
"""What a column to learn from can be, in the order of `Columns.features`."""

_SHOWN = 8


@dataclass(frozen=True)
class Columns:
    """Names of the columns by what they mean.

    Attributes
    ----------
    id
        The id column.
    text, numeric, categorical, embedding, date, tags
        Columns to learn from; tags are lists of categories.
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
    date: tuple[str, ...] = field(default=(), kw_only=True)
    tags: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def by_kind(self) -> dict[Kind, tuple[str, ...]]:
        """Columns to learn from by what they are; every kind, in the order of `FEATURE_KINDS`."""
        return {kind: getattr(self, kind) for kind in FEATURE_KINDS}

    @property
    def features(self) -> tuple[str, ...]:
        """All columns to learn from."""
        return tuple(name for names in self.by_kind.values() for name in names)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column once: the id, the features, the rest of the payload."""
        return tuple(dict.fromkeys((self.id, *self.features, *self.payload)))

    def kind(self, name: str) -> Kind:
        """Say what a column is read as."""
        if name == self.id:
            return "id"
        return next((kind for kind, names in self.by_kind.items() if name in names), "payload")

    def dimension(self, name: str) -> int:
        """Length of an embedding's vectors; 0 for other columns."""
        return self.dimensions[self.embedding.index(name)] if name in self.embedding else 0

    def schema(self, names: Sequence[str] | None = None) -> Any:
        """Arrow schema of the table that `read_pool` gives for these columns (all of them by default)."""
        wanted = self.names if names is None else names
        return pa.schema([(name, canonical_type(self.kind(name), self.dimension(name))) for name in wanted])


@dataclass(frozen=True)
class Resolved:
    """What the columns are, and what a person should know of that.

    Attributes
    ----------
    columns
    notes
        Sentences: what was left out, and why.
    """

    columns: Columns
    notes: tuple[str, ...] = ()


def resolve_columns(sample: Mapping[str, Any], spec: PoolSpec, *, typed: bool = True) -> Columns:
    """Decide what each column is; see `resolve`."""
    return resolve(sample, spec, typed=typed).columns


def resolve(sample: Mapping[str, Any], spec: PoolSpec, *, typed: bool = True) -> Resolved:
    """Decide what each column is, and say what is left out.

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
    kinds = {name: kind for kind in FEATURE_KINDS for name in getattr(spec, kind)}
    notes: tuple[str, ...] = ()
    if spec.auto:
        hidden = {spec.id, *spec.ignore}
        found = {name: guess(name, sample[name], typed=typed) for name in sample if name not in hidden}
        kinds = {name: one.kind for name, one in found.items() if one.kind is not None}
        notes = _left_out(found)
    if not kinds and not spec.bare:
        why = "".join(f". {note}" for note in notes)
        raise PoolRejected(
            f"{spec.uri}: no column to learn from in {', '.join(sample)}; name some in pool.columns{why}"
        )
    dimensions = {
        name: _dimension(name, sample[name], spec.uri) for name in kinds if kinds[name] == "embedding"
    }
    return Resolved(columns_of(kinds, spec, dimensions), notes)


def columns_of(kinds: Mapping[str, Kind], spec: PoolSpec, dimensions: Mapping[str, int]) -> Columns:
    """Put columns with their kinds and the lengths of their vectors together; id and payload as in `spec`."""
    chosen = {kind: tuple(name for name in kinds if kinds[name] == kind) for kind in FEATURE_KINDS}
    return Columns(
        id=spec.id,
        payload=spec.payload,
        dimensions=tuple(dimensions[name] for name in chosen["embedding"]),
        **chosen,
    )


def _left_out(found: Mapping[str, Guess]) -> tuple[str, ...]:
    reasons: dict[str, list[str]] = {}
    for name, one in found.items():
        if one.kind is None:
            reasons.setdefault(one.reason, []).append(repr(name))
    return tuple(f"not learned from, {reason}: {shown(names)}" for reason, names in reasons.items())


def shown(names: Sequence[str]) -> str:
    """Write some names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _dimension(name: str, values: Any, uri: str) -> int:
    array = as_array(values)
    if is_stringlike(array.type):
        array, _ = parse_lists(array)
    lengths = list_lengths(array) if is_list(array.type) else np.empty(0)
    lengths = lengths[lengths > 0]
    if not lengths.size:
        raise PoolRejected(f"{uri}: embedding column {name!r} has no lists of numbers in its first rows")
    values_found, counts = np.unique(lengths, return_counts=True)
    return int(values_found[np.argmax(counts)])
