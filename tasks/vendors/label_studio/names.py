"""Names that survive Label Studio: classes as choices and columns as keys of a task's data, one to one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

ITEM = "item_id"
"""Key of our id of the item; of all that we may add to a task, only what is under `data` can be searched."""
FIELDS = "fields"
"""Key of the values that are shown as one table."""
NOTE = "rejected"
"""Key of what was wrong with an answer, for whoever looks after the project."""
CHOICES = "label"
"""Name of the question in the labeling interface."""

_RESERVED = frozenset({ITEM, FIELDS, NOTE, CHOICES})
_PLAIN_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MARKED = re.compile(r".*[ _][0-9a-f]{8}", re.DOTALL)
_NONE = "none of these"


def choice_of(name: str) -> str:
    """Give the choice that stands for a class: the class itself unless XML or Label Studio would change it.

    Attributes of XML hold no control characters, and Label Studio takes ``$name`` for a variable.
    """
    if name.isprintable() and name == name.strip() and "$" not in name and not _MARKED.fullmatch(name):
        return name
    plain = "".join(one if one.isprintable() and one != "$" else "?" for one in name).strip()
    return f"{plain} {_digest(name)}"


def none_choice(classes: Sequence[str]) -> str:
    """Give the choice for an item with none of the classes, unlike all of theirs."""
    taken, name = {choice_of(one) for one in classes}, _NONE
    while name in taken:
        name += "."
    return name


def key_of(column: str) -> str:
    """Give the key under which a column stands in a task's data: its own name wherever that can be one."""
    if _PLAIN_KEY.fullmatch(column) and column not in _RESERVED and not _MARKED.fullmatch(column):
        return column
    plain = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_") or "column"
    return f"c_{plain}_{_digest(column)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
