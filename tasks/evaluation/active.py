"""An audit that looks more often where the model is unsure, and what it says of all items."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.evaluation import measures
from tasks.evaluation.estimate import Estimate, price_of_error
from tasks.evaluation.intervals import check_level, skewed

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


def active_draw(
    uniforms: ArrayLike, scores: ArrayLike, taken: ArrayLike, n: int, *, tau: float = 0.5
) -> tuple[Ints, Doubles]:
    """Draw items of a frame one after another without replacement, unsure ones more often.

    Each draw takes an item with probability proportional to tau / (items left) + (1 - tau) * score / (sum of the scores
    left). The draw is the race of exponential clocks -ln(u) / q, run again after each draw: the same for the same
    numbers, whatever the order of the items.

    Parameters
    ----------
    uniforms : float (n_frame,)
        In (0, 1), one an item, from a hash of its id and of this call (the round): fresh for each call.
    scores : float (n_frame,)
        How unsure the present model is of each item; not negative.
    taken : bool (n_frame,)
        Items that earlier calls drew.
    n : int
        Items to draw; all that are left where these are fewer.
    tau : float
        Share of the uniform part, over 0, at most 1.

    Returns
    -------
    positions : int64 (n,)
        In the order of the draws.
    q : float64 (n,)
        The probability of each at its draw, among the items that were left then. Keep it with the item.
    """
    u, score, gone = np.asarray(uniforms, np.float64), np.asarray(scores, np.float64), np.asarray(taken, bool)
    if not u.shape == score.shape == gone.shape or u.ndim != 1:
        raise UsageError(f"Hashes {u.shape}, scores {score.shape} and taken {gone.shape} differ in length.")
    if not 0 < tau <= 1:
        raise UsageError(f"tau lies over 0 and is at most 1, not {tau}. Use .5.")
    if bool(np.any((u <= 0) | (u >= 1))) or not np.isfinite(score).all() or bool(np.any(score < 0)):
        raise UsageError("An active draw needs hashes in (0, 1) and finite scores of at least 0.")
    left = np.flatnonzero(~gone)
    # Time that is left on each clock, in units of its own rate; without memory, so it stays valid when rates change.
    clocks, unsure = -np.log(u[left]), score[left]
    drawn = min(n, len(left))
    positions, chances = np.empty(drawn, np.int64), np.empty(drawn)
    for turn in range(drawn):
        rest = len(left) - turn
        total = float(unsure[:rest].sum())
        q = tau / rest + (1 - tau) * (unsure[:rest] / total if total > 0 else 1 / rest) + np.zeros(rest)
        times = clocks[:rest] / q
        first = int(np.argmin(times))
        positions[turn], chances[turn] = left[first], q[first]
        clocks[:rest] -= q * times[first]
        # The last takes the place of the one that is drawn.
        for one in (left, clocks, unsure):
            one[first] = one[rest - 1]
    return positions, chances


def lure_weights(q: ArrayLike, n_items: int) -> Doubles:
    """Weigh draws without replacement so that their mean is the mean of all items (LURE, Kossen et al., 2021).

    v_m = 1 + (N - M) / (N - m) * (1 / ((N - m + 1) q_m) - 1), m = 1 to M; 1 when all are drawn.

    Parameters
    ----------
    q : float (n,)
        The probability of each draw among the items that were left, in the order of the draws.
    n_items : int
        N, the items that were drawn from.

    Returns
    -------
    float64 (n,)
        All positive, and 1 on average over all draws: weights for `estimate` too.
    """
    chance = np.asarray(q, np.float64)
    drawn = len(chance)
    if chance.ndim != 1 or bool(np.any(~(chance > 0) | (chance > 1 + 1e-9))):
        raise UsageError("A draw's probability lies over 0 and is at most 1.")
    if drawn > n_items:
        raise UsageError(f"{drawn} draws without replacement from {n_items} items are not possible.")
    m = np.arange(1, drawn + 1)
    rest = np.maximum(n_items - m, 1)  # 0 only where all are drawn, and then N - M is 0 too.
    return np.asarray(1 + (n_items - drawn) / rest * (1 / ((n_items - m + 1) * chance) - 1))


def lure(
    losses: ArrayLike,
    q: ArrayLike,
    n_items: int,
    *,
    level: float = 0.95,
    unseen: float = 0.0,
    of_larger: bool = True,
) -> Estimate:
    """Estimate a mean loss from draws by `active_draw`, without bias for any q.

    After each draw, (losses drawn before it + its own loss / q) / N is unbiased, whatever was drawn before; LURE is
    their mean with the fixed weights N (N - M) / (M (N - m) (N - m + 1)). So they are martingale differences, and their
    squares give the variance.

    Parameters
    ----------
    losses, q : float (n,)
        In the order of the draws.
    n_items : int
        Items of the frame.
    level : float
    unseen : float
        What an item might lose although none was seen to: 1 for errors.
    of_larger : bool
        The frame is itself a random sample, and the mean is that of the far larger pool: the variance of the frame's
        mean is added.

    Returns
    -------
    Estimate
        Not clipped to the range of the losses.
    """
    loss = np.asarray(losses, np.float64)
    weights = lure_weights(q, n_items)
    if loss.shape != weights.shape or not np.isfinite(loss).all():
        raise UsageError(f"Losses {loss.shape} and draws {weights.shape} do not belong together.")
    check_level(level)
    drawn = len(loss)
    value = float(weights @ loss) / drawn if drawn else float("nan")
    if drawn < 2:
        return Estimate(value, float("-inf"), float("inf"), drawn)
    parts = _parts(loss, np.asarray(q, np.float64), n_items, value)
    spread = 0.0
    if of_larger and drawn == n_items:
        parts = (loss - value) / drawn
    elif of_larger:
        mean = float(weights @ loss / weights.sum())
        spread = float(weights @ np.square(loss - mean) / weights.sum()) / n_items
    elif drawn == n_items:  # Nothing is left to chance.
        return Estimate(value, value, value, drawn)
    low, high = skewed(value, parts, unseen * float(weights.mean()) / drawn, level, spread)
    return Estimate(value, low, high, drawn)


def active_means(
    proba: ArrayLike, y: ArrayLike, q: ArrayLike, n_items: int, *, level: float = 0.95
) -> dict[str, Estimate]:
    """Estimate accuracy and log-loss, which are means over items, from draws by `active_draw`.

    Parameters
    ----------
    proba : float (n, n_classes)
    y : int (n,)
    q : float (n,)
        In the order of the draws, as the others.
    n_items : int
        Items of the frame, a random sample of the pool.
    level : float

    Returns
    -------
    dict of str to Estimate
        ``accuracy`` and ``log_loss``, by `lure`.
    """
    p, truth = measures.checked(proba, y)
    if not len(truth):
        return {}
    wrong = (p.argmax(axis=1) != truth).astype(np.float64)
    errors = lure(wrong, q, n_items, level=level, unseen=1.0)
    price = float(price_of_error(p).mean())
    losses = lure(measures.log_losses(p, truth), q, n_items, level=level, unseen=price)
    right = min(max(1 - errors.value, 0.0), 1.0)
    low, high = min(max(1 - errors.high, 0.0), right), max(min(1 - errors.low, 1.0), right)
    value = max(losses.value, 0.0)
    return {
        "accuracy": Estimate(right, low, high, len(p)),
        "log_loss": Estimate(value, min(max(losses.low, 0.0), value), max(losses.high, value), len(p)),
    }


def _parts(loss: Doubles, q: Doubles, n_items: int, value: float) -> Doubles:
    """Give what each draw adds to LURE beyond the mean, (n,)."""
    drawn = len(loss)
    m = np.arange(1, drawn + 1)
    before = np.concatenate([[0.0], np.cumsum(loss)[:-1]])
    single = (before + loss / q) / n_items
    share = n_items * (n_items - drawn) / (drawn * np.maximum(n_items - m, 1) * (n_items - m + 1.0))
    return np.asarray(share * (single - value))
