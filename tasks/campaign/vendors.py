"""The sections of a campaign file about who labels: vendors, what is believed of them, and gold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from tasks.campaign.prices import PriceOf, broken_prices
from tasks.campaign.source import Path
from tasks.campaign.values import Name, Number, Part, S3Uri, Text, Whole

TruthMethod = Literal["auto", "majority", "dawid_skene", "one_coin", "crowdlab"]


class Vendor(Part):
    """Who may label, at what price, and what of it."""

    name: Name
    price: PriceOf
    lease_minutes: Annotated[Number, Field(gt=0, le=60 * 24 * 90)] = 60
    share: Annotated[Number, Field(gt=0, le=1)] | None = None
    max_open: Annotated[Whole, Field(ge=1)] | None = None
    skills: Mapping[Text, tuple[Text, ...]] = {}
    classes: tuple[Text, ...] = ()
    senior: bool = False
    connector: Text | None = None
    options: Mapping[str, Any] = {}


class Truth(Part):
    """What is believed of several answers, and when a further one is wanted."""

    method: TruthMethod = "auto"
    confidence: Annotated[Number, Field(gt=0, lt=1)] = 0.9
    max_answers: Annotated[Whole, Field(ge=1, le=15)] | None = None


class Gold(Part):
    """Items whose label is known, mixed into every vendor's work to measure it."""

    share: Annotated[Number, Field(gt=0, le=0.5)] = 0.05
    uri: S3Uri | None = None
    id: Text = "id"
    label: Text = "label"
    passes: Annotated[Number, Field(gt=0.5, lt=1)] = 0.9
    suspend: bool = True


def _check_relabel(value: Any) -> str | float:
    # YAML reads a bare `off` as a boolean.
    if value is False or value == "off":
        return "off"
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if value != "auto" and not (number and 0 <= value <= 1):
        raise ValueError(f"must be auto, off or a share from 0 to 1, not {value}")
    return value if isinstance(value, str) else float(value)


Relabel = Annotated[str | float, BeforeValidator(_check_relabel)]


def broken_vendors(values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Name what does not hold between the vendors and the rest of the file."""
    vendors = [one for one in _list(values.get("vendors")) if isinstance(one, dict)]
    ordinary = [one for one in vendors if one.get("senior") is not True]
    if vendors and not ordinary:
        yield ("vendors",), "all are senior: somebody must give the first answers"
    yield from _shares(values, len(ordinary))
    yield from _answers(values, len(ordinary))
    yield from broken_prices(values)
    known = [name for name in _list(values.get("classes")) if isinstance(name, str)]
    for place, vendor in enumerate(_list(values.get("vendors"))):
        if not isinstance(vendor, dict):
            continue
        for at, name in enumerate(_list(vendor.get("classes"))):
            if known and isinstance(name, str) and name not in known:
                yield ("vendors", place, "classes", at), f"{name!r} is not in classes"
        if vendor.get("options") and not vendor.get("connector"):
            yield ("vendors", place, "options"), "are for a connector: name it in connector"
    gold = values.get("gold")
    if isinstance(gold, dict) and not gold.get("uri") and not values.get("seed_labels"):
        yield ("gold",), "needs items with known labels: a file in gold.uri, or seed_labels"


def _shares(values: Mapping[str, Any], ordinary: int) -> Iterator[tuple[Path, str]]:
    given: list[float] = []
    for place, vendor in enumerate(_list(values.get("vendors"))):
        share = vendor.get("share") if isinstance(vendor, dict) else None
        if share is None or isinstance(share, bool) or not _is_number(share):
            continue
        if vendor.get("senior") is True:
            yield (
                ("vendors", place, "share"),
                "a senior vendor is asked where others disagree, and has no share",
            )
        given.append(float(share))
    if given and len(given) < ordinary:
        yield ("vendors",), f"{len(given)} of {ordinary} vendors have a share: all or none must have one"
    elif given and abs(sum(given) - 1) > 0.01:
        yield ("vendors",), f"the shares add up to {sum(given):g}, not to 1"


def _answers(values: Mapping[str, Any], ordinary: int) -> Iterator[tuple[Path, str]]:
    overlap, truth = values.get("overlap", 1), values.get("truth")
    most = truth.get("max_answers") if isinstance(truth, dict) else None
    if _is_count(most) and _is_count(overlap) and most < overlap:
        yield ("truth", "max_answers"), f"must be at least overlap, {overlap}, not {most}"
    if values.get("distinct_by", "vendor") != "vendor" or not ordinary:
        return
    for place, count in ((("overlap",), overlap), (("truth", "max_answers"), most)):
        if isinstance(count, int) and _is_count(count) and count > ordinary:
            yield place, f"must be at most the number of vendors, {ordinary}, not {count}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
