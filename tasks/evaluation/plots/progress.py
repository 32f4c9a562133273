"""What the labels bought, and what they cost: pictures over the rounds of a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import (
    BLUE,
    GREY,
    ORANGE,
    VERMILION,
    Array,
    canvas,
    empty,
    largest,
    note,
    percent,
    stack,
    thousands,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Curve:
    """Points of a learning curve.

    Attributes
    ----------
    labels
        Labels in hand, shape (n,), in any order.
    value, low, high
        Estimate and ends of its interval, each of shape (n,).
    name
        What the legend says.
    """

    labels: Array
    value: Array
    low: Array
    high: Array
    name: str = ""

    def sorted(self) -> Curve:
        """Return the points in order of labels."""
        order = np.argsort(self.labels, kind="stable")
        labels, value, low, high = (
            np.asarray(column)[order] for column in (self.labels, self.value, self.low, self.high)
        )
        return Curve(labels, value, low, high, self.name)


def learning_curve(
    points: Curve,
    *,
    measure: str = "accuracy",
    baseline: Curve | None = None,
    budget: int | None = None,
    title: str = "",
) -> Figure:
    """Draw what the labels bought: a measure over the number of labels.

    Parameters
    ----------
    points
        The campaign's rounds.
    measure
        Name of the measure, for the axis.
    baseline
        The same for another way of choosing, such as random; drawn dashed.
    budget
        Labels that the campaign may buy; the axis reaches up to it.
    title
        Heading; by default the measure and its newest estimate.

    Returns
    -------
    Figure
        900 x 600 pixels.
    """
    curve = points.sorted()
    figure, axes = canvas(title or _newest(curve, measure), "labels in hand (count)", measure)
    if baseline is not None:
        _curve(axes, baseline.sorted(), ORANGE, "s", "--", baseline.name or "baseline")
    _curve(axes, curve, BLUE, "o", "-", points.name or "this campaign")
    shown = [one for one in (curve, baseline) if one is not None and len(one.labels)]
    right = max([int(one.labels.max()) for one in shown] + [budget or 0, 1])
    axes.set_xlim(0, right * 1.06)
    if budget is not None:
        axes.axvline(budget, color=GREY, linestyle=":", linewidth=1.5)
        note(axes, budget, 0.02, f"budget {budget:,} ", ha="right")
    if len(curve.labels):
        axes.legend(loc="lower center", frameon=False, fontsize=11, ncols=2, title="bands: 95 % interval")
    else:
        empty(axes, "no round has been measured yet")
    return figure


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


def _curve(axes: Axes, curve: Curve, colour: str, marker: str, style: str, name: str) -> None:
    axes.fill_between(curve.labels, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    axes.vlines(curve.labels, curve.low, curve.high, color=colour, alpha=0.45, linewidth=1.2)
    axes.plot(
        curve.labels, curve.value, color=colour, marker=marker, markersize=6, linestyle=style,
        linewidth=2.2, label=name,
    )  # fmt: skip


def _newest(curve: Curve, measure: str) -> str:
    if not len(curve.labels):
        return f"Learning curve: {measure}"
    value, low, high = (float(column[-1]) for column in (curve.value, curve.low, curve.high))
    return (
        f"Learning curve: {measure} {value:.3f} [{low:.3f}, {high:.3f}] at {int(curve.labels[-1]):,} labels"
    )
