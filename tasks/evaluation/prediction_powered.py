"""Fewer labels for the same interval: what a model expects to lose on unlabelled items, corrected by labelled ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation import measures
from tasks.evaluation.estimate import Estimate, checked_weights, estimate_means, price_of_error
from tasks.evaluation.intervals import check_level, skewed

Doubles = NDArray[np.float64]

# With fewer labels the power is not known well enough, and the plain interval of the accuracy is exact. The number of
# labels is no peek at them, so the choice costs no coverage.
FEWEST = 100


def ppi(
    losses: ArrayLike,
    expected: ArrayLike,
    unlabelled: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    level: float = 0.95,
    unseen: float = 0.0,
    power: float | None = None,
) -> Estimate:
    """Estimate a mean loss with the help of predictions, power-tuned (PPI++, Angelopoulos, Duchi and Zrnic, 2023).

    power * mean of f over unlabelled items + mean of (loss - power * f) over labelled ones. It is unbiased whatever f
    is; with f = 0 or power = 0 it is the plain mean.

    Parameters
    ----------
    losses, expected : float (n,)
        Loss of each labelled item, and f: what was expected of it.
    unlabelled : float (m,)
        f of other items, drawn at random.
    weight : float (n,), optional
        Weight of each labelled item, for instance the inverse of its inclusion probability.
    level : float
    unseen : float
        What an item might lose although none was seen to: 1 for errors.
    power : float, optional
        Between 0 and 1; by default cov(loss, f) / ((1 + n / m) var f), the value of least variance.

    Returns
    -------
    Estimate
        Not clipped to the range of the losses.
    """
    loss, own, other = (np.asarray(one, np.float64) for one in (losses, expected, unlabelled))
    w = np.ones(len(loss)) if weight is None else np.asarray(weight, np.float64)
    if loss.ndim != 1 or not loss.shape == own.shape == w.shape or other.ndim != 1:
        raise UsageError(
            f"Losses {loss.shape}, predictions {own.shape} and weights {w.shape} do not belong together."
        )
    check_level(level)
    if len(loss) < 2 or len(other) < 2:
        return Estimate(
            float(np.mean(loss)) if len(loss) else float("nan"), float("-inf"), float("inf"), len(loss)
        )
    parts = w / w.sum()
    if power is None:
        power = _power(loss, own, other, parts)
    rest = loss - power * own
    value = float(parts @ rest) + power * float(other.mean())
    influence = parts * (rest - parts @ rest)
    spread = power**2 * float(other.var(ddof=1)) / len(other)
    low, high = skewed(value, influence, unseen * float(parts @ parts), level, spread)
    return Estimate(value, low, high, len(loss))


def _power(loss: Doubles, own: Doubles, other: Doubles, parts: Doubles) -> float:
    around = parts * (own - parts @ own)
    # Variances of the two weighted means, so that unequal weights count too.
    together = float(around @ (parts * (loss - parts @ loss)))
    variance = float(around @ around) + float(other.var()) / len(other)
    return float(np.clip(together / variance, 0, 1)) if variance > 0 else 0.0


def active_ppi(
    losses: ArrayLike,
    expected: ArrayLike,
    labelled: ArrayLike,
    pi: ArrayLike,
    *,
    level: float = 0.95,
    unseen: float = 0.0,
) -> Estimate:
    """Estimate a mean loss from items that were labelled each by its own chance (Zrnic and Candes, 2024).

    Mean over all items of f + (loss - f) xi / pi, where xi tells whether an item was labelled. With pi = 1 the full
    mean; with f = 0 Horvitz and Thompson's (1952).

    Parameters
    ----------
    losses : float (n,)
        Read only where an item is labelled.
    expected : float (n,)
        f, of every item.
    labelled : bool (n,)
    pi : float (n,)
        The chance with which each item was to be labelled, each by itself; over 0.
    level : float
    unseen : float
        What an item might lose although none was seen to.

    Returns
    -------
    Estimate
        `n` counts labelled items.
    """
    known, chance = np.asarray(labelled, bool), np.asarray(pi, np.float64)
    loss, own = np.where(known, np.asarray(losses, np.float64), 0.0), np.asarray(expected, np.float64)
    if not loss.shape == own.shape == known.shape == chance.shape or loss.ndim != 1:
        raise UsageError("Losses, predictions, labelled and pi must be one number each an item.")
    if bool(np.any(~(chance > 0) | (chance > 1))):
        raise UsageError("An item's chance to be labelled lies over 0 and is at most 1.")
    check_level(level)
    each = own + np.where(known, (loss - own) / chance, 0.0)
    value = float(each.mean()) if len(each) else float("nan")
    if len(each) < 2:
        return Estimate(value, float("-inf"), float("inf"), int(known.sum()))
    heaviest = float((1 / chance[known]).max(initial=1.0))
    low, high = skewed(value, (each - value) / len(each), unseen * heaviest / len(each), level)
    return Estimate(value, low, high, int(known.sum()))


def narrowed(
    proba: ArrayLike,
    y: ArrayLike,
    unlabelled_proba: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Estimate accuracy and log-loss of a model with its own probabilities on unlabelled items as the prediction.

    f is what the model expects to lose on an item: 1 - its top probability, and its entropy.

    Parameters
    ----------
    proba : float (n, n_classes)
        Of the audited items.
    y : int (n,)
    unlabelled_proba : float (m, n_classes)
        Of other items, a uniform sample of the pool.
    weight : float (n,), optional
    level : float

    Returns
    -------
    dict of str to Estimate
        ``accuracy`` and ``log_loss``: by `ppi`; with fewer than 100 items what `estimate` gives.
    """
    p, truth, w = checked_weights(proba, y, weight)
    others = np.asarray(unlabelled_proba, np.float64)
    if others.ndim != 2 or others.shape[1] != p.shape[1]:
        raise UsageError(f"Probabilities of {others.shape} and {p.shape} are of different classes.")
    if len(p) < FEWEST or len(others) < FEWEST:
        return estimate_means(p, truth, w, check_level(level))
    wrong = (p.argmax(axis=1) != truth).astype(np.float64)
    errors = ppi(wrong, 1 - p.max(axis=1), 1 - others.max(axis=1), weight=w, level=level, unseen=1.0)
    price = float(w @ price_of_error(p) / w.sum())
    losses = ppi(
        measures.log_losses(p, truth), entropy(p), entropy(others), weight=w, level=level, unseen=price
    )
    value = min(max(1 - errors.value, 0.0), 1.0)
    accuracy = Estimate(
        value, max(0.0, min(1 - errors.high, value)), min(1.0, max(1 - errors.low, value)), len(p)
    )
    value = max(losses.value, 0.0)
    return {"accuracy": accuracy, "log_loss": Estimate(value, max(0.0, losses.low), losses.high, len(p))}


def entropy(p: Doubles) -> Doubles:
    """Give the log-loss that a model expects of each item, in nats, (n,)."""
    return np.asarray(-(p * np.log(np.clip(p, measures.SMALLEST, 1))).sum(axis=1))
