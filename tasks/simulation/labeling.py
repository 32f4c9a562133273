"""How an arm buys answers and what it believes of them: part of a treatment, as strategy and model are."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from tasks.errors import UsageError
from tasks.grammar import Spec, parse_list
from tasks.truth import METHODS, check_relabel

MAJORITY = "majority"
MOST_ANSWERS = 15


@dataclass(frozen=True)
class Labeling:
    """Answers an item, and their truth.

    Attributes
    ----------
    method : str
        Of `tasks.truth.METHODS`.
    overlap : int
        Answers that a fresh item gets at once.
    relabel : {'auto', 'off'} or float
        Which part of a step's answers goes to items that have some: see `tasks.truth.plan`.
    max_answers : int
        Of an item.

    Raises
    ------
    UsageError
        A value out of range.
    """

    method: str = MAJORITY
    overlap: int = 1
    relabel: str | float = "off"
    max_answers: int = 5

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            close = get_close_matches(self.method, METHODS, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise UsageError(f"There is no labeling {self.method!r}; there are: {', '.join(METHODS)}.{hint}")
        for name in ("overlap", "max_answers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ANSWERS:
                raise UsageError(
                    f"{name} of the labeling {self.method} must be 1 to {MOST_ANSWERS}, not {value!r}."
                )
        check_relabel(self.relabel)


def labeling_of(text: str) -> Labeling:
    """Read one labeling."""
    (spec,) = labeling_specs(text)
    return _made(spec)


def labeling_specs(text: str) -> tuple[Spec, ...]:
    """Read labelings, separated by commas; the grammar is that of strategies.

    Parameters
    ----------
    text : str
        For example ``majority,majority(overlap=3),auto(relabel=auto)``.

    Returns
    -------
    tuple of Spec
        Each once.

    Raises
    ------
    UsageError
        It does not follow the grammar, there is no such truth method, or a parameter is unknown or out of range.
    """
    try:
        found = parse_list(text)
    except UsageError as error:
        raise UsageError(
            f"The labelings {text!r} cannot be read; they look like majority(overlap=3),auto(relabel=auto)."
        ) from error
    for spec in found:
        _made(spec)
    return tuple({str(spec): spec for spec in found}.values())


def _made(spec: Spec) -> Labeling:
    if spec.parts:
        raise UsageError(f"The labeling {str(spec)!r} cannot have another inside.")
    params: dict[str, Any] = dict(spec.params)
    unknown = sorted(params.keys() - {"overlap", "relabel", "max_answers"})
    if unknown:
        raise UsageError(
            f"The labeling {str(spec)!r} takes overlap, relabel and max_answers, not {', '.join(unknown)}."
        )
    return Labeling(spec.name, **params)
