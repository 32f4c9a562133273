"""What the labels cost: spend by vendor, and the budget as it burns down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import (
    BLUE,
    GREY,
    INK,
    VERMILION,
    Array,
    canvas,
    largest,
    stack,
    thousands,
    two_rows,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def spend(
    spent: Array,
    vendors: Sequence[str],
    *,
    rounds: Sequence[int] | None = None,
    budget: float | None = None,
    currency: str = "EUR",
    title: str = "",
) -> Figure:
    """Draw the money spent up to each round, by vendor, against the budget.

    Parameters
    ----------
    spent
        Money by round and vendor, shape (r, v), each round's own.
    vendors
        Names of the vendors; beyond seven the smallest are joined as "(others)".
    rounds
        Numbers of the rounds, shape (r,); 1 to r by default.
    budget
        Money that the campaign may spend.
    currency
        Code for the axis.
    title
        Heading; by default it says how much is spent.

    Returns
    -------
    Figure
        900 x 600 pixels.
    """
    table, names = largest(np.asarray(spent, float), list(vendors))
    total = float(table.sum())
    heading = title or f"Spend: {total:,.2f} {currency}" + (f" of {budget:,.2f}" if budget else "")
    figure, axes = canvas(heading, "round", f"spent so far ({currency})")
    numbers = list(range(1, len(table) + 1)) if rounds is None else list(rounds)
    stack(axes, numbers, np.cumsum(table, axis=0), names)
    axes.set_ylim(0, max(total, budget or 0.0, 1e-9) * 1.12)
    axes.yaxis.set_major_formatter(thousands())
    if budget:
        axes.axhline(budget, color=VERMILION, linestyle="--", linewidth=2)
        axes.annotate(
            f"budget {budget:,.2f} {currency}", (0.01, budget), xycoords=("axes fraction", "data"),
            xytext=(0, 4), textcoords="offset points", color=VERMILION, fontsize=11,
        )  # fmt: skip
    return figure


def burn_down(
    spent: Array,
    kinds: Sequence[str],
    *,
    rounds: Sequence[int],
    budget: float | None,
    held: float = 0.0,
    currency: str = "EUR",
) -> Figure:
    """Draw what is left of the budget after each round, and below what each round cost, by kind.

    Parameters
    ----------
    spent
        Money by round and kind of task, shape (r, k), each round's own.
    kinds
        Names of the kinds: work, audit, gold, overlap; beyond seven the smallest are joined as "(others)".
    rounds
        Numbers of the rounds, shape (r,).
    budget
        Money that the campaign may spend; None without a limit: then what is spent so far is drawn above.
    held
        Money reserved for tasks that are not answered yet.
    currency
        Code for the axes.

    Returns
    -------
    Figure
        900 x 600 pixels.
    """
    table, names = largest(np.asarray(spent, float), list(kinds))
    so_far = np.cumsum(table.sum(axis=1))
    total = float(so_far[-1]) if len(so_far) else 0.0
    figure, (top, below) = two_rows(_left(budget, total, held, currency), ratio=(3, 2))
    numbers = list(rounds)
    line = so_far if budget is None else budget - so_far
    # Before the first round nothing is spent: the line begins at the whole budget.
    start = (numbers[0] - 1, 0.0 if budget is None else budget) if numbers else (0, budget or 0.0)
    top.plot(
        [start[0], *numbers], [start[1], *line], color=BLUE, marker="o", markersize=6, linewidth=2.2,
        drawstyle="steps-post", label="spent so far" if budget is None else "left",
    )  # fmt: skip
    if budget is not None and held and numbers:
        top.vlines(
            numbers[-1], line[-1] - held, line[-1], color=VERMILION, linewidth=6, alpha=0.5,
            label=f"held for tasks that are out: {held:,.2f}",
        )  # fmt: skip
    top.set_ylim(min(0.0, float(line.min()) if len(line) else 0.0), max(budget or total, 1e-9) * 1.08)
    top.set_ylabel(currency, fontsize=12, color=INK)
    top.yaxis.set_major_formatter(thousands())
    top.axhline(0, color=GREY, linewidth=1)
    top.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=11, borderaxespad=0)
    stack(below, numbers, table, names)
    below.set_ylabel(f"a round ({currency})", fontsize=12, color=INK)
    below.set_xlabel("round", fontsize=12, color=INK)
    below.yaxis.set_major_formatter(thousands())
    return figure


def _left(budget: float | None, total: float, held: float, currency: str) -> str:
    if budget is None:
        return f"Spent: {total:,.2f} {currency}, no limit set"
    return f"Budget: {budget - total - held:,.2f} of {budget:,.2f} {currency} left to plan with"
