"""Where the campaign stands: the present model's loss as a distribution, from few labels and its own word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.estimate import LOSSES, Estimate
from tasks.evaluation.intervals import wilson

Doubles = NDArray[np.float64]

SMALLEST = 1e-3
"""Added to a loss before its logarithm is taken: below it nothing is told apart."""
# Scale of a t distribution: of the logarithm of what a model expects of its own loss against the true one; on simulated
# campaigns .1 to .8, the more the fewer errors are left.
_OWN_WORD = 0.5
_DEGREES = 4.0
# In nats: no log-loss is thought to be higher.
_HIGHEST = 5.0
# Of what is no share of items a few rare ones decide much, and intervals by resampling are too narrow then.
_WORTH = 0.5
_GRID = np.linspace(np.log(1e-4), np.log(20.0), 600)
_Z95 = 1.959963984540054


def loss_of(metric: str, value: float) -> float:
    """Turn a metric into a loss: as it is, or 1 less it."""
    return value if metric in LOSSES else 1.0 - value


def evidence_items(metric: str, found: Estimate) -> float:
    """Give how many independent items an estimate's interval is worth, at most as many as it was measured on.

    Of a share it is the number of which Wilson's interval (1927) is as wide; of the log-loss, a number of like errors
    whose count varies as much.
    """
    loss, width = loss_of(metric, found.value), found.high - found.low
    if found.n < 1 or not np.isfinite(loss) or not np.isfinite(width) or width <= 0:
        return 0.0
    if metric == "log_loss":
        return float(min(_WORTH * found.n, (2 * _Z95 * max(loss, SMALLEST) / width) ** 2))
    low, high = 1e-3, float(found.n if metric == "accuracy" else _WORTH * found.n)
    for _ in range(40):
        middle = (low + high) / 2
        ends = wilson(min(max(loss, 0.0), 1.0), middle)
        low, high = (middle, high) if ends[1] - ends[0] > width else (low, middle)
    return high


def likelihood(metric: str, found: Estimate, loss: Doubles) -> Doubles:
    """Give the logarithm of how probable an estimate is at true losses, up to a constant, float64 like `loss`."""
    seen = loss_of(metric, found.value)
    if found.n < 1 or np.isnan([seen, found.low, found.high]).any():
        return np.zeros_like(loss)
    if metric == "accuracy":
        size = evidence_items(metric, found)
        with np.errstate(divide="ignore"):
            return np.asarray(
                size * (seen * np.log(loss) + (1 - seen) * np.log1p(-np.minimum(loss, 1 - 1e-9)))
            )
    low, high = sorted((loss_of(metric, found.low), loss_of(metric, found.high)))
    off = np.log((loss + SMALLEST) / (seen + SMALLEST))
    below = np.log((seen + SMALLEST) / (low + SMALLEST)) / _Z95
    above = np.log((min(high, _HIGHEST) + SMALLEST) / (seen + SMALLEST)) / _Z95
    spread = np.maximum(np.where(off < 0, below, above), 1 / np.sqrt(4 * found.n))
    return np.asarray(-0.5 * np.square(off / spread))


def level_draws(metric: str, found: Estimate, expected: float | None, at: Doubles) -> Doubles:
    """Draw the true loss of the present model.

    Parameters
    ----------
    metric : str
    found : Estimate
        Of the audit.
    expected : float or None
        What the model's own probabilities expect of its loss on unlabelled items.
    at : float64 (d,)
        Places between 0 and 1 to give quantiles of.

    Returns
    -------
    float64 (d,)
    """
    loss = np.exp(_GRID)
    told = likelihood(metric, found, loss)
    if expected is not None and np.isfinite(expected):
        off = (np.log(loss + SMALLEST) - np.log(expected + SMALLEST)) / _OWN_WORD
        told = told - (_DEGREES + 1) / 2 * np.log1p(np.square(off) / _DEGREES)
    elif metric == "accuracy":
        # Jeffreys' prior of a share, on the logarithm.
        told = told + 0.5 * _GRID + 0.5 * np.log1p(-np.minimum(loss, 1 - 1e-9))
    if metric != "log_loss":
        told = np.where(loss < 1, told, -np.inf)
    mass = np.exp(told - told.max())
    below = np.cumsum(mass) - 0.5 * mass
    return np.asarray(np.exp(np.interp(at, below / mass.sum(), _GRID)))
