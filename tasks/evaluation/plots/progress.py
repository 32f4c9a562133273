"""Which classes the labels of each round brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import GREY, Array, canvas, largest, percent, stack

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def class_balance(
    counts: Array, classes: Sequence[str], *, rounds: Sequence[int] | None = None, title: str = ""
) -> Figure:
    """Draw the shares of the classes among the labels that each round brought.

    Parameters
    ----------
    counts
        Labels by round and class, shape (r, c).
    classes
        Names of the classes; beyond seven the rarest are joined as "(others)".
    rounds
        Numbers of the rounds, shape (r,); 1 to r by default.
    title
        Heading.

    Returns
    -------
    Figure
        900 x 600 pixels.
    """
    table, names = largest(np.asarray(counts, float), list(classes))
    totals = table.sum(axis=1)
    shares = table / np.maximum(totals, 1)[:, None]
    numbers = list(range(1, len(table) + 1)) if rounds is None else list(rounds)
    figure, axes = canvas(title or "Classes among the labels of each round", "round", "share of labels")
    stack(axes, numbers, shares, names)
    axes.set_ylim(0, 1.08)
    axes.yaxis.set_major_formatter(percent())
    if len(numbers) <= 20:
        for number, total in zip(numbers, totals, strict=True):
            axes.text(number, 1.015, f"{total:,.0f}", ha="center", va="bottom", color=GREY, fontsize=10)
    return figure
