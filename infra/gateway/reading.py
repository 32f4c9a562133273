"""JSON from outside: what Postgres cannot store becomes something that it can, which is then judged like the rest.

A row with half a surrogate pair, a NUL, a NaN, 1e400 or a key given twice is one bad row among good ones. Its bad
value is replaced by ``{"not_storable": why, "json": text}``: an object where none is allowed, so that the row is
refused with its field's name, and kept as it was sent; in a field that nobody reads it harms nobody.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 32
"""What is nested deeper is kept as text."""

HOPELESS_DEPTH = 100_000
MAX_DIGITS = 1_000
TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class NotJson(ValueError):
    """The body is no JSON document; the message says where."""


@dataclass(frozen=True)
class _Strange:
    """A value that is to be replaced."""

    why: str
    text: str

    def stored(self) -> dict[str, str]:
        return {"not_storable": self.why, "json": self.text}


class _TooDeep(Exception):
    pass


def read_json(data: bytes) -> Any:
    """Read a JSON document of which every value can be stored.

    Parameters
    ----------
    data
        UTF-8.

    Raises
    ------
    NotJson
        It is none, or is nested beyond hope.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"byte {error.start} is not UTF-8") from None
    try:
        return _read(text)
    except (RecursionError, _TooDeep):
        pass
    try:
        return _read(_flattened(text))
    except (RecursionError, _TooDeep):
        raise NotJson("its brackets are never closed") from None


def _read(text: str) -> Any:
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_number,
            parse_int=_whole,
            parse_constant=lambda name: _Strange("not a number of JSON", name),
        )
    except json.JSONDecodeError as error:
        raise NotJson(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    return _storable(value, 0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and found[key] != value:
            value = _Strange("the key is given twice", f"{_text(found[key])}, {_text(value)}")
        found[key] = value
    return found


def _number(text: str) -> Any:
    value = float(text)
    return value if math.isfinite(value) else _Strange("too large a number", text[:MAX_DIGITS])


def _whole(text: str) -> Any:
    return int(text) if len(text) <= MAX_DIGITS else _Strange("too large a number", text[:MAX_DIGITS])


def _storable(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return (
            value if _is_text(value) else _Strange("a character that cannot be stored", _text(value)).stored()
        )
    if isinstance(value, _Strange):
        return value.stored()
    if isinstance(value, dict | list) and depth > MAX_DEPTH:
        raise _TooDeep
    if isinstance(value, dict):
        return {
            key if _is_text(key) else _text(key)[1:-1]: _storable(one, depth + 1)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_storable(one, depth + 1) for one in value]
    return value


def _is_text(value: str) -> bool:
    if "\x00" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: Any) -> str:
    return json.dumps(value, default=lambda strange: strange.text)


def _flattened(text: str) -> str:
    """Write what is nested too deep as strings that hold its text."""
    parts, depth, copied, begun = [], 0, 0, 0
    for token in TOKENS.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            if depth == MAX_DEPTH:
                begun = token.start()
            if depth > HOPELESS_DEPTH:
                raise NotJson(f"it is nested more than {HOPELESS_DEPTH:,} deep")
        elif mark in "]}":
            if depth == MAX_DEPTH:
                inner = text[begun : token.end()]
                parts += [text[copied:begun], json.dumps({"not_storable": "nested too deep", "json": inner})]
                copied = token.end()
            depth -= 1
    return "".join([*parts, text[copied:]])
