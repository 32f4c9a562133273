"""How good the model of one round is: confusion and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.evaluation.intervals import wilson
from tasks.evaluation.plots.drawing import (
    BLUE,
    GREY,
    INK,
    OTHERS,
    SKY,
    VERMILION,
    Array,
    canvas,
    empty,
    percent,
    short,
    two_rows,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_CLASSES = 25


def confusion_matrix(counts: Array, classes: Sequence[str], *, title: str = "") -> Figure:
    """Draw true against predicted classes, coloured by share of the true class.

    With more than 25 classes the ones with most errors are shown, the rest joined as "(others)".

    Parameters
    ----------
    counts
        Items by true class (rows) and predicted class (columns), shape (c, c).
    classes
        Their names, in order.
    title
        Heading; by default it counts the items and the right ones.

    Returns
    -------
    Figure
        900 x 600 pixels up to eight classes, 1100 x 900 beyond.
    """
    counts = np.asarray(counts)
    total, right = counts.sum(), np.trace(counts)
    shown, names = _most_confused(counts, list(classes))
    share = shown / np.maximum(shown.sum(axis=1, keepdims=True), 1)
    many = len(names) > 8
    heading = title or f"Confusion: {right:,} of {total:,} right" + (
        f" ({right / total:.1%})" if total else ""
    )
    figure, axes = canvas(heading, "predicted class", "true class", size=(11, 9) if many else (9, 6))
    image = axes.imshow(share, cmap=_blues(), vmin=0, vmax=1, aspect="auto" if not many else "equal")
    axes.grid(visible=False)
    size = 9 if many else 12
    axes.set_xticks(range(len(names)), [short(name) for name in names], fontsize=size)
    axes.set_yticks(range(len(names)), [short(name) for name in names], fontsize=size)
    if many or max(map(len, names)) > 12:
        axes.tick_params(axis="x", rotation=60 if many else 25)
        for label in axes.get_xticklabels():
            label.set(horizontalalignment="right", rotation_mode="anchor")
    for row, column in zip(*np.nonzero(shown), strict=True):
        _cell(axes, row, column, int(shown[row, column]), float(share[row, column]), many=many)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    bar.set_label("share of the true class", color=INK, fontsize=11)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(percent())
    return figure


def reliability_diagram(
    confidence: Array, accuracy: Array, count: Array, *, ece: float | None = None, title: str = ""
) -> Figure:
    """Draw how often the model is right when it is so sure; the diagonal is perfect calibration.

    Parameters
    ----------
    confidence, accuracy
        Mean top probability, and share of right answers, per bin, shape (bins,); NaN in empty bins.
    count
        Items per bin, shape (bins,).
    ece
        Expected calibration error, for the heading.
    title
        Heading.

    Returns
    -------
    Figure
        900 x 600 pixels; bars from 95 % Wilson intervals (Wilson 1927), histogram of confidence below.
    """
    heading = title or "Reliability" + ("" if ece is None else f": calibration error {ece:.3f}")
    figure, (axes, below) = two_rows(heading)
    filled = np.asarray(count) > 0
    x, y, n = (np.asarray(values, float)[filled] for values in (confidence, accuracy, count))
    ends = [wilson(float(share), float(size)) for share, size in zip(y, n, strict=True)]
    low, high = np.array(ends).reshape(-1, 2).T
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.5, label="perfect calibration")
    axes.vlines(x, np.minimum(x, y), np.maximum(x, y), color=VERMILION, linewidth=9, alpha=0.35, label="gap")
    axes.errorbar(
        x, y, yerr=(y - low, high - y), color=BLUE, marker="o", markersize=7, linewidth=1.8, capsize=3,
        label="this model (95 % interval)",
    )  # fmt: skip
    left = max(0.0, float(x.min()) - 0.05) if len(x) else 0.0
    axes.set(xlim=(left, 1.01), ylim=(min(left, float(low.min()) - 0.03 if len(low) else 0.0), 1.02))
    axes.set_ylabel("share right", color=INK, fontsize=12)
    axes.yaxis.set_major_formatter(percent())
    axes.legend(loc="best", frameon=False, fontsize=11)
    width = 0.7 * (1 - left) / max(len(np.asarray(count)), 1)
    below.bar(x, n, width=width, color=SKY)
    below.set_ylabel("items", color=INK, fontsize=12)
    below.set_xlabel("confidence: probability of the predicted class", color=INK, fontsize=12)
    below.xaxis.set_major_formatter(percent())
    if not len(x):
        empty(axes, "no labelled item to measure on")
    return figure


def _cell(axes: Axes, row: int, column: int, count: int, share: float, *, many: bool) -> None:
    axes.text(
        column, row, f"{count:,}" if many else f"{count:,}\n{share:.1%}", ha="center", va="center",
        color="white" if share > 0.55 else INK, fontsize=7 if many else 12,
    )  # fmt: skip


def _most_confused(counts: Array, names: list[str]) -> tuple[Array, list[str]]:
    if len(names) <= SHOWN_CLASSES:
        return counts, names
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    keep = np.sort(np.argsort(-errors, kind="stable")[: SHOWN_CLASSES - 1])
    groups = np.full(len(names), len(keep))
    groups[keep] = np.arange(len(keep))
    joined = np.zeros((len(keep) + 1, len(keep) + 1), counts.dtype)
    np.add.at(joined, (groups[:, None], groups[None, :]), counts)
    return joined, [names[position] for position in keep] + [OTHERS]


def _blues() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("white-blue", ["#FFFFFF", SKY, BLUE])
