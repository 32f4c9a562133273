"""What the campaign saved: the labels that random selection would have needed for the quality reached.

Models of the random labels alone (the audit's, the first ones, the random shares) show random selection's own learning
curve, without a label more: on unlabelled items the present model's probabilities say how much worse each of them is
(`tasks.evaluation.forecast.expected`). Where that curve reaches the present model's loss is read off by a power law
whose exponent is as uncertain as it was on simulated campaigns, where the random arm was run too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.evaluation.estimate import Estimate
from tasks.evaluation.forecast.draws import even, t_quantiles
from tasks.evaluation.forecast.expected import expected_loss
from tasks.evaluation.forecast.level import SMALLEST, level_draws

Doubles = NDArray[np.float64]

LEVEL = 0.9
TRIED = ("accuracy", "macro_f1", "log_loss")
"""Metrics whose intervals held on simulated campaigns; those of the AUC did not."""
FEWEST_RANDOM = 40
"""Random labels below which nothing is said."""
SHARES = (0.25, 0.4, 0.6, 0.8)
_ORDERS = 2
# Of the exponent: curves flatten, so it is less than the one of the few labels at hand. Its doubt is a factor.
_START, _SHARE, _DOUBT = 0.12, 0.45, 0.3
# An end beyond this many times the labels that the campaign trained on is too far off to be told.
FARTHEST = 10.0


@dataclass(frozen=True)
class Savings:
    """What random selection would have needed.

    Attributes
    ----------
    metric : str
    of : int
        Labels that the present model was trained on.
    low : int
        Random labels to train on that surely were needed: the lower end of the interval of 90 %.
    labels, high : int or None
        The middle, and the upper end; None where it is more than can be told.
    random : int
        Random labels that this rests on.
    """

    metric: str
    of: int
    low: int
    labels: int | None
    high: int | None
    random: int

    def sentence(self) -> str:
        """Say it."""
        for_what = f"for the {self.metric} that {self.of:,} labels reached"
        if self.labels is None:
            return f"Random selection would have needed at least {self.low:,} labels {for_what} (90 %)."
        upper = "no upper end" if self.high is None else f"at most {self.high:,}"
        return (
            f"Random selection would have needed about {self.labels:,} labels {for_what} "
            f"(90 %: at least {self.low:,}, {upper})."
        )

    def to_json(self, price: float | None = None) -> dict[str, Any]:
        """Give all by name; with the price of a label also what was saved in money, its ends rounded to cents."""
        found: dict[str, Any] = {
            "metric": self.metric, "labels": self.labels, "low": self.low, "high": self.high, "of": self.of,
            "random": self.random, "sentence": self.sentence(),
        }  # fmt: skip
        if price is not None:
            for name, labels in (("money", self.labels), ("money_low", self.low), ("money_high", self.high)):
                found[name] = None if labels is None else round((labels - self.of) * price, 2)
        return found


@dataclass(frozen=True)
class NoSavings:
    """Why nothing can be said."""

    why_not: str

    def to_json(self, price: float | None = None) -> dict[str, str]:
        """Give the reason by name."""
        return {"why_not": self.why_not}


def random_subsets(n: int, seed: int) -> list[NDArray[np.int64]]:
    """Say which of n random labels to train on: prefixes of two random orders, and all.

    Returns
    -------
    list of int64 (k,)
        Sorted positions below `n`; none where there are fewer than 40.
    """
    if n < FEWEST_RANDOM:
        return []
    rng = np.random.default_rng([seed % 2**63, n, 1])
    orders = [rng.permutation(n) for _ in range(_ORDERS)]
    parts = [np.sort(order[: round(share * n)]) for order in orders for share in SHARES]
    return [*parts, np.arange(n)]


def savings(
    metric: str,
    now: Estimate,
    of: int,
    pool: NDArray[np.floating] | None,
    trained: Sequence[tuple[int, NDArray[np.floating]]],
    *,
    level: float = LEVEL,
) -> Savings | NoSavings:
    """Estimate the random labels that would have given the present quality.

    Parameters
    ----------
    metric : str
        One of `TRIED`.
    now : Estimate
        Of the present model, by the audit.
    of : int
        Labels that it was trained on.
    pool : float (m, c) or None
        What it says of a random sample of the pool.
    trained : sequence of (labels, float (m, c))
        What models of the random labels that `random_subsets` names say of the same items.
    level : float
        Of the interval.
    """
    if reason := _why_not(metric, now, pool, trained):
        return NoSavings(reason)
    assert pool is not None
    places = even(3)
    base = expected_loss(metric, pool, pool)
    loss = level_draws(metric, now, base, places[0])
    labels = np.array([size for size, _ in trained], np.float64)
    excess = np.array([expected_loss(metric, pool, said) - base for _, said in trained])
    if not np.isfinite(excess).all() or not np.isfinite(base):
        return NoSavings(f"{metric} is not defined for models of so few random labels.")
    needed = _needed(labels, excess, loss, places)
    low, middle, high = np.quantile(needed, [(1 - level) / 2, 0.5, (1 + level) / 2])
    most = FARTHEST * of
    return Savings(
        metric, of, int(min(low, most)),
        None if middle > most else round(middle), None if high > most else int(np.ceil(high)), int(labels.max()),
    )  # fmt: skip


def _why_not(
    metric: str,
    now: Estimate,
    pool: NDArray[np.floating] | None,
    trained: Sequence[tuple[int, NDArray[np.floating]]],
) -> str | None:
    if metric not in TRIED:
        return f"Savings are told in {', '.join(TRIED)}; for {metric} their intervals are not known to hold."
    if pool is None or not len(pool):
        return "There is no sample of the pool to compare models on."
    if len({size for size, _ in trained}) < 2:
        return f"There are fewer than {FEWEST_RANDOM} random labels (audit, first labels, random shares)."
    if now.n == 0 or not np.isfinite(now.value):
        return f"The audit cannot measure {metric} yet."
    return None


def _needed(labels: Doubles, excess: Doubles, loss: Doubles, places: Doubles) -> Doubles:
    """Draw the labels at which random selection's curve comes down to the present loss, float64 (d,)."""
    x = np.log(labels / labels.max())
    y = np.log(np.maximum(loss + excess[:, None], 0) + SMALLEST)
    middle = x - x.mean()
    fell = -(middle @ (y - y.mean(axis=0))) / (middle @ middle)
    left = y - y.mean(axis=0) + np.outer(middle, fell)
    error = np.sqrt(np.square(left).sum(axis=0) / max(len(x) - 2, 1))
    at_end = y.mean(axis=0) + x.mean() * fell + error / np.sqrt(len(x)) * t_quantiles(places[1])
    exponent = (_START + _SHARE * np.maximum(fell, 0)) * np.exp(_DOUBT * t_quantiles(places[2]))
    ratio = (at_end - np.log(loss + SMALLEST)) / exponent
    return np.asarray(labels.max() * np.exp(np.clip(ratio, -5, 20)))
