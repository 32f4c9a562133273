"""What the labels bought, and what the next ones promise: the learning curve with its forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    Array,
    canvas,
    empty,
    note,
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
        Estimate and ends of its interval, each of shape (n,); NaN where an end is not known.
    name
        What the legend says.
    """

    labels: Array
    value: Array
    low: Array
    high: Array
    name: str = ""

    def sorted(self) -> Curve:
        """Return the points that have a value, in order of labels."""
        columns = [np.asarray(column, float) for column in (self.labels, self.value, self.low, self.high)]
        order = np.argsort(columns[0], kind="stable")
        order = order[np.isfinite(columns[1][order])]
        labels, value, low, high = (column[order] for column in columns)
        return Curve(labels, value, low, high, self.name)


def learning_curve(
    points: Curve,
    *,
    measure: str = "accuracy",
    baseline: Curve | None = None,
    forecast: Curve | None = None,
    wanted: Sequence[tuple[float, str]] = (),
    target: float | None = None,
    budget: int | None = None,
    title: str = "",
) -> Figure:
    """Draw what the labels bought: a measure over the number of labels, and what more labels promise.

    Parameters
    ----------
    points
        The campaign's rounds.
    measure
        Name of the measure, for the axis.
    baseline
        The same for another way of choosing, such as random; drawn dashed.
    forecast
        What is expected of more labels, with its 90 % interval: a fan that opens at the newest point.
    wanted
        Numbers of labels that the forecast is asked for, and what each stands for, such as "next batch".
    target
        Where the campaign stops.
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
    if forecast is not None:
        _fan(axes, curve, forecast.sorted(), wanted)
    _curve(axes, curve, BLUE, "o", "-", points.name or "this campaign")
    shown = [one.labels.max() for one in (curve, baseline, forecast) if one is not None and len(one.labels)]
    right = max([*map(float, shown), float(budget or 0), 1.0])
    axes.set_xlim(0, right * 1.06)
    axes.xaxis.set_major_formatter(thousands())
    if budget is not None:
        axes.axvline(budget, color=GREY, linestyle=":", linewidth=1.5)
        note(axes, budget, 0.02, f"budget {budget:,} ", ha="right")
    if target is not None:
        axes.axhline(target, color=GREEN, linestyle="-.", linewidth=1.8, label=f"target {target:g}")
    if len(curve.labels):
        bands = "bands: 95 % interval" + ("; fan: 90 % of the forecast" if forecast is not None else "")
        figure.legend(loc="outside lower center", frameon=False, fontsize=11, ncols=4, title=bands)
    else:
        empty(axes, "no round has been measured yet")
    return figure


def _curve(axes: Axes, curve: Curve, colour: str, marker: str, style: str, name: str) -> None:
    axes.fill_between(curve.labels, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    axes.vlines(curve.labels, curve.low, curve.high, color=colour, alpha=0.45, linewidth=1.2)
    axes.plot(
        curve.labels, curve.value, color=colour, marker=marker, markersize=6, linestyle=style,
        linewidth=2.2, label=name,
    )  # fmt: skip


def _fan(axes: Axes, curve: Curve, ahead: Curve, wanted: Sequence[tuple[float, str]]) -> None:
    """Draw the forecast from the newest point on; in a fan of one point the line to it is all there is."""
    start = float(curve.labels[-1]) if len(curve.labels) else -np.inf
    keep = ahead.labels >= start
    labels, value, low, high = (column[keep] for column in (ahead.labels, ahead.value, ahead.low, ahead.high))
    if not len(labels):
        return
    if len(curve.labels) and labels[0] > start:
        newest = float(curve.value[-1])
        labels = np.r_[start, labels]
        value, low, high = (np.r_[newest, column] for column in (value, low, high))
    axes.fill_between(labels, low, high, color=VERMILION, alpha=0.15, linewidth=0)
    axes.plot(labels, value, color=VERMILION, linestyle=(0, (2, 1.5)), linewidth=2.2, label="forecast")
    # The first of several names of one number of labels; below and above in turn, so that they do not meet.
    names = dict(reversed(wanted))
    for place, (at, name) in enumerate(sorted(names.items())):
        if labels[0] <= at <= labels[-1]:
            above = place % 2 == 1
            expected = float(np.interp(at, labels, value))
            lower, upper = (float(np.interp(at, labels, column)) for column in (low, high))
            axes.vlines(at, lower, upper, color=VERMILION, linewidth=1.6)
            axes.plot(at, expected, marker="D", markersize=7, color=VERMILION)
            axes.annotate(
                f"{name}\n{expected:.3f}", (at, upper if above else lower), xytext=(0, 6 if above else -6),
                textcoords="offset points", ha="center", va="bottom" if above else "top", color=VERMILION,
                fontsize=10,
            )  # fmt: skip


def _newest(curve: Curve, measure: str) -> str:
    if not len(curve.labels):
        return f"Learning curve: {measure}"
    value, low, high = (float(column[-1]) for column in (curve.value, curve.low, curve.high))
    return (
        f"Learning curve: {measure} {value:.3f} [{low:.3f}, {high:.3f}] at {int(curve.labels[-1]):,} labels"
    )
