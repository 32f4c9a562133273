"""Metrics, params and tags in the form that MLflow accepts and its UI reads well."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.tracking.record import Interval

MAX_PARAM = 6000
MAX_TAG = 8000
MAX_KEY = 250


def key(name: str) -> str:
    """Return `name` with each character that MLflow refuses in a key replaced by its code point.

    >>> key("recall/C++")
    'recall/C_2b__2b_'
    """
    allowed = re.sub(r"[^\w\-./ ]", lambda match: f"_{ord(match[0]):x}_", name)
    return "/".join(part for part in allowed.split("/") if part not in ("", ".", ".."))[:MAX_KEY]


def by_labels(group: str, name: str) -> str:
    """Return the name of the metric that holds `name` with labels, not rounds, as steps."""
    return f"{group}_by_labels/{key(name).replace('/', '_')}"


def text(value: object, limit: int) -> str:
    """Return `value` as text of at most `limit` characters."""
    written = str(value)
    return written if len(written) <= limit else written[: limit - 3] + "..."


def params(values: Mapping[str, object]) -> dict[str, str]:
    """Return params as MLflow stores them."""
    return {key(name): text(value, MAX_PARAM) for name, value in values.items()}


def tags(values: Mapping[str, object]) -> dict[str, str]:
    """Return tags as MLflow stores them; a tag that is None is left out."""
    return {key(name): text(value, MAX_TAG) for name, value in values.items() if value is not None}


def flatten(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield the metrics of one number or estimate; what is not defined (NaN) is left out."""
    pairs = {name: value}
    if hasattr(value, "low"):  # not isinstance(float): NumPy's float32 is none
        pairs = {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    for metric, number in pairs.items():
        if math.isfinite(number):
            yield key(metric), float(number)


def metrics(values: Mapping[str, Any], estimates: Mapping[str, Mapping[str, Interval]]) -> dict[str, float]:
    """Return estimates (``group/measure``, ``_low``, ``_high``) and plain metrics as one mapping.

    Estimates come first: the UI's comparison of runs begins with the first metric.
    """
    pairs = [
        pair
        for group, measures in estimates.items()
        for measure, estimate in measures.items()
        for pair in flatten(f"{group}/{measure}", estimate)
    ]
    pairs.extend(pair for name, value in values.items() for pair in flatten(name, value))
    return dict(pairs)
