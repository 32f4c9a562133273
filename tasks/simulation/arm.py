"""The campaigns of one arm, and their mean curve."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation import LOSSES, area_under_curve, labels_to_reach
from tasks.simulation.paired import mean_interval
from tasks.simulation.run import Curve
from tasks.simulation.treatment import Treatment

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """The campaigns of one treatment.

    Attributes
    ----------
    name : str
        For people.
    treatment : Treatment
    curves : tuple of Curve
        One a repeat, in order; all with the same labels.
    metric : str
        The one that is reported.
    """

    name: str
    treatment: Treatment
    curves: tuple[Curve, ...]
    metric: str

    @property
    def labels(self) -> list[int]:
        """Labels in hand at each step."""
        return self.curves[0].labels

    @property
    def metrics(self) -> list[str]:
        """Names of all that was measured."""
        return list(self.curves[0].metrics)

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the metric is better."""
        return self.metric not in LOSSES

    @property
    def sign(self) -> float:
        """What turns the metric into more is better: 1 or -1."""
        return 1.0 if self.higher_is_better else -1.0

    def values(self, metric: str) -> Doubles:
        """Give a metric, float64 (repeats, steps)."""
        return np.array([curve.metrics[metric] for curve in self.curves], np.float64)

    @cached_property
    def mean(self) -> Doubles:
        """The mean curve of the metric, float64 (steps,)."""
        return mean_over_repeats(self.values(self.metric))

    @cached_property
    def band(self) -> tuple[Doubles, Doubles]:
        """95 % interval of the mean curve over the repeats; NaN where there are fewer than two."""
        return mean_interval(self.values(self.metric))

    @cached_property
    def aubc(self) -> list[float]:
        """Area under each repeat's curve of the metric, over the labels it spans."""
        return [area_under_curve(self.labels, row) for row in self.values(self.metric)]

    @property
    def seconds_select(self) -> float:
        """Mean processor time of one choice."""
        return float(np.mean([curve.seconds_select for curve in self.curves]))

    @property
    def seconds_train(self) -> float:
        """Mean processor time of one step's training."""
        return float(np.mean([curve.seconds_train for curve in self.curves]))

    @property
    def kinds(self) -> dict[str, int]:
        """How many models were of each kind, the commonest first."""
        return dict(Counter(kind for curve in self.curves for kind in curve.kinds).most_common())

    def labels_to(self, target: float) -> float | None:
        """Labels at which the mean curve first reaches a level; None when it does not."""
        return labels_to_reach(
            self.labels, self.mean.tolist(), target, higher_is_better=self.higher_is_better
        )


def mean_over_repeats(values: Doubles) -> Doubles:
    """Average over the first axis; where a repeat has no value, over the rest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no repeat has one: the mean is NaN
        return np.asarray(np.nanmean(values, axis=0))
