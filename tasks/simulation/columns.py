"""Which column of a labelled file is what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from tasks.errors import PoolRejected, UsageError
from tasks.pool.formats import UNREADABLE, column_names, read_rows
from tasks.pool.guard import open_guarded
from tasks.pool.listing import Listed, find_columns
from tasks.pool.schema import FEATURE_KINDS, Columns
from tasks.pool.spec import PoolSpec
from tasks.pool.store import ObjectStore


@dataclass(frozen=True)
class Wanted:
    """What the user says of the columns.

    Attributes
    ----------
    label, id : str or None
        Found by the names ``label`` and ``id``, whatever their case, when None.
    text : tuple of str
        Read as text whatever they look like.
    drop : tuple of str
        Never learned from.
    """

    label: str | None = None
    id: str | None = None
    text: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """The columns of a labelled file.

    Attributes
    ----------
    columns : Columns
        Features by kind; the id is ``''`` where there is none, the label is the payload.
    label : str
    id : str or None
    """

    columns: Columns
    label: str
    id: str | None


def find(store: ObjectStore, uri: str, listed: Sequence[Listed], wanted: Wanted) -> Found:
    """Decide on the columns; features by their type, as in a round.

    Raises
    ------
    UsageError
        A named column is not there, no label is found, or nothing is left to learn from.
    """
    present = _names(store, uri, listed)
    for option, name in _given(wanted):
        if name not in present:
            raise UsageError(f"{uri}: there is no column {name!r} ({option}).{_close(name, present)}")
    label = wanted.label or _by_name("label", present, uri)
    if label is None:
        raise UsageError(
            f"{uri}: no column is called label; say which holds the classes by --label: {', '.join(present)}."
        )
    key = wanted.id or _by_name("id", [name for name in present if name != label], uri)
    _refuse_conflicts(uri, wanted, label, key)
    # A column without a name is the row number that a data frame's index left.
    hidden = tuple(name for name in (key, *wanted.drop, "") if name is not None)
    try:
        # The label stands in for the id, which a labelled file need not have.
        guessed = find_columns(store, uri, listed, PoolSpec(uri, id=label, payload=(), ignore=hidden))
    except PoolRejected as error:
        if not wanted.text:
            raise UsageError(_plain(error)) from error
        guessed = Columns(label)
    kinds = {
        kind: tuple(name for name in getattr(guessed, kind) if name not in wanted.text)
        for kind in FEATURE_KINDS
        if kind != "text"
    }
    vectors = tuple(guessed.dimension(name) for name in kinds["embedding"])
    text = tuple(dict.fromkeys((*guessed.text, *wanted.text)))
    columns = replace(guessed, id=key or "", text=text, **kinds, payload=(label,), dimensions=vectors)
    return Found(columns, label, key)


def _names(store: ObjectStore, uri: str, listed: Sequence[Listed]) -> list[str]:
    """Names of the first object's columns; of JSON Lines, those of its first rows."""
    stored, form = listed[0]
    try:
        with open_guarded(store, stored.uri, stored.etag) as file:
            names = column_names(file, form)
            if names is None:
                names = tuple(next((rows.columns for rows in read_rows(file, form)), {}))
    except UNREADABLE as error:
        raise UsageError(f"{stored.uri}: cannot be read: {error}") from error
    if not names:
        raise UsageError(f"{uri}: the file is empty.")
    return list(names)


def _given(wanted: Wanted) -> list[tuple[str, str]]:
    named = [("--label", wanted.label), ("--id", wanted.id)]
    named += [("--text", name) for name in wanted.text] + [("--drop", name) for name in wanted.drop]
    return [(option, name) for option, name in named if name is not None]


def _by_name(word: str, present: Sequence[str], uri: str) -> str | None:
    if word in present:
        return word
    like = [name for name in present if name.casefold() == word]
    if len(like) > 1:
        raise UsageError(f"{uri}: {' and '.join(like)} could both be the {word}; say which by --{word}.")
    return like[0] if like else None


def _refuse_conflicts(uri: str, wanted: Wanted, label: str, key: str | None) -> None:
    if label == key:
        raise UsageError(f"{uri}: the column {label!r} cannot be both label and id.")
    for option, names in (("--text", wanted.text), ("--drop", wanted.drop)):
        if label in names:
            raise UsageError(f"{uri}: {option} {label!r} is the label.")
    if key in wanted.text:
        raise UsageError(f"{uri}: --text {key!r} is the id; name another by --id to learn from it.")
    both = [name for name in wanted.text if name in wanted.drop]
    if both:
        raise UsageError(f"{uri}: the column {both[0]!r} is named by both --text and --drop.")


def _close(name: str, present: Sequence[str]) -> str:
    close = get_close_matches(name, present, n=1)
    return (f" Did you mean {close[0]!r}?" if close else "") + f" There are: {', '.join(present)}."


def _plain(error: PoolRejected) -> str:
    """Leave out where a campaign would name columns."""
    return str(error).replace("; name some in pool.columns", "")
