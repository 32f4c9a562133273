"""The `predictions` section of a campaign file. Keys and meanings: docs/campaign.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from tasks.campaign.source import Path
from tasks.campaign.values import Part, S3Uri, Share, Text

_TRAINS = {
    "model": "is for a model that labelrounds trains; with predictions there is none",
    "cold_start": "is for a model that labelrounds trains; predictions choose from the first round on",
    "labeling_functions": "are for a model that labelrounds trains; with predictions there is none",
}
_OF_ONE_ROW = {
    (
        "holdout",
    ): "measures predictions of one row an item; those of several rows are no probabilities of classes",
    ("stop", "target"): "needs estimates, and predictions of several rows an item cannot be measured",
    ("stop", "plateau"): "needs estimates, and predictions of several rows an item cannot be measured",
    ("strategy", "quotas", "per_class"): "needs a predicted class, and an item of several rows has none",
}


class Predictions(Part):
    """What a network outside labelrounds says of each item, in place of a model."""

    uri: S3Uri
    id: Text = "id"
    proba: Text = "proba"
    columns: dict[Text, Text] = Field(default_factory=dict)
    aggregate: Literal["max", "mean", "sum"] | None = None
    measure: Literal["margin", "entropy", "least_confidence"] = "margin"
    missing: Literal["uncertain", "skip"] = "uncertain"
    max_missing: Share = 0.1


def broken_predictions(values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Rules between predictions and other keys that do not hold, each with its place."""
    predictions = values.get("predictions")
    if not isinstance(predictions, Mapping):
        return
    for key, why in _TRAINS.items():
        if values.get(key) is not None:
            yield (key,), why
    yield from _uri_rules(values, predictions)
    yield from _form_rules(predictions)
    classes, columns = values.get("classes"), predictions.get("columns")
    if isinstance(classes, list) and isinstance(columns, Mapping):
        named = {str(name) for name in classes}
        if named != set(columns):
            yield ("predictions", "columns"), f"must name a column for each class, {', '.join(sorted(named))}"
    several = predictions.get("aggregate") is not None
    if values.get("task") == "multilabel" and not several:
        yield (
            ("predictions",),
            "of one row an item are of one class each; task multilabel has sets of classes",
        )
    for path, why in _OF_ONE_ROW.items() if several else ():
        if _at(values, path) is not None:
            yield path, why


def _uri_rules(values: Mapping[str, Any], predictions: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    uri, pool = predictions.get("uri"), _at(values, ("pool", "uri"))
    if isinstance(uri, str) and isinstance(pool, str) and f"{uri}/".startswith(pool.rstrip("/") + "/"):
        yield ("predictions", "uri"), "lies under pool.uri, so it would be read as items; move it elsewhere"


def _form_rules(predictions: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    if predictions.get("columns") is not None:
        if predictions.get("proba") is not None:
            yield (
                ("predictions", "proba"),
                "is a column of lists, and columns has one for each class; use one of both",
            )
        if predictions.get("aggregate") is not None:
            yield ("predictions", "aggregate"), "joins the rows of a list; with columns an item has one row"
    if predictions.get("measure") is not None and predictions.get("aggregate") is None:
        yield (
            ("predictions", "measure"),
            "is of several rows an item, with aggregate; of one row the strategy is the measure",
        )


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values
