"""Checks a cron expression, so that a mistake shows before a deployment is made."""

import re
from collections.abc import Mapping

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_SHORTHANDS = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})
_ITEM = re.compile(r"(?P<low>\*|\w+)(-(?P<high>\w+))?(/(?P<step>\d+))?")


def check_cron(expression: str) -> str:
    """Return `expression` when it is a cron schedule.

    Five fields (minute, hour, day of month, month, day of week) of numbers, names, ranges, lists and steps,
    or a shorthand such as ``@daily``.

    Raises
    ------
    ValueError
        It is not; the message names the field.
    """
    if expression.strip().lower() in _SHORTHANDS:
        return expression
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        raise ValueError(
            "needs 5 fields (minute, hour, day of month, month, day of week), as in 0 6 * * 1, "
            f"not {len(parts)}"
        )
    for part, (name, least, most, names) in zip(parts, _FIELDS, strict=True):
        for item in part.lower().split(","):
            _check_item(item, name, least, most, names)
    return expression


def _check_item(item: str, field: str, least: int, most: int, names: Mapping[str, int]) -> None:
    match = _ITEM.fullmatch(item)
    if match is None or (match["low"] == "*" and match["high"]):
        raise ValueError(f"{field}: {item!r} is no number, range, list or step")
    if match["step"] is not None and not 1 <= int(match["step"]) <= most:
        raise ValueError(f"{field}: the step of {item!r} must be 1 to {most}")
    bounds = [
        _number(text, item, field, names) for text in (match["low"], match["high"]) if text not in ("*", None)
    ]
    for bound in bounds:
        if not least <= bound <= most:
            raise ValueError(f"{field}: {item!r} is not within {least} to {most}")
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        raise ValueError(f"{field}: the range {item!r} runs backwards")


def _number(text: str, item: str, field: str, names: Mapping[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isdecimal():
        raise ValueError(f"{field}: {item!r} is no number, range, list or step")
    return int(text)
