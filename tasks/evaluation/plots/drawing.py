"""What the pictures share: canvas, colours, labels, and how many series or classes are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, VERMILION, YELLOW = "#56B4E9", "#D55E00", "#F0E442"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW)
INK, GREY, LIGHT = "#222222", "#6B6B6B", "#DDDDDD"

OTHERS = "(others)"


def canvas(title: str, xlabel: str, ylabel: str, size: tuple[float, float] = (9, 6)) -> tuple[Figure, Axes]:
    """Make a figure with one dressed axes, heading and axis labels; `size` in inches of 100 pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=100, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    dress(axes)
    axes.set_title(title, loc="left", fontsize=15, color=INK, pad=12)
    axes.set_xlabel(xlabel, fontsize=12, color=INK)
    axes.set_ylabel(ylabel, fontsize=12, color=INK)
    return figure, axes


def two_rows(title: str, ratio: tuple[int, int] = (4, 1)) -> tuple[Figure, tuple[Axes, Axes]]:
    """Make a figure with one axes above another that share the x axis; `ratio` of their heights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), dpi=100, layout="constrained", facecolor="white")
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=ratio)
    dress(top)
    dress(below)
    top.set_title(title, loc="left", fontsize=15, color=INK, pad=12)
    return figure, (top, below)


def dress(axes: Axes) -> None:
    """Give axes the common look: no box, quiet grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=11)
    axes.grid(visible=True, axis="y", color=LIGHT, linewidth=0.8)
    axes.set_axisbelow(True)


def note(axes: Axes, x: float, y: float, words: str, *, ha: str) -> None:
    """Write words at x in data units and y as a share of the height."""
    axes.text(x, y, words, transform=axes.get_xaxis_transform(), ha=ha, va="bottom", color=GREY, fontsize=11)


def empty(axes: Axes, words: str) -> None:
    """Say in the middle why there is nothing to draw."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=14)
    axes.set(xticks=[], yticks=[])


def stack(axes: Axes, rounds: Sequence[int], heights: Array, names: Sequence[str]) -> None:
    """Draw one bar a round, stacked by series, with the legend beside it in the same order."""
    bottom = np.zeros(len(heights))
    for column, name in enumerate(names):
        colour = LIGHT if name == OTHERS else SERIES[column % len(SERIES)]
        axes.bar(
            rounds, heights[:, column], bottom=bottom, width=0.75, color=colour, edgecolor="white",
            linewidth=0.8, label=short(name),
        )  # fmt: skip
        bottom = bottom + heights[:, column]
    if len(rounds) <= 20:
        axes.set_xticks(list(rounds))
    # From top to bottom, as the bars are stacked.
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.0), reverse=True, frameon=False, fontsize=11, borderaxespad=0
    )


def largest(table: Array, names: list[str]) -> tuple[Array, list[str]]:
    """Keep the columns with the largest sums, as many as there are colours, and join the rest."""
    limit = len(SERIES)
    if len(names) <= limit:
        return table, names
    order = np.argsort(-table.sum(axis=0), kind="stable")
    keep, rest = np.sort(order[: limit - 1]), order[limit - 1 :]
    joined = np.column_stack([table[:, keep], table[:, rest].sum(axis=1)])
    return joined, [names[position] for position in keep] + [OTHERS]


def short(name: str, limit: int = 18) -> str:
    """Cut the middle out of a long name: beginnings and endings tell names apart."""
    if len(name) <= limit:
        return name
    end = (limit - 1) // 2
    return f"{name[: limit - 1 - end]}…{name[-end:]}"


def percent() -> Any:
    """Make a formatter that writes 0.25 as 25%."""
    from matplotlib.ticker import PercentFormatter

    return PercentFormatter(1.0, decimals=None)


def thousands() -> Any:
    """Make a formatter that writes 12000 as 12,000, and 2.5 as it is."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{value:,.0f}" if float(value).is_integer() else f"{value:,g}")
