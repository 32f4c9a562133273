"""JSON Lines: one object a line."""

from __future__ import annotations

import json
from typing import Any

from tasks.vendors.files.problems import BAD_TYPE, NOT_JSON, NOT_UTF8, Unreadable


def read_object(data: bytes) -> dict[str, Any]:
    """Read one line.

    Raises
    ------
    Unreadable
        It is no JSON object, names a key twice, or holds what is no JSON, such as NaN.
    """
    try:
        found = _DECODER.decode(data.decode())
    except UnicodeDecodeError as error:
        raise Unreadable(NOT_UTF8, f"byte {error.start + 1} is no UTF-8") from None
    except RecursionError:
        raise Unreadable(NOT_JSON, "it is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(NOT_JSON, str(error)) from None
    if not isinstance(found, dict):
        raise Unreadable(BAD_TYPE, f"a row must be an object, not {_NAMES.get(type(found), 'null')}")
    return found


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(NOT_JSON, f"the key {twice!r} stands there twice", twice)
    return found


def _no_constant(name: str) -> None:
    raise Unreadable(NOT_JSON, f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
_NAMES = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}
