"""Two models on the same items."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tasks.errors import UsageError


def mcnemar(y: ArrayLike, new: ArrayLike, old: ArrayLike) -> float:
    """Test whether a model is right more often than another on the same items (McNemar, 1947, exact).

    Parameters
    ----------
    y, new, old : int (n,)
        True classes, and the predictions of both models.

    Returns
    -------
    float
        One-sided p: the probability that a fair coin gives the new model at least as many of the items that
        only one of the two gets right. 1 without such an item.

    Raises
    ------
    UsageError
        The three differ in length.
    """
    from scipy.stats import binomtest

    truth, ours, theirs = np.asarray(y), np.asarray(new), np.asarray(old)
    if truth.ndim != 1 or not truth.shape == ours.shape == theirs.shape:
        raise UsageError(f"Paired predictions differ in shape: {truth.shape}, {ours.shape}, {theirs.shape}.")
    won = int(np.sum((ours == truth) & (theirs != truth)))
    lost = int(np.sum((ours != truth) & (theirs == truth)))
    if won + lost == 0:
        return 1.0
    return float(binomtest(won, won + lost, 0.5, alternative="greater").pvalue)


def paired_better(y: ArrayLike, new: ArrayLike, old: ArrayLike, *, level: float = 0.05) -> bool:
    """Tell whether the new model is better: `mcnemar` is at most `level`."""
    return mcnemar(y, new, old) <= level
