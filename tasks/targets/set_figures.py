"""The figures of many models in one, as those of one model: means over the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.models.multilabel import FittedSets


def figures_of(fitted: FittedSets, classes: Sequence[str]) -> dict[str, Any]:
    """Give the figures of the record of a round in plain types.

    Returns
    -------
    dict
        ``kind``; ``kinds``, how many classes have a model of each; ``candidates`` and ``calibration`` as
        `tasks.models.Fitted.figures` has them, averaged over the classes that have a model; ``labels``, the figures of
        each class.
    """
    figures = fitted.figures(classes)
    known = [one for one in figures["labels"].values() if one is not None]
    kinds = Counter(one["kind"] for one in known)
    if len(known) < len(classes):
        kinds["constant"] = len(classes) - len(known)
    return {
        **figures,
        "kinds": dict(sorted(kinds.items())),
        "candidates": _candidates([one["candidates"] for one in known]),
        "calibration": _calibration([one["calibration"] for one in known]),
    }


def _candidates(of_classes: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Average each kind of model; an item is scored when all classes are, so their times add up."""
    found: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(kind for one in of_classes for kind in one):
        own = [one[kind] for one in of_classes if kind in one]
        found[kind] = {name: _mean(one[name] for one in own) for name in ("log_loss", "accuracy")}
        found[kind]["rows_per_second"] = 1 / sum(1 / one["rows_per_second"] for one in own)
    return found


def _calibration(of_classes: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    known = [one for one in of_classes if one is not None]
    if not known:
        return None
    found: dict[str, Any] = {"method": ", ".join(sorted({one["method"] for one in known}))}
    for when in ("before", "after"):
        told = [one[when] for one in known if one[when] is not None]
        scores = {name: _mean(one[name] for one in told) for name in ("log_loss", "ece")} if told else None
        found[when] = scores
    return found


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
