"""How the pool was scored and where the batch was cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.plots.drawing import (
    SKY,
    VERMILION,
    Array,
    canvas,
    empty,
    thousands,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def score_histogram(
    scores: Array, cut: float | None, *, measure: str = "score", batch: int | None = None, title: str = ""
) -> Figure:
    """Draw how the pool's scores are spread and where the batch was cut off.

    Parameters
    ----------
    scores
        Scores of the pool or of a uniform sample of it, shape (n,); higher is more worth labeling.
    cut
        Lowest score in the batch; None when scores did not decide (cold start, random).
    measure
        Name of the score and its unit: ``"margin"``, ``"entropy (nats)"``.
    batch
        Number of items chosen, for the legend.
    title
        Heading.

    Returns
    -------
    Figure
        900 x 600 pixels; counts on a logarithmic axis, because few items are uncertain.
    """
    values = np.asarray(scores, float)
    values = values[np.isfinite(values)]
    heading = title or f"Scores of the pool: {len(values):,} items"
    figure, axes = canvas(heading, f"{measure}: higher is more worth labeling", "items (log scale)")
    if not len(values):
        empty(axes, "no scores: the batch was chosen without a model")
        return figure
    low, high = values.min(), values.max()
    if high - low < 1e-9:  # all the same: one bar in the middle
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 51)
    heights, _ = np.histogram(values, edges)
    width = edges[1] - edges[0]
    axes.bar(edges[:-1] + width / 2, heights, width=width * 0.92, color=SKY, label="pool")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.7, top=max(heights.max(), 1) * 3)
    axes.yaxis.set_major_formatter(thousands())
    if cut is not None:
        share = float((values >= cut).mean())
        chosen = "batch" if batch is None else f"batch of {batch:,}"
        axes.axvline(cut, color=VERMILION, linewidth=2)
        axes.axvspan(
            min(cut, edges[-1]),
            edges[-1] + width,
            color=VERMILION,
            alpha=0.15,
            linewidth=0,
            label=f"{chosen}: score from {cut:.4g} on, top {share:.2%}",
        )
    axes.set_xlim(
        min(edges[0], edges[0] if cut is None else cut) - width, max(edges[-1], cut or edges[-1]) + width
    )
    axes.legend(loc="upper right", facecolor="white", edgecolor="none", framealpha=0.95, fontsize=11)
    return figure
