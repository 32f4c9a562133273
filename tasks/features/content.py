"""Which items hold the same: a hash of all that a model can see of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.features.hashing import mix

# The odd constant of SplitMix64 (Steele, Lea and Flood, 2014).
_STEP = np.uint64(0x9E3779B97F4A7C15)


def content_hash(X: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Hash each row of a feature matrix.

    Parameters
    ----------
    X : float32 (n, d)
        NaN = missing.

    Returns
    -------
    uint64 (n,)
        Equal for rows that are equal, a missing value being equal to another; rows that differ share a hash
        with the chance of about n squared / 2**64.
    """
    hashes = np.zeros(len(X), np.uint64)
    with np.errstate(over="ignore"):
        for column in np.asarray(X, np.float32).T:
            # Adding 0 makes -0 a 0; every NaN becomes the same one.
            plain = np.where(np.isnan(column), np.float32(np.nan), column + np.float32(0))
            hashes = mix(hashes + _STEP + plain.view(np.uint32).astype(np.uint64))
    return hashes
