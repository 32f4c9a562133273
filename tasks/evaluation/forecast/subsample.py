"""Which labels the models are trained on that show how much fewer labels cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SHARES = (0.4, 0.6, 0.8)
REPEATS = 2
# With fewer labels, models of two fifths of them say nothing.
FEWEST_LABELS = 20


def subsets(n: int, seed: int) -> list[NDArray[np.int64]]:
    """Say which labels to train on: prefixes of a few random orders, so that sizes differ by added labels alone.

    Parameters
    ----------
    n : int
        Labels in hand.
    seed : int

    Returns
    -------
    list of int64 (k,)
        Sorted positions below `n`; six subsets, or none where there are fewer than 20 labels.
    """
    if n < FEWEST_LABELS:
        return []
    rng = np.random.default_rng([seed % 2**63, n])
    orders = [rng.permutation(n) for _ in range(REPEATS)]
    return [np.sort(order[: round(share * n)]) for order in orders for share in SHARES]
