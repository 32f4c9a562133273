"""What a forecast is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.estimate import Estimate
from tasks.evaluation.forecast.expected import expected_loss, known

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A round.

    Attributes
    ----------
    labels : int
        That its model was trained on.
    estimate : Estimate
        Of the metric, on the audit items known then; its interval is one of 95 %.
    """

    labels: int
    estimate: Estimate


@dataclass(frozen=True)
class Weaker:
    """How much worse a model of fewer labels is, told without labels.

    Attributes
    ----------
    labels : int
    excess : float
        Loss beyond the present model's, both expected by the present model's probabilities.
    """

    labels: int
    excess: float


@dataclass(frozen=True)
class Evidence:
    """What is known of a campaign.

    Attributes
    ----------
    metric : str
        Of `tasks.evaluation.METRICS`, or another one between 0 and 1 where more is better.
    history : tuple of Point
        One a round, the first round first; the last is the present model's.
    expected : float, optional
        The present model's loss as its own probabilities expect it on a random sample of the pool.
    weaker : tuple of Weaker
        Models of random subsets of the labels in hand, and those of earlier rounds.
    """

    metric: str
    history: tuple[Point, ...]
    expected: float | None = None
    weaker: tuple[Weaker, ...] = ()

    @property
    def labels(self) -> int:
        """Labels that the present model was trained on."""
        return self.history[-1].labels


def gathered(
    metric: str,
    history: tuple[Point, ...],
    pool: NDArray[np.floating] | None = None,
    others: tuple[tuple[int, NDArray[np.floating]], ...] = (),
) -> Evidence:
    """Measure on unlabelled items what a forecast needs.

    Parameters
    ----------
    metric : str
    history : tuple of Point
    pool : float (m, c), optional
        What the present model says of a random sample of the pool; 2,000 items are enough.
    others : tuple of (labels, float (m, c))
        What models of fewer labels say of the same items: those of `subsets`, and the last two rounds'.
    """
    if pool is None or not len(pool) or not known(metric) or not history:
        return Evidence(metric, history)
    base = expected_loss(metric, pool, pool)
    if not np.isfinite(base):
        return Evidence(metric, history)
    weaker = [
        Weaker(labels, expected_loss(metric, pool, said) - base)
        for labels, said in others
        if 0 < labels < history[-1].labels
    ]
    return Evidence(metric, history, base, tuple(one for one in weaker if np.isfinite(one.excess)))
