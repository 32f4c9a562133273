"""The `strategy` section of a campaign file. Keys and meanings: docs/campaign.md."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tasks.campaign.values import Number, Part, Share, Text, Whole, parameter
from tasks.errors import UsageError
from tasks.grammar import SHORTLIST_THEN, Spec, parse, shares

NOT_KNOWN = frozenset({"cost"})
"""Fields of `tasks.strategies.Candidates` that no campaign and no labelled file tells."""


class Quotas(Part):
    """Limits on what one batch may hold of one kind."""

    per_class: Annotated[Number, Field(gt=0, le=1)] = 1.0
    group: Text | None = None
    per_group: Annotated[Whole, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _both(self) -> Quotas:
        if (self.group is None) != (self.per_group is None):
            raise ValueError("group, a column, and per_group, how many of each, belong together")
        return self


def _count_or_strategy(value: Any) -> Any:
    """Pass what `shortlist` may be, with a message that names both."""
    if value is None or (isinstance(value, str) and value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError("must be a whole number of at least 1, or the strategy that makes the shortlist")


def _duplicates(value: Any) -> Any:
    if isinstance(value, str) and value in ("auto", "exact", "keep"):
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    raise ValueError("must be auto, exact, keep, or the cosine from which on items are copies, such as 0.98")


class StrategyChoice(Part):
    """How items are chosen."""

    name: Text = "auto"
    params: dict[str, Any] = Field(default_factory=dict)
    shortlist: Annotated[Any, BeforeValidator(_count_or_strategy)] = None
    then: Text | None = None
    shares: dict[Text, Share] | None = None
    aggregate: Literal["mean", "max", "min_margin"] | None = None
    explore: Annotated[Number, Field(ge=0, le=0.5)] = 0.0
    duplicates: Annotated[Any, BeforeValidator(_duplicates)] = "auto"
    quotas: Quotas | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("params", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: None if item is None else parameter(name, item) for name, item in value.items()}

    @model_validator(mode="after")
    def _one_way(self) -> StrategyChoice:
        ways = [
            self.name != "auto" or "name" in self.model_fields_set,
            self.then is not None or isinstance(self.shortlist, str),
            self.shares is not None,
        ]
        if ways[1] and not (self.then is not None and isinstance(self.shortlist, str)):
            raise ValueError("shortlist, a strategy, and then, the one that chooses from it, belong together")
        if sum(ways) > 1 and not (self.name == "auto" and sum(ways[1:]) == 1):
            raise ValueError("name, shortlist and then, and shares are three ways to say it; use one")
        try:
            _ = self.spec
        except UsageError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def spec(self) -> Spec:
        """The strategy, without what `explore`, `duplicates` and `quotas` add to it."""
        if self.shares is not None:
            spec = shares([(share, parse(name)) for name, share in self.shares.items()])
        elif self.then is not None:
            spec = Spec(SHORTLIST_THEN, (parse(str(self.shortlist)), parse(self.then)))
        else:
            spec = parse(self.name)
        return Spec(spec.name, spec.parts, {**spec.params, **self.params})

    @property
    def title(self) -> str:
        """The strategy in one line."""
        return str(self.spec)

    @property
    def is_random(self) -> bool:
        """Whether every pick is a uniform draw."""
        return self.spec.name == "random"

    @property
    def shortlist_size(self) -> int | None:
        """How many candidates scoring leaves; None for as many as the strategy wants."""
        return self.shortlist if isinstance(self.shortlist, int) else None
