"""Where a rule stops simulated campaigns, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.simulation.replay import Recorded


def stop_picture(
    campaigns: Sequence[Recorded], stops: Sequence[int], worth: float, *, rule: str, title: str
) -> Figure:
    """Draw what each campaign was worth less what it cost, and mark stops and best points.

    Parameters
    ----------
    campaigns : sequence of Recorded
    stops : sequence of int
        Step at which the rule stopped each.
    worth : float
        Labels that .01 of the metric is worth.
    rule, title : str

    Returns
    -------
    Figure
        900 x 600 pixels.
    """
    from tasks.evaluation.plots.drawing import BLUE, GREY, LIGHT, VERMILION, canvas, thousands
    from tasks.simulation.replay import utility

    figure, axes = canvas(title, "labels bought (count)", "less than the best point (labels)")
    # Campaigns that stop alike lie beside each other.
    aside = np.linspace(-0.2, 0.2, len(campaigns)) * np.diff(campaigns[0].labels).mean()
    for at, one, offset in zip(stops, campaigns, aside.tolist(), strict=True):
        value = utility(one, worth)
        lost = value - value.max()
        axes.plot(one.labels, lost, color=LIGHT, linewidth=1, zorder=1)
        axes.plot(one.labels[at] + offset, lost[at], "o", color=VERMILION, markersize=7, alpha=0.7, zorder=3)
    best = np.array([int(one.labels[utility(one, worth).argmax()]) for one in campaigns])
    labels, count = np.unique(best, return_counts=True)
    axes.scatter(labels, np.zeros(len(labels)), s=30 + 25 * count, color=BLUE, alpha=0.5, zorder=2)
    for name, colour in (
        (f"stop by {rule}", VERMILION),
        ("best in hindsight, larger for more campaigns", BLUE),
    ):
        axes.plot([], [], "o", color=colour, label=name)
    axes.plot([], [], color=GREY, label="one campaign")
    worst = float(min((utility(one, worth) - utility(one, worth).max())[-1] for one in campaigns))
    axes.set_ylim(min(1.15 * worst, -1.0), max(-0.08 * worst, 1.0))
    axes.xaxis.set_major_formatter(thousands())
    axes.legend(loc="upper right", frameon=False, fontsize=11)
    return figure
