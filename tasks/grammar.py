"""How a strategy is written down: in a campaign, on the command line, in a test.

==============================================  ========================================================
``margin``                                      a name
``margin_kmeans(beta=5)``                       with parameters; values as in JSON, or bare words
``class_balanced(margin)``                      a strategy inside another
``margin > kcenter``                            the first shortlists, the second chooses
``(60% a + 40% b) > c``                         brackets group
``60% margin + 30% kcenter + 10% random``       shares of a batch; a comma may stand for the plus
==============================================  ========================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import UsageError

SHORTLIST_THEN, SHARES = "shortlist_then", "shares"

_DEEPEST = 20
_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_][\w.-]*)|(?P<number>\d+(?:\.\d+)?)|(?P<sign>[%()=>+,]))")


@dataclass(frozen=True)
class Spec:
    """A strategy as it was written.

    Attributes
    ----------
    name : str
    parts : tuple of Spec
        Strategies inside it.
    params : mapping
        Parameters by name.
    """

    name: str
    parts: tuple[Spec, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.name == SHARES:
            shares = self.params["shares"]
            return " + ".join(f"{_percent(s)}% {_inner(p)}" for s, p in zip(shares, self.parts, strict=True))
        given = [f"{name}={_value(value)}" for name, value in self.params.items()]
        if self.name == SHORTLIST_THEN and not given:
            return " > ".join(_inner(part) for part in self.parts)
        inside = ", ".join([*(str(part) for part in self.parts), *given])
        return f"{self.name}({inside})" if inside else self.name


def parse(text: str) -> Spec:
    """Read a strategy.

    Raises
    ------
    UsageError
        It does not follow the grammar, or shares do not add up to 100 %.
    """
    reader = _Reader(text)
    spec = reader.strategy()
    reader.end()
    return spec


def parse_list(text: str) -> tuple[Spec, ...]:
    """Read strategies separated by commas; shares belong together until they add up to 100 %."""
    reader = _Reader(text)
    found = [reader.strategy()]
    while reader.take(","):
        found.append(reader.strategy())
    reader.end()
    return tuple(found)


def shares(parts: list[tuple[float, Spec]], of: str = "") -> Spec:
    """Make the strategy of several shares.

    Raises
    ------
    UsageError
        They do not add up to 1.
    """
    total = sum(share for share, _ in parts)
    if abs(total - 1) > 1e-6:
        raise UsageError(f"The shares{of} add up to {_percent(total)} %, not 100 %.")
    if any(share <= 0 for share, _ in parts):
        raise UsageError(f"Each of the shares{of} must be greater than 0 %.")
    return Spec(SHARES, tuple(spec for _, spec in parts), {"shares": tuple(share for share, _ in parts)})


class _Reader:
    """Recursive descent over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def strategy(self) -> Spec:
        self.depth += 1
        self._check_depth(self.depth)
        spec = self._shares_or_pipe()
        self.depth -= 1
        return spec

    def _check_depth(self, depth: int) -> None:
        if depth > _DEEPEST:
            raise UsageError(f"The strategy {self.text[:40]!r}... is nested too deeply.")

    def _shares_or_pipe(self) -> Spec:
        share = self._share()
        if share is None:
            return self._pipe()
        parts = [(share, self._pipe())]
        while sum(one for one, _ in parts) < 1 - 1e-6 and (self.take("+") or self.take(",")):
            share = self._share()
            if share is None:
                raise self._error("a share such as 40 %")
            parts.append((share, self._pipe()))
        return shares(parts, f" of {self.text!r}")

    def take(self, sign: str) -> bool:
        found = _TOKEN.match(self.text, self.at)
        if found is None or found["sign"] != sign:
            return False
        self.at = found.end()
        return True

    def end(self) -> None:
        if self.text[self.at :].strip():
            raise self._error("the end")

    def _share(self) -> float | None:
        number = self._next("number")
        if number is None:
            return None
        if not self.take("%"):
            raise self._error("% after the share")
        return float(number) / 100

    def _pipe(self) -> Spec:
        spec, stages = self._atom(), 1
        while self.take(">"):
            spec, stages = Spec(SHORTLIST_THEN, (spec, self._atom())), stages + 1
            self._check_depth(self.depth + stages)
        return spec

    def _atom(self) -> Spec:
        if self.take("("):
            inside = self.strategy()
            if not self.take(")"):
                raise self._error("a closing bracket")
            return inside
        name = self._next("name")
        if name is None:
            raise self._error("the name of a strategy")
        parts: list[Spec] = []
        params: dict[str, Any] = {}
        if self.take("(") and not self.take(")"):
            self._argument(parts, params)
            while self.take(","):
                self._argument(parts, params)
            if not self.take(")"):
                raise self._error("a closing bracket")
        return Spec(name, tuple(parts), params)

    def _argument(self, parts: list[Spec], params: dict[str, Any]) -> None:
        start = self.at
        name = self._next("name")
        if name is None or not self.take("="):
            self.at = start
            parts.append(self.strategy())
            return
        if name in params:
            raise self._error(f"{name} only once")
        params[name] = self._value()

    def _value(self) -> Any:
        start = len(self.text) - len(self.text[self.at :].lstrip())
        try:
            value, self.at = json.JSONDecoder().raw_decode(self.text, start)
        except json.JSONDecodeError:
            word = self._next("name")
            if word is None:
                raise self._error("a value") from None
            value = word
        return value

    def _next(self, kind: str) -> str | None:
        found = _TOKEN.match(self.text, self.at)
        if found is None or found[kind] is None:
            return None
        self.at = found.end()
        return str(found[kind])

    def _error(self, wanted: str) -> UsageError:
        rest = self.text[self.at :].strip()
        return UsageError(
            f"The strategy {self.text!r} cannot be read: {wanted} is wanted "
            + (f"before {rest!r}." if rest else "at its end.")
        )


def _inner(spec: Spec) -> str:
    return f"({spec})" if spec.name in (SHARES, SHORTLIST_THEN) else str(spec)


def _percent(share: float) -> str:
    return f"{share * 100:.6g}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*", value) else json.dumps(value)
