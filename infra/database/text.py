"""What Postgres cannot store, said before it is sent."""

from __future__ import annotations

from collections.abc import Iterable

from tasks.errors import UsageError


def check_ids(ids: Iterable[str], what: str) -> None:
    """Refuse ids that Postgres has no text for.

    Parameters
    ----------
    what
        Where the ids come from, for the message.

    Raises
    ------
    UsageError
        When an id holds the character NUL or half a surrogate pair.
    """
    for one in ids:
        if "\x00" in one or not _is_unicode(one):
            raise UsageError(
                f"{what}: the id {one!r} holds a character that Postgres cannot store; nothing was written: "
                "mend the id where it comes from, or leave the row out"
            )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
