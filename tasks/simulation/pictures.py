"""The arms of a simulation side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import GREY, INK, LIGHT, SERIES, canvas, short, thousands
from tasks.simulation.analysis import Finding
from tasks.simulation.arm import Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS, _STYLES = "osD^vPX", ("-", "--", "-.", ":")
_BANDS = 3  # arms beside random whose bands can still be told apart
_STROKE = "#AAAAAA"
_ROW = 0.45  # inches an arm in the picture of differences


def learning_curves(findings: Sequence[Finding], full: float, title: str) -> Figure:
    """Draw the arms' mean curves with their 95 % bands, and what the whole pool's labels give the baseline's model.

    Where there are many arms only the first and the baseline have bands.

    Returns
    -------
    Figure
        900 x 600 pixels; the baseline is grey and dashed, the others are told apart by colour, marker and line.
    """
    metric = findings[0].arm.metric
    figure, axes = canvas(title, "labels in hand (count)", metric)
    base = baseline_of(findings)
    others = [finding.arm for finding in findings if finding.arm is not base]
    few = len(others) <= _BANDS
    for place, arm in enumerate(others):
        turn, colour = divmod(place, len(SERIES))
        style = _STYLES[turn % len(_STYLES)]
        _curve(axes, arm, SERIES[colour], _MARKERS[colour], style, band=few or place == 0)
    _curve(axes, base, GREY, ".", "--", band=True)
    several = len({finding.arm.treatment.model for finding in findings}) > 1
    whose = f", {short(base.treatment.model, 30)}" if several else ""
    if np.isfinite(full):
        axes.axhline(full, color=INK, linestyle=":", linewidth=1.2)
        axes.annotate(
            f"all labels of the pool{whose} {full:.3f}", (0.01, full), xycoords=("axes fraction", "data"),
            xytext=(0, 3), textcoords="offset points", color=GREY, fontsize=11,
        )  # fmt: skip
    axes.xaxis.set_major_formatter(thousands())
    bands = "95 % bands" if few else f"95 % bands of\nthe first and {short(base.name, 20)}"
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=11, title=bands)
    return figure


def differences(findings: Sequence[Finding], title: str) -> Figure:
    """Draw each arm's difference to the baseline in area under the curve: mean, 95 % interval, and every repeat.

    Returns
    -------
    Figure
        900 pixels wide; best arm on top. What crosses the line at 0 is not sure.
    """
    base = baseline_of(findings)
    shown = sorted(
        (finding for finding in findings if finding.arm is not base),
        key=lambda finding: finding.against[base.name].mean,
    )
    height = min(9.0, max(3.4, 2.2 + _ROW * len(shown)))
    axis = (
        f"gain over {short(base.name, 40)}\n"
        f"area under the curve of {base.metric}, right of 0: better\n"
        "bars: 95 % interval; strokes: repeats"
    )
    figure, axes = canvas(title, axis, "", (9, height))
    axes.axvline(0, color=GREY, linewidth=1.2)
    for place, finding in enumerate(shown):
        against = finding.against[base.name]
        sure = against.better or against.worse
        colour = SERIES[0] if against.better else SERIES[5] if against.worse else GREY
        each = base.sign * (np.array(finding.arm.aubc) - np.array(base.aubc))
        axes.plot(each, np.full(len(each), place), "|", color=_STROKE, markersize=14, markeredgewidth=2)
        if against.low is not None and against.high is not None:
            axes.hlines(place, against.low, against.high, color=colour, linewidth=2.5)
        axes.plot(against.mean, place, "o" if sure else "s", color=colour, markersize=8)
    axes.set_yticks(range(len(shown)), [short(finding.arm.name, 34) for finding in shown])
    axes.set_ylim(-0.7, max(len(shown) - 0.3, 0.7))
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=LIGHT, linewidth=0.8)
    return figure


def baseline_of(findings: Sequence[Finding]) -> Arm:
    """Give the arm that the others are measured against."""
    return next(finding.arm for finding in findings if finding.arm.name == finding.baseline)


def _curve(axes: Axes, arm: Arm, colour: str, marker: str, style: str, *, band: bool) -> None:
    if band:
        low, high = arm.band
        axes.fill_between(arm.labels, low, high, color=colour, alpha=0.14, linewidth=0)
    every = max(1, len(arm.labels) // 12)
    axes.plot(
        arm.labels, arm.mean, color=colour, marker=marker, markersize=6, markevery=every, linestyle=style,
        linewidth=2, label=short(arm.name, 30),
    )  # fmt: skip
