"""What an arm is: the strategy that chooses, the model that learns, and how answers become labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from tasks.errors import UsageError
from tasks.grammar import Spec, parse_list
from tasks.models.crossfit import KINDS
from tasks.models.fitting import AUTO
from tasks.simulation.labeling import MAJORITY

RANDOM = "random"
# Within these no XGBoost learns.
_WITHOUT_PARAMETERS = frozenset({"linear", "forest"})
# A simulation trains on one thread, so that its results depend on no machine.
_OURS = frozenset({"nthread"})


@dataclass(frozen=True)
class Treatment:
    """What sets one arm apart from the others.

    Attributes
    ----------
    strategy : str
        As `tasks.grammar` reads it.
    model : str
        A kind of model, with parameters of XGBoost where it has some: see `model_specs`.
    labeling : str
        A truth method, with overlap and relabeling: see `tasks.simulation.labeling.labeling_specs`.
    """

    strategy: str
    model: str = "auto"
    labeling: str = MAJORITY

    @property
    def kind(self) -> str:
        """The model without its parameters."""
        return self.model.partition("(")[0]

    def __str__(self) -> str:
        return f"{self.strategy} [{self.model}]" + ("" if self.labeling == MAJORITY else f" {self.labeling}")


def baseline(treatments: Iterable[Treatment]) -> Treatment:
    """Give what the others are measured against: random, with the model and the labeling that were named first."""
    return replace(next(iter(treatments)), strategy=RANDOM)


def names(treatments: Iterable[Treatment]) -> dict[Treatment, str]:
    """Name arms for people: after the strategy alone where all have one model and one labeling."""
    found = tuple(treatments)
    models = len({one.model for one in found}) > 1
    labelings = len({one.labeling for one in found}) > 1
    return {one: one.strategy + f" [{one.model}]" * models + f" {one.labeling}" * labelings for one in found}


def model_specs(text: str) -> tuple[Spec, ...]:
    """Read kinds of models, separated by commas; the grammar is that of strategies.

    Parameters
    ----------
    text : str
        For example ``auto,linear,xgboost(learning_rate=0.3, max_depth=6)``.

    Returns
    -------
    tuple of Spec
        Each once.

    Raises
    ------
    UsageError
        It does not follow the grammar, there is no such kind, or the kind takes no such parameters.
    """
    try:
        found = parse_list(text)
    except UsageError as error:
        raise UsageError(
            f"The models {text!r} cannot be read; they look like auto,xgboost(max_depth=6)."
        ) from error
    for spec in found:
        _check(spec)
    return tuple({str(spec): spec for spec in found}.values())


def _check(spec: Spec) -> None:
    kinds = (AUTO, *KINDS)
    if spec.name not in kinds:
        close = get_close_matches(spec.name, kinds, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise UsageError(f"There is no model {str(spec)!r}; there are: {', '.join(kinds)}.{hint}")
    if spec.parts:
        raise UsageError(f"The model {str(spec)!r} cannot have another model inside.")
    if spec.params and spec.name in _WITHOUT_PARAMETERS:
        raise UsageError(f"The model {spec.name} takes no parameters: those of {str(spec)!r} are XGBoost's.")
    if ours := _OURS & spec.params.keys():
        raise UsageError(
            f"The parameter {', '.join(ours)} of {str(spec)!r} is set by the simulation; leave it out."
        )
