"""Whole items out of shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def largest_remainder(total: int, weights: Sequence[float]) -> Ints:
    """Split a number by weights (Hamilton's method): whole parts first, then the largest remainders.

    Parameters
    ----------
    total : int
        At least 0.
    weights : sequence of float
        Positive; their scale does not matter.

    Returns
    -------
    int64 (len(weights),)
        Adds up to `total`; each less than 1 away from its exact share; equal remainders go to the first.
    """
    exact = total * np.asarray(weights, np.float64) / float(sum(weights))
    # 0.7 * 10 is a little below 7 or above: what is a whole number counts as one.
    whole = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return whole


def in_turn(counts: Sequence[int]) -> Ints:
    """Order items of several parts so that each beginning holds the parts' shares.

    Parameters
    ----------
    counts : sequence of int
        Items of each part; the parts lie one after the other.

    Returns
    -------
    int64 (sum(counts),)
        Positions; each part's own order is kept.
    """
    times = [(np.arange(count) + 0.5) / count for count in counts if count]
    return np.argsort(np.concatenate(times), kind="stable") if times else np.zeros(0, np.int64)


def by_lot(k: int, shares: Sequence[float], place: float) -> Ints:
    """Divide k places by shares so that each keeps its share over many divisions (systematic sampling).

    Parameters
    ----------
    k : int
    shares : sequence of float
        They add up to 1.
    place : float
        Drawn uniformly from [0, 1).

    Returns
    -------
    int64 (len(shares),)
        Each is k times its share, rounded up or down; they add up to k.
    """
    ends = np.floor(np.round(np.cumsum(shares) * k, 9) + place).astype(np.int64)
    ends[-1] = k
    return np.diff(ends, prepend=0)
