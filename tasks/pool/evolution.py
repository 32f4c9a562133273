"""A pool whose columns changed since the last round: what goes on, what is added, what is refused.

The columns that a round learned from stay what they are. So a value that makes a category look like text, or a new
object that comes first in the listing, changes nothing; a column that is gone, or holds something else now, is
refused before money is spent, and the campaign file is where a person says what to learn from instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.errors import PoolChanged, PoolRejected
from tasks.pool.cast import cast_array, cast_values
from tasks.pool.guess import as_array, list_lengths
from tasks.pool.schema import Columns, Resolved, columns_of, resolve, shown
from tasks.pool.spec import PoolSpec
from tasks.pool.values import Kind, is_list, is_stringlike, plain

# Of a column's first values: single ones that do not fit are rows to set aside, this many are another kind.
_MOST_WRONG = 0.5
_REMEDY = (
    "Put back what was there, or name the columns to learn from in pool.columns: features and model then start "
    "anew, from the labels so far"
)


def follow(earlier: Columns, sample: Mapping[str, Any], spec: PoolSpec, *, typed: bool = True) -> Resolved:
    """Decide on the columns of a pool that an earlier round learned from.

    Parameters
    ----------
    earlier
        The columns of that round.
    sample, spec, typed
        As for `resolve`.

    Returns
    -------
    Resolved
        Where the campaign names columns, those. Else the earlier ones, without those that the campaign ignores by
        now; columns that were added are named in a note.

    Raises
    ------
    PoolChanged
        A column holds values of another kind, or vectors of another length.
    PoolRejected
        As `resolve`.
    """
    if not spec.auto:
        named = resolve(sample, spec, typed=typed)
        _refuse_other_lengths(earlier, named.columns, spec.uri)
        return Resolved(named.columns, (*named.notes, *_differences(earlier, named.columns)))
    for name in earlier.features:
        if name in sample:
            _refuse_other_kind(name, sample[name], earlier, spec.uri)
    hidden = {spec.id, *spec.ignore}
    kinds: dict[str, Kind] = {name: earlier.kind(name) for name in earlier.features if name not in hidden}
    notes = []
    dropped = [repr(name) for name in earlier.features if name in hidden]
    if dropped:
        notes.append(f"learned from before, and ignored by the campaign now: {shown(dropped)}")
    added = [repr(name) for name in _offered(sample, spec, typed) if name not in kinds]
    if added:
        notes.append(
            f"not learned from, as the last round did not either: {shown(added)}; name all columns to learn from in "
            "pool.columns to add them"
        )
    if not kinds:
        return resolve(sample, spec, typed=typed)
    lengths = {name: earlier.dimension(name) for name in earlier.embedding}
    return Resolved(columns_of(kinds, spec, lengths), tuple(notes))


def refuse_gone(earlier: Columns, columns: Columns, present: frozenset[str], uri: str) -> None:
    """Refuse a pool none of whose objects has a column that the last round learned from.

    Parameters
    ----------
    earlier
        The columns of the last round.
    columns
        The columns now.
    present
        Columns that at least one object has.
    uri
        The pool, for the message.

    Raises
    ------
    PoolChanged
    """
    gone = [name for name in columns.features if name in earlier.features and name not in present]
    if gone:
        what = ", ".join(f"{name!r} ({earlier.kind(name)})" for name in gone)
        one = len(gone) == 1
        raise PoolChanged(
            f"{uri}: column{'' if one else 's'} {what}, which the last round learned from, "
            f"{'is' if one else 'are'} in no object any more. {_REMEDY}"
        )


def _offered(sample: Mapping[str, Any], spec: PoolSpec, typed: bool) -> Sequence[str]:
    try:
        return resolve(sample, spec, typed=typed).columns.features
    except PoolRejected:
        return ()


def _refuse_other_kind(name: str, values: Any, earlier: Columns, uri: str) -> None:
    kind, dimension = earlier.kind(name), earlier.dimension(name)
    array = plain(as_array(values))
    cast = cast_values if isinstance(values, list) else cast_array
    _, wrong = cast(values if isinstance(values, list) else array, kind, dimension)
    known = len(array) - array.null_count
    misfits = 0 if wrong is None else int(np.count_nonzero(wrong))
    if not known or (misfits <= _MOST_WRONG * known and not _was_text(kind, array.type)):
        return
    if kind == "embedding" and is_list(array.type):
        now = int(np.median(list_lengths(array)))
        raise PoolChanged(_other_length(uri, name, dimension, now))
    example = array.drop_null()[0].as_py()
    text = repr(example)
    raise PoolChanged(
        f"{uri}: column {name!r} was {kind} when the last round learned from it, and now holds {array.type} such as "
        f"{text if len(text) <= 60 else text[:57] + '...'}. {_REMEDY}"
    )


def _was_text(kind: Kind, now: Any) -> bool:
    """Whether strings became something else: any value can be written as a string, so no cast would tell."""
    return kind in ("text", "categorical") and not is_stringlike(now) and not pa.types.is_null(now)


def _refuse_other_lengths(earlier: Columns, columns: Columns, uri: str) -> None:
    for name in columns.embedding:
        before, now = earlier.dimension(name), columns.dimension(name)
        if before not in (0, now):
            raise PoolChanged(_other_length(uri, name, before, now))


def _other_length(uri: str, name: str, before: int, now: int) -> str:
    return (
        f"{uri}: the vectors of column {name!r} had {before} numbers when the last round learned from it, and have "
        f"{now} now. Put the earlier ones back, or write the new ones to a column of another name and name that in "
        "pool.columns: features and model then start anew, from the labels so far"
    )


def _differences(earlier: Columns, columns: Columns) -> tuple[str, ...]:
    """Say how the named columns differ from those of the last round."""
    before = {name: earlier.kind(name) for name in earlier.features}
    now = {name: columns.kind(name) for name in columns.features}
    said = {
        "learned from now, and not before": [repr(name) for name in now if name not in before],
        "learned from before, and not now": [repr(name) for name in before if name not in now],
        "learned from as another kind than before": [
            f"{name!r} ({before[name]}, now {kind})"
            for name, kind in now.items()
            if before.get(name, kind) != kind
        ],
    }
    return tuple(f"{what}: {shown(names)}" for what, names in said.items() if names)
