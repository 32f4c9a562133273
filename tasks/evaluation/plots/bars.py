"""Lying bars: drift of the pool, overlap with rival strategies, precision and recall class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import (
    BLUE,
    GREY,
    INK,
    LIGHT,
    ORANGE,
    SKY,
    VERMILION,
    Array,
    canvas,
    empty,
    percent,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_CLASSES = 25
# The usual reading of the population stability index: below .1 stable, above .25 another population.
SLIGHT_PSI, LARGE_PSI = 0.1, 0.25


def drift_bars(psi: Mapping[str, float], *, title: str = "", limit: float = LARGE_PSI) -> Figure:
    """Draw how far the columns of the pool moved since the earlier manifest.

    Parameters
    ----------
    psi
        Population stability index by column, at least 0; the largest ten are drawn, the largest on top.
    title
        Heading.
    limit
        From where on it is coloured as drift.

    Returns
    -------
    Figure
        900 x 600 pixels.
    """
    largest = sorted(((value, name) for name, value in psi.items() if np.isfinite(value)), reverse=True)[:10]
    heading = title or "Drift of the pool since the round before"
    figure, axes = canvas(heading, "population stability index", "")
    _lying(axes, [name for _, name in largest])
    if not largest:
        empty(axes, "nothing to compare with")
        return figure
    values = np.array([value for value, _ in largest])
    colours = [VERMILION if value > limit else SKY for value in values]
    bars = axes.barh(np.arange(len(values)), values, color=colours, height=0.7)
    axes.bar_label(bars, [f"{value:.3f}" for value in values], padding=5, color=INK, fontsize=11)
    right = max(float(values.max()), limit) * 1.15
    axes.set_xlim(0, right)
    for at, words in ((SLIGHT_PSI, "slight"), (limit, "drift")):
        axes.axvline(at, color=GREY, linestyle="--", linewidth=1.2)
        axes.annotate(
            words, (at, 0.0), xycoords=("data", "axes fraction"), xytext=(4, 5), textcoords="offset points",
            color=GREY, fontsize=11,
        )  # fmt: skip
    return figure


def overlap_bars(shares: Mapping[str, float], *, batch: int | None = None, title: str = "") -> Figure:
    """Draw how much of the batch other strategies would have chosen too.

    Parameters
    ----------
    shares
        Share of the batch by strategy, 0 to 1.
    batch
        Items that were chosen, for the heading.
    title
        Heading.

    Returns
    -------
    Figure
        900 x 600 pixels.
    """
    pairs = sorted(((value, name) for name, value in shares.items() if np.isfinite(value)), reverse=True)
    chosen = "the batch" if batch is None else f"the {batch:,} chosen items"
    figure, axes = canvas(title or f"Of {chosen}, others would have taken", "share of the batch", "")
    _lying(axes, [name for _, name in pairs])
    if not pairs:
        empty(axes, "no other strategy was asked")
        return figure
    values = np.array([value for value, _ in pairs])
    bars = axes.barh(np.arange(len(values)), values, color=BLUE, height=0.7)
    axes.bar_label(bars, [f"{value:.0%}" for value in values], padding=5, color=INK, fontsize=11)
    axes.set_xlim(0, 1.08)
    axes.xaxis.set_major_formatter(percent())
    return figure


def class_bars(
    estimates: Mapping[str, Array], classes: Sequence[str], *, items: int | None = None, title: str = ""
) -> Figure:
    """Draw precision and recall of each class, with intervals.

    With more than 25 classes those of the lowest recall are shown.

    Parameters
    ----------
    estimates
        Measure (``precision``, ``recall``) -> value and both ends of its interval, shape (c, 3); NaN where there
        is nothing to measure on.
    classes
        Their names, in order.
    items
        Measured items, for the heading.
    title
        Heading.

    Returns
    -------
    Figure
        900 x 600 pixels up to eight classes, 1100 x 900 beyond.
    """
    tables = {name: np.asarray(table, float).reshape(-1, 3) for name, table in estimates.items()}
    order = _worst(tables.get("recall"), len(classes))
    many = len(order) > 8
    heading = title or "Precision and recall by class" + ("" if items is None else f", {items:,} items")
    if len(order) < len(classes):
        heading += f", {len(order)} of lowest recall"
    figure, axes = canvas(heading, "share, with its 95 % interval", "", size=(11, 9) if many else (9, 6))
    _lying(axes, [classes[place] for place in order], size=9 if many else 12)
    drawn, lowest = False, 1.0
    for shift, (name, colour, marker) in zip(
        (-0.16, 0.16), (("precision", ORANGE, "s"), ("recall", BLUE, "o")), strict=True
    ):
        table = tables.get(name, np.empty((0, 3)))[order] if len(tables.get(name, ())) else np.empty((0, 3))
        known = np.isfinite(table).all(axis=1)
        place = np.arange(len(table))[known] + shift
        axes.hlines(place, table[known, 1], table[known, 2], color=colour, linewidth=2.5, alpha=0.6)
        axes.plot(table[known, 0], place, marker, color=colour, markersize=6 if many else 8, label=name)
        drawn, lowest = drawn or bool(known.any()), min([lowest, *table[known, 1]])
    axes.set_xlim(min(lowest, 0.9) - 0.02, 1.02)
    axes.xaxis.set_major_formatter(percent())
    if not drawn:
        empty(axes, "no labelled item to measure on")
        return figure
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11)
    return figure


def _worst(recall: Array | None, n_classes: int) -> Array:
    if n_classes <= SHOWN_CLASSES or recall is None or not len(recall):
        return np.arange(min(n_classes, SHOWN_CLASSES))
    return np.sort(np.argsort(np.nan_to_num(recall[:, 0], nan=2.0), kind="stable")[:SHOWN_CLASSES])


def _lying(axes: Axes, names: Sequence[str], size: int = 12) -> None:
    """Name the rows of lying bars, the first on top."""
    axes.set_yticks(range(len(names)), [short(name, 28) for name in names], fontsize=size)
    axes.set_ylim(max(len(names), 5) - 0.4, -0.6)  # few bars are not made fat
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=LIGHT, linewidth=0.8)
