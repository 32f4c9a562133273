"""Words, word pairs and character n-grams as 64-bit hashes, so that counting them holds no strings.

Hashes are of code points, the same on every machine and in every process. Among a million terms two share a
hash with a chance of 3e-8.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

SHORTEST, LONGEST = 3, 5
_SPACE = 32
# Odd constants of SplitMix64 (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators").
_STEP, _MIX_1, _MIX_2 = (np.uint64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def mix(h: Hashes) -> Hashes:
    """Scatter 64-bit numbers so that each bit depends on all bits, one to one."""
    with np.errstate(over="ignore"):
        h = (h ^ (h >> np.uint64(30))) * _MIX_1
        h = (h ^ (h >> np.uint64(27))) * _MIX_2
        return h ^ (h >> np.uint64(31))


def hash_words(words: pa.Array) -> Hashes:
    """Hash each word.

    Parameters
    ----------
    words : pyarrow.LargeStringArray (w,)
        Not empty ones, without spaces.

    Returns
    -------
    uint64 (w,)
    """
    if len(words) == 0:
        return np.zeros(0, np.uint64)
    points = _code_points(words)[:-1]
    starts = np.flatnonzero(points == _SPACE)
    place = np.arange(len(points)) - np.repeat(starts, np.diff(np.append(starts, len(points))))
    return mix(np.add.reduceat(_scatter(points, place.astype(np.uint64)), starts))


def hash_pairs(first: Hashes, second: Hashes) -> Hashes:
    """Hash pairs of words, given the words' hashes; the order within a pair counts."""
    with np.errstate(over="ignore"):
        return mix(first * _STEP + second)


def hash_ngrams(words: pa.Array) -> tuple[Ints, Hashes]:
    """Hash the character n-grams of words, 3 to 5 characters long, a space standing for a word's either end.

    Counting inside words keeps the n-grams few and lets endings and spellings show (as scikit-learn's
    ``char_wb``; McNamee and Mayfield, 2004, "Character n-gram tokenization for European language text
    retrieval").

    Parameters
    ----------
    words : pyarrow.LargeStringArray (w,)
        Not empty ones, without spaces.

    Returns
    -------
    int64 (g,), uint64 (g,)
        The word and the hash of each n-gram, repeated ones included.
    """
    points = _code_points(words)
    space = np.cumsum(points == _SPACE)
    owners, hashes = [], []
    total = np.zeros(len(points), np.uint64)
    for n in range(1, LONGEST + 1):
        count = max(len(points) - n + 1, 0)
        with np.errstate(over="ignore"):
            total = total[:count] + _scatter(points[n - 1 :], np.uint64(n))
        if n >= SHORTEST:
            # A space may stand first or last, not within: that would be a part of two words.
            whole = np.flatnonzero(space[:count] == space[n - 2 : n - 2 + count])
            owners.append(space[whole] - 1)
            hashes.append(mix(total[whole]))
    return np.concatenate(owners), np.concatenate(hashes)


def _code_points(words: pa.Array) -> Hashes:
    """Code points of all words, a space before, between and after them."""
    if len(words) == 0:
        return np.full(1, _SPACE, np.uint64)
    together = pa.LargeListArray.from_arrays(pa.array([0, len(words)], pa.int64()), words)
    text = f" {pc.binary_join(together, pa.scalar(' ', pa.large_string()))[0].as_py()} "
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)


def _scatter(points: Hashes, place: Hashes | np.uint64) -> Hashes:
    """Draw a random number for each code point at a place; sums of them tell strings apart."""
    with np.errstate(over="ignore"):
        return mix(points * _STEP + (place + np.uint64(1)) * _MIX_1)
