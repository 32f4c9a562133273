"""How good a model of labels that are sets is, class by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import (
    BLUE,
    GREY,
    INK,
    LIGHT,
    ORANGE,
    OTHERS,
    VERMILION,
    Array,
    canvas,
    empty,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_CLASSES = 25


def label_bars(counts: Array, classes: Sequence[str], *, title: str = "") -> Figure:
    """Draw what was found, missed and wrongly named of each class.

    With more than 25 classes those with most errors are shown, the rest joined as "(others)".

    Parameters
    ----------
    counts
        Items by class and by truth and prediction, shape (c, 4): both, only predicted, only true, neither; as
        `tasks.evaluation.multilabel.label_counts` gives them.
    classes
        Their names, in order.
    title
        Heading; by default it counts items and gives the micro-F1.

    Returns
    -------
    Figure
        900 x 600 pixels up to eight classes, 1100 x 900 beyond.
    """
    table, names = _most_wrong(np.asarray(counts), list(classes))
    many = len(names) > 8
    heading = title or _heading(np.asarray(counts))
    figure, axes = canvas(heading, "items", "", size=(11, 9) if many else (9, 6))
    axes.grid(visible=True, axis="x", color=LIGHT, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    place = np.arange(len(names))
    both, named, missed = table[:, 0], table[:, 1], table[:, 2]
    axes.barh(place, both, color=BLUE, label="found", height=0.7)
    axes.barh(
        place, missed, left=both, color=ORANGE, hatch="//", edgecolor="white", label="missed", height=0.7
    )
    axes.barh(
        place, named, left=both + missed, color=VERMILION, hatch="..", edgecolor="white", label="wrongly named",
        height=0.7,
    )  # fmt: skip
    axes.set_yticks(place, [short(name) for name in names], fontsize=9 if many else 12)
    axes.invert_yaxis()
    if not (both + named + missed).any():
        empty(axes, "no class was there or predicted")
        return figure
    _say_f1(axes, both, named, missed, many=many)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    return figure


def _say_f1(axes: Axes, both: Array, named: Array, missed: Array, *, many: bool) -> None:
    ends = both + named + missed
    for place, end in enumerate(ends):
        total = 2 * both[place] + named[place] + missed[place]
        words = f"F1 {2 * both[place] / total:.2f}" if total else "never there or named"
        axes.annotate(
            words, (float(end), place), xytext=(5, 0), textcoords="offset points", va="center",
            color=INK if total else GREY, fontsize=8 if many else 11,
        )  # fmt: skip
    axes.set_xlim(0, float(ends.max()) * 1.18)


def _heading(counts: Array) -> str:
    both, named, missed, _ = counts.sum(axis=0)
    items, total = int(counts[0].sum()), 2 * both + named + missed
    return f"Classes of {items:,} items" + (f": micro-F1 {2 * both / total:.3f}" if total else "")


def _most_wrong(counts: Array, names: list[str]) -> tuple[Array, list[str]]:
    if len(names) <= SHOWN_CLASSES:
        return counts, names
    order = np.argsort(-(counts[:, 1] + counts[:, 2]), kind="stable")
    keep, rest = np.sort(order[: SHOWN_CLASSES - 1]), order[SHOWN_CLASSES - 1 :]
    joined = np.vstack([counts[keep], counts[rest].sum(axis=0)])
    return joined, [names[place] for place in keep] + [OTHERS]
