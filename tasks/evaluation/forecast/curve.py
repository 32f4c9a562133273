"""How fast the loss falls with labels: the local slope of the learning curve, and how it bends.

In logarithms, loss against labels, a power law is a straight line. Curves bend towards a floor, so the slope at hand is
used for the next few labels and fades with distance: ln loss(n') = ln loss(n) - slope (1 - exp(-k h)) / k with
h = ln(n' / n). That always forecasts less than the power law does (as the under-estimating families of Mahmood et al.,
"How much more data do I need?", CVPR 2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.forecast.evidence import Point, Weaker
from tasks.evaluation.forecast.level import SMALLEST, evidence_items, loss_of

Doubles = NDArray[np.float64]

STEEPEST = 2.5
# Nearer than this share of the labels in hand a difference is mostly noise; farther off the slope is another one.
_NEAREST, _FARTHEST = 0.97, 0.5
_PRIOR_SLOPE, _PRIOR_SPREAD = 0.3, 0.3
# Two trainings differ by this much in the logarithm, beside what the audit's items do.
_TRAINING_NOISE = 0.15
# Where `Bend.noise` holds, how far other losses change it, and within what growth of the labels it comes up.
_LABELS, _LOSS, _FEWEST_MOST, _SOON = 100.0, 0.05, (0.3, 3.0), 0.05


@dataclass(frozen=True)
class Bend:
    """The constants of the forecast, tuned on simulated campaigns: see `tasks.evaluation.forecast.tune`.

    Attributes
    ----------
    start, share : float
        The slope that is used is `start` + `share` * the slope that was measured.
    fading : float
        k of the module's formula.
    noise : float
        Standard deviation in the logarithm of the loss however far ahead, as two trainings on 100 labels with a loss of
        .05 differ. The fewer labels, and the fewer errors, the more a handful of items decides.
    doubt : float
        Standard deviation of the fall, as a share of it.
    """

    start: float
    share: float
    fading: float
    noise: float
    doubt: float

    def fall(self, slope: Doubles, ahead: Doubles | float) -> Doubles:
        """Give by how much the logarithm of the loss falls over `ahead`, the logarithm of the labels' growth."""
        used = self.start + self.share * slope
        return np.asarray(used * -np.expm1(-self.fading * ahead) / self.fading)

    def spread(
        self, fall: Doubles, loss: Doubles, labels: Doubles | float, ahead: Doubles | float
    ) -> Doubles:
        """Give the standard deviation of the fall; 0 where no label is added.

        Parameters
        ----------
        fall : float64 (d,)
        loss : float64 (d,)
            The present one.
        labels : float
            In hand.
        ahead : float
            The logarithm of their growth.
        """
        few = np.clip(np.sqrt(_LOSS / (loss + SMALLEST)), *_FEWEST_MOST)
        noise = self.noise * few * np.sqrt(-np.expm1(-ahead / _SOON) * _LABELS / labels)
        return np.asarray(np.hypot(noise, self.doubt * fall))


def slope_of_models(weaker: tuple[Weaker, ...], labels: int, loss: Doubles) -> Doubles | None:
    """Measure the slope by models of fewer labels.

    Parameters
    ----------
    weaker : tuple of Weaker
    labels : int
        Of the present model.
    loss : float64 (d,)
        What its loss may be.

    Returns
    -------
    float64 (d,) or None
        None where no model is of use.
    """
    near = [one for one in weaker if _FARTHEST * labels <= one.labels <= _NEAREST * labels]
    if not near:
        return None
    ratio = [
        np.log1p(np.maximum(one.excess, 0) / (loss + SMALLEST)) / np.log(labels / one.labels) for one in near
    ]
    return np.asarray(np.minimum(np.mean(ratio, axis=0), STEEPEST))


def slope_of_rounds(metric: str, history: tuple[Point, ...]) -> float:
    """Measure the slope by what the audit said of each round: Bayesian regression on the labels, in logarithms.

    The same audit items measure all rounds, so that their errors go up and down together; the rounds count half.
    """
    points = [point for point in history if point.labels > 0 and np.isfinite(point.estimate.value)]
    x = np.array([np.log(point.labels) for point in points])
    size = np.array([evidence_items(metric, point.estimate) for point in points])
    seen = np.array([loss_of(metric, point.estimate.value) for point in points])
    count = size * (seen if metric != "log_loss" else np.ones_like(seen)) + 0.5
    y = np.log((size * seen + 0.5) / (size + 1) if metric != "log_loss" else seen + SMALLEST)
    weight = 0.5 / (1 / count + _TRAINING_NOISE**2)
    if len(points) < 2:
        return _PRIOR_SLOPE
    x, y = x - np.average(x, weights=weight), y - np.average(y, weights=weight)
    precision = 1 / _PRIOR_SPREAD**2
    slope = (precision * _PRIOR_SLOPE - weight @ (x * y)) / (precision + weight @ (x * x))
    return float(np.clip(slope, 0.0, STEEPEST))
