"""The sections of a campaign file about its end: stop rules, and what is refused before money is spent."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tasks.campaign.values import Amount, Metric, Number, Part, Whole


class Target(Part):
    """Stop when the worse end of the metric's confidence sequence is this good."""

    metric: Metric | None = None
    value: Annotated[Number, Field(gt=0, le=1)]


class Plateau(Part):
    """Stop when the next batch is forecast to bring too little."""

    metric: Metric | None = None
    rounds: Annotated[Whole, Field(ge=1)] = 1
    min_gain: Annotated[Number, Field(ge=0, le=1)] | None = None
    worth: Amount | None = None


class Stable(Part):
    """Stop when the models of successive rounds hardly differ any more."""

    kappa: Annotated[Number, Field(gt=0, le=1)] = 0.99
    rounds: Annotated[Whole, Field(ge=1)] = 3


class Uncertainty(Part):
    """Stop when the pool holds little that the model is unsure of."""

    below: Annotated[Number, Field(gt=0, lt=1)]


class Stop(Part):
    """When the campaign is over before its budget is spent."""

    target: Target | None = None
    plateau: Plateau | None = None
    stable: Stable | None = None
    uncertainty: Uncertainty | None = None
    combine: Literal["any", "all"] = "any"
    max_rounds: Annotated[Whole, Field(ge=1)] | None = None
    until: date | None = None


def _check_guard(value: Any) -> str | float | None:
    # YAML reads a bare `off` as a boolean.
    if value is False or value == "off":
        return "off"
    if isinstance(value, bool | str):
        raise ValueError(f"must be off or a number, not {value}")
    return None if value is None else float(value)


Guard = Annotated[Literal["off"] | Annotated[float, Field(gt=0, le=1)] | None, BeforeValidator(_check_guard)]


class Guards(Part):
    """What is refused before money is spent; a number sets the limit, nothing means the usual one."""

    one_class: Guard = None
    constant_scores: Guard = None
    worse_model: Guard = None
    drift: Guard = None
    vendor_errors: Guard = None
