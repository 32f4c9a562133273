"""Stop signals over the labels: how near each rule is to ending the campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import BLUE, GREY, INK, VERMILION, Array, dress, short, thousands

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 6


def signal_panels(signals: Mapping[str, Array], *, title: str = "") -> Figure:
    """Draw the value of each stop signal against its threshold, a small picture a signal.

    Parameters
    ----------
    signals
        Name -> labels, value, threshold and 1 where it fired, shape (r, 4), in any order; NaN where not known.
        Of more than six the first are drawn.
    title
        Heading.

    Returns
    -------
    Figure
        900 x 600 pixels.
    """
    from matplotlib.figure import Figure

    shown = list(signals.items())[:MOST]
    columns = 1 if len(shown) < 2 else 2 if len(shown) <= 4 else 3
    rows = max(1, -(-len(shown) // columns))
    figure = Figure(figsize=(9, 6), dpi=100, layout="constrained", facecolor="white")
    figure.suptitle(title or "Stop signals by labels in hand", x=0.01, ha="left", fontsize=15, color=INK)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, table) in zip(grid, shown, strict=False):
        _panel(axes, name, np.asarray(table, float).reshape(-1, 4))
    for axes in grid[len(shown) :]:
        axes.set_axis_off()
    if not shown:
        grid[0].text(0.5, 0.5, "no rule has been asked yet", ha="center", color=GREY, fontsize=14)
    else:
        figure.legend(
            *grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
        )
    return figure


def _panel(axes: Axes, name: str, table: Array) -> None:
    dress(axes)
    axes.tick_params(labelsize=9)
    axes.set_title(short(name.replace("_", " "), 30), loc="left", fontsize=12, color=INK)
    labels, value, threshold, fired = table[np.argsort(table[:, 0], kind="stable")].T
    axes.plot(labels, value, color=BLUE, marker="o", markersize=4, linewidth=1.8, label="signal")
    axes.plot(labels, threshold, color=GREY, linestyle="--", linewidth=1.5, label="threshold")
    stopped = fired > 0
    axes.plot(
        labels[stopped], value[stopped], "D", color=VERMILION, markersize=8, label="would stop", zorder=3
    )
    axes.xaxis.set_major_formatter(thousands())
    axes.ticklabel_format(axis="y", useOffset=False)
