"""The best k of many scores, with ties broken by a keyed hash of the item id.

So an answer depends on which items there are, never on the order of rows, on shards or on chunk sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import PoolExhausted, UsageError
from tasks.pool.sampling import hash_ids

Ints = NDArray[np.int64]


def tie_key(rng: np.random.Generator) -> int:
    """Draw the key of the tie hash.

    Every strategy draws it first, so generators of the same seed give `Strategy.score`, `Strategy.select` and
    a `Shortlist` made between them one and the same tie order.
    """
    return int(rng.integers(2**63))


def check_size(n: int, k: int) -> None:
    """Refuse a batch that `n` candidates cannot fill.

    Raises
    ------
    UsageError
        k is negative.
    PoolExhausted
        k is larger than n.
    """
    if k < 0:
        raise UsageError(f"A batch cannot have {k} items.")
    if k > n:
        raise PoolExhausted(
            f"The batch needs {k} items and {n} are left to choose from. "
            "Make the batch smaller, or add items to the pool."
        )


def check_scores(scores: NDArray[Any]) -> None:
    """Raise UsageError where a score is not finite."""
    if not np.isfinite(scores).all():
        place = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise UsageError(
            f"Scores must be finite; score {place} is {scores[place]}. Check the strategy's input."
        )


def top(scores: NDArray[np.floating[Any]], ids: Any, k: int, key: int) -> Ints:
    """Find the k highest scores.

    Parameters
    ----------
    scores : float (n,)
        Finite.
    ids : strings (n,)
        NumPy or Arrow array.
    k : int
        At most n.
    key : int
        From `tie_key`. Of equal scores the smaller hash comes first.

    Returns
    -------
    int64 (k,)
        Positions, best first.
    """
    check_size(len(scores), k)
    check_scores(scores)
    if k == 0:
        return np.zeros(0, np.int64)
    # Only what can be in the answer is hashed: a hash costs fifty times a comparison.
    worst = np.partition(scores, len(scores) - k)[len(scores) - k]
    near = np.flatnonzero(scores >= worst)
    hashes = hash_ids(_take(ids, near), key)
    order = np.lexsort((hashes, -scores[near]))
    return np.asarray(near[order[:k]], np.int64)


def _take(ids: Any, positions: Ints) -> Any:
    return ids.take(positions)
