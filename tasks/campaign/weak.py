"""The `labeling_functions` section of a campaign file. Keys and meanings: docs/campaign.md."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from tasks.campaign.values import Number, Part, Text

SECONDS = 10.0
"""Seconds that a function may take for 1,000 rows, by default."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_CONDITIONS = ("text", "matches", "equals", "above", "below", "missing")
_OF_COLUMN = _CONDITIONS[1:]
_OF_RULE = ("name", "label", "column", *_CONDITIONS)


def _check_pattern(pattern: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("must be 1 to 100 letters, digits, dots, dashes and underscores, as free-money")
    return name


def as_texts(value: Any) -> Any:
    """Give one value or a list of them as texts."""
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(_value(item) for item in values)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        raise ValueError("yes, no, true, on and the like are booleans in YAML; put them in quotes, as 'no'")
    if isinstance(value, str | int | float | Decimal):
        return str(value)
    raise ValueError(
        "must be a value or a list of values, such as [NG, RU]; for missing ones say missing: true"
    )


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_check_pattern)]


class LabelingFunction(Part):
    """A rule that votes for one class, or a Python module with functions that vote for any."""

    name: Annotated[str, AfterValidator(_check_name)] | None = None
    label: Text | None = None
    text: Pattern | None = None
    column: Text | None = None
    matches: Pattern | None = None
    equals: Annotated[tuple[Text, ...], BeforeValidator(as_texts)] = ()
    above: Number | None = None
    below: Number | None = None
    missing: Annotated[bool, Strict()] | None = None
    module: Text | None = None
    functions: tuple[Text, ...] = ()
    columns: tuple[Text, ...] = ()
    seconds: Annotated[Number, Field(gt=0, le=3600)] = SECONDS

    @model_validator(mode="after")
    def _one_kind(self) -> LabelingFunction:
        given = [name for name in _OF_RULE if getattr(self, name) not in (None, ())]
        if self.module is not None:
            if given:
                raise ValueError(f"{given[0]} belongs to a rule, module to Python functions; use two entries")
            return self
        if self.functions or self.columns:
            raise ValueError("functions and columns need module, the Python module that they are about")
        self._check_rule(given)
        return self

    def _check_rule(self, given: Sequence[str]) -> None:
        absent = [name for name in ("name", "label") if name not in given]
        if absent:
            raise ValueError(f"a rule needs {absent[0]}; Python functions need module")
        if not any(name in given for name in _CONDITIONS):
            raise ValueError(f"a rule needs a condition: {', '.join(_CONDITIONS)}")
        of_column = [name for name in _OF_COLUMN if name in given]
        if of_column and self.column is None:
            raise ValueError(f"{of_column[0]} needs column, the column that it is about")
        if self.column is not None and not of_column:
            raise ValueError(f"column needs a condition: {', '.join(_OF_COLUMN)}")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError(f"no number is above {self.above:g} and below {self.below:g}")

    @property
    def needs(self) -> tuple[str, ...]:
        """Columns that it reads by name; `text` reads the campaign's text columns besides."""
        return self.columns if self.column is None else (self.column,)


def rule_columns(functions: Iterable[LabelingFunction]) -> tuple[str, ...]:
    """Give the columns that labeling functions read by name, each once."""
    return tuple(dict.fromkeys(name for function in functions for name in function.needs))


def broken_labeling_functions(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Find what must hold between labeling functions and the rest of a campaign file, and does not.

    Parameters
    ----------
    values
        The file's plain keys; whatever has the wrong type is passed over.

    Yields
    ------
    place, message
    """
    functions, classes = values.get("labeling_functions"), values.get("classes")
    if not isinstance(functions, list):
        return
    seen: set[str] = set()
    for position, function in enumerate(functions):
        if not isinstance(function, Mapping):
            continue
        name, label = function.get("name"), function.get("label")
        if isinstance(name, str):
            if name in seen:
                yield ("labeling_functions", position, "name"), f"labeling function {name} is given twice"
            seen.add(name)
        if isinstance(label, str) and isinstance(classes, list) and label not in classes:
            shown = ", ".join(str(item) for item in classes)
            yield ("labeling_functions", position, "label"), f"{label} is none of the classes {shown}"
