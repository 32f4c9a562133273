"""The sections of a campaign file about measuring: the audit, and which model becomes champion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, model_validator

from tasks.campaign.source import Path
from tasks.campaign.values import Number, Part, Text, Whole
from tasks.campaign.weak import as_texts

_CONDITIONS = ("equals", "above", "below", "missing")


class Oversample(Part):
    """Items that the audit draws more often than others."""

    column: Text
    equals: Annotated[tuple[Text, ...], BeforeValidator(as_texts)] = ()
    above: Number | None = None
    below: Number | None = None
    missing: Annotated[bool, Strict()] | None = None
    weight: Annotated[Number, Field(gt=1, le=1000)]

    @model_validator(mode="after")
    def _has_a_condition(self) -> Oversample:
        if all(getattr(self, name) in (None, ()) for name in _CONDITIONS):
            raise ValueError(f"needs a condition: {', '.join(_CONDITIONS)}")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError(f"no number is above {self.above:g} and below {self.below:g}")
        return self


class Audit(Part):
    """Items drawn at random to measure."""

    mode: Literal["uniform", "active"] = "uniform"
    enough: Annotated[Whole, Field(ge=1)] = 100
    then: Annotated[Number, Field(ge=0, le=0.5)] | None = None
    overlap: Annotated[Whole, Field(ge=1, le=15)] | None = None
    oversample: tuple[Oversample, ...] = ()
    train: Literal["never", "crossfit", "window"] = "never"
    window: Annotated[Whole, Field(ge=20)] = 200


class Promote(Part):
    """When a model becomes champion."""

    rule: Literal["better", "not_worse"] = "better"
    margin: Annotated[Number, Field(gt=0, le=0.2)] = 0.005

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """Take a bare word for the rule."""
        return {"rule": value} if isinstance(value, str) else value


def broken_audit(values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Name what does not hold between the audit and the rest of a campaign file.

    Parameters
    ----------
    values
        The file's plain keys; whatever has the wrong type is passed over.

    Yields
    ------
    place, message
    """
    audit, batch = values.get("audit"), values.get("batch")
    if not isinstance(audit, Mapping):
        return
    share = batch.get("audit_share") if isinstance(batch, Mapping) else None
    if share == 0 and not isinstance(share, bool):
        yield ("audit",), "is about items that batch.audit_share, 0, never draws; leave one of them out"
    if audit.get("mode") == "active":
        if audit.get("oversample"):
            yield ("audit", "oversample"), "is of mode uniform: an active audit chooses by the model"
        if audit.get("train") in ("crossfit", "window"):
            yield ("audit", "train"), "must be never in mode active, whose estimate needs all of its draws"
    given = values.get("predictions")
    if given is not None and audit.get("train") in ("crossfit", "window"):
        yield ("audit", "train"), "is of campaigns that train; this one brings its predictions"
    if "window" in audit and audit.get("train") != "window":
        yield ("audit", "window"), "needs train: window"
    overlap, vendors = audit.get("overlap"), values.get("vendors")
    if isinstance(overlap, int) and not isinstance(overlap, bool) and isinstance(vendors, list):
        ordinary = sum(isinstance(one, Mapping) and one.get("senior") is not True for one in vendors)
        if values.get("distinct_by") != "annotator" and overlap > max(ordinary, 1):
            said = f"{overlap} answers need as many vendors that are not senior; there are {ordinary}"
            yield ("audit", "overlap"), said
