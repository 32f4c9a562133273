"""The constants of the forecast, found on simulated campaigns whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.forecast.curve import Bend, slope_of_models, slope_of_rounds
from tasks.evaluation.forecast.draws import DEGREES
from tasks.evaluation.forecast.evidence import Evidence
from tasks.evaluation.forecast.level import SMALLEST, level_draws

Doubles = NDArray[np.float64]

# Log-likelihood that each doubling of a constant costs: a handful of campaigns moves nothing far.
_CAUTION = 0.5
# No two trainings differ by less.
_LEAST_NOISE = 0.05
_START = Bend(start=0.1, share=0.7, fading=1.5, noise=0.12, doubt=0.4)


@dataclass(frozen=True)
class Case:
    """A forecast whose outcome is known.

    Attributes
    ----------
    group : str
        The data set; each counts the same.
    evidence : Evidence
    labels : int
        Of the model that came.
    now, then : float
        The true losses.
    """

    group: str
    evidence: Evidence
    labels: int
    now: float
    then: float


def tuned(cases: Sequence[Case]) -> Bend:
    """Find the constants under which what came is most probable.

    Parameters
    ----------
    cases : sequence of Case
        All with models of fewer labels, or all without.
    """
    from scipy.optimize import minimize

    slope, loss, labels, ahead, fell, weight = _columns(cases)
    start = np.log(astuple(_START))

    def cost(logs: Doubles) -> float:
        bend = _bend(logs)
        fall = bend.fall(slope, ahead)
        spread = bend.spread(fall, loss, labels, ahead)
        told = np.log(spread) + (DEGREES + 1) / 2 * np.log1p(((fell - fall) / spread) ** 2 / DEGREES)
        return float(weight @ told + _CAUTION * np.square(logs - start).sum() / np.log(2) ** 2)

    found = minimize(cost, start, method="Nelder-Mead", options={"maxiter": 2_000, "xatol": 1e-3})
    return Bend(*(round(one, 3) for one in astuple(_bend(found.x))))


def _bend(logs: Doubles) -> Bend:
    found = Bend(*np.exp(logs).tolist())
    return replace(found, noise=max(found.noise, _LEAST_NOISE))


def _columns(cases: Sequence[Case]) -> tuple[Doubles, ...]:
    slope, loss, ahead, fell = [], [], [], []
    for case in cases:
        evidence = case.evidence
        level = level_draws(
            evidence.metric, evidence.history[-1].estimate, evidence.expected, np.array([0.5])
        )
        loss.append(float(level[0]))
        found = slope_of_models(evidence.weaker, evidence.labels, level)
        slope.append(slope_of_rounds(evidence.metric, evidence.history) if found is None else float(found[0]))
        ahead.append(np.log(case.labels / evidence.labels))
        fell.append(np.log((case.now + SMALLEST) / (case.then + SMALLEST)))
    groups = np.array([case.group for case in cases])
    _, place, count = np.unique(groups, return_inverse=True, return_counts=True)
    # As if each group had as many cases as there are on average.
    weight = len(cases) / len(count) / count[place]
    labels = np.array([case.evidence.labels for case in cases], np.float64)
    return np.array(slope), np.array(loss), labels, np.array(ahead), np.array(fell), weight
