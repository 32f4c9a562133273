"""Labels that are sets: in a campaign with ``task: multilabel`` an item has any number of classes, or none.

A set has three forms. *Text*, in the database, in files and for people: a JSON list of class names in the
campaign's order, without spaces or repeats, ``["politics","sport"]``; ``[]`` for none of the classes. Equal sets
have equal texts. *Names*, a tuple in the campaign's order. *Indicators*, a row of 0 and 1 for the classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError

Indicators = NDArray[np.int8]


def text_of(names: Iterable[str], classes: Sequence[str]) -> str:
    """Write a set of class names, in any order, as text.

    Raises
    ------
    UsageError
        A name is no class.
    """
    given = set(names)
    strange = sorted(given - set(classes))
    if strange:
        raise UsageError(f"{strange[0]!r} is none of the classes {', '.join(classes)}.")
    return _json([name for name in classes if name in given])


def names_of(text: str, classes: Sequence[str]) -> tuple[str, ...]:
    """Read a set that somebody wrote: a JSON list in any order, with spaces or repeats.

    Numbers in the list count as their decimal text, as they do where a label is one class.

    Returns
    -------
    tuple of str
        In the order of `classes`.

    Raises
    ------
    UsageError
        The text is no JSON list, or names anything but classes.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, list):
        raise UsageError(
            f'{_shown(text)} is no JSON list of classes, such as ["{classes[0]}"], or [] for none of them.'
        )
    names = {_name(one) for one in given}
    strange = [one for one in given if _name(one) not in classes]
    if strange:
        raise UsageError(f"{_shown(strange[0])} is none of the classes {', '.join(classes)}.")
    return tuple(name for name in classes if name in names)


def indicators(texts: Sequence[str], classes: Sequence[str]) -> Indicators:
    """Read sets as a matrix.

    Parameters
    ----------
    texts : sequence of str (n,)
        As `names_of` reads them.
    classes : sequence of str (n_labels,)

    Returns
    -------
    int8 (n, n_labels)
        1 where the item has the class.

    Raises
    ------
    UsageError
        As `names_of`.
    """
    place = {name: code for code, name in enumerate(classes)}
    # Sets repeat: each is parsed once.
    known = {text: [place[name] for name in names_of(text, classes)] for text in dict.fromkeys(texts)}
    found = np.zeros((len(texts), len(classes)), np.int8)
    for row, text in zip(found, texts, strict=True):
        row[known[text]] = 1
    return found


def texts_of(matrix: ArrayLike, classes: Sequence[str]) -> list[str]:
    """Write the rows of a matrix of indicators as texts: the reverse of `indicators`.

    Raises
    ------
    UsageError
        As `check_indicators`, or the matrix has another number of columns than there are classes.
    """
    found = check_indicators(matrix)
    if found.shape[1] != len(classes):
        raise UsageError(f"There are indicators of {found.shape[1]} classes, and {len(classes)} classes.")
    quoted = [_json(name) for name in classes]
    return [f"[{','.join(quoted[code] for code in np.flatnonzero(row).tolist())}]" for row in found]


def check_indicators(matrix: ArrayLike) -> Indicators:
    """Give indicators as int8 (n, n_labels).

    Raises
    ------
    UsageError
        The array is no matrix, or holds anything but 0 and 1.
    """
    found = np.asarray(matrix)
    if found.ndim != 2 or found.shape[1] == 0:
        raise UsageError(f"Indicators of labels must have the shape (items, labels), not {found.shape}.")
    if not np.isin(found, (0, 1)).all():
        raise UsageError("Indicators of labels must be 0 or 1, one column for each label.")
    return found.astype(np.int8)


def _json(value: Any) -> str:
    # As Postgres writes JSON texts, character by character: the queue and we must agree.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _name(value: Any) -> str | None:
    """Give the class that a value in a list stands for; None where it stands for none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
