"""Votes of labeling functions, counted by pattern in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids, purpose_key

Votes = NDArray[np.int16]
Ints = NDArray[np.int64]

ABSTAIN = -1
MOST_PATTERNS = 50_000
"""Distinct patterns that are kept, and fewer of more than forty functions; beyond that, items are sampled."""

_CELLS = 2_000_000
_DEEPEST = 62


@dataclass(frozen=True)
class VoteCounts:
    """How often which votes were cast together.

    Attributes
    ----------
    patterns : int16 (p, m)
        Distinct rows of votes; -1 = abstain.
    counts : int64 (p,)
        Items with these votes.
    rows : int
        Items seen; more than the counts' sum when they are of a sample.
    """

    patterns: Votes
    counts: Ints
    rows: int

    @classmethod
    def of(cls, votes: Votes) -> VoteCounts:
        """Count the votes (n, m) of some items."""
        patterns, counts = _distinct(_checked(votes), np.ones(len(votes), np.int64))
        return cls(patterns, counts, len(votes))

    def without(self, columns: Sequence[int]) -> VoteCounts:
        """Let some functions abstain everywhere."""
        if not len(columns):
            return self
        patterns, counts = _distinct(abstain(self.patterns, columns), self.counts)
        return VoteCounts(patterns, counts, self.rows)


class VoteCounter:
    """Counts votes chunk by chunk; the result does not depend on order or number of chunks.

    While there are too many distinct patterns, items are dropped by halves, by a hash of their ids (adaptive
    sampling: Flajolet, 1990), so memory depends on the limit alone.

    Parameters
    ----------
    n_functions : int
    seed : int
        Of the campaign.
    limit : int
        Most distinct patterns, about.
    """

    def __init__(self, n_functions: int, *, seed: int, limit: int = MOST_PATTERNS) -> None:
        if limit < 1:
            raise UsageError(f"limit must be at least 1, not {limit}.")
        self._key = purpose_key(seed, "votes")
        self._limit = max(1, min(limit, _CELLS // max(1, n_functions)))
        self._depth = 0
        self._rows = 0
        # The last column says how many halvings an item outlives.
        self._keys: Votes = np.empty((0, n_functions + 1), np.int16)
        self._counts: Ints = np.empty(0, np.int64)

    def update(self, votes: Votes, ids: Any) -> VoteCounter:
        """Take in the votes (n, m) of items that were not seen before, and their ids."""
        votes = _checked(votes)
        self._rows += len(votes)
        depth = _leading_zeros(hash_ids(ids, self._key)) if len(votes) else np.empty(0, np.int64)
        self._add(np.column_stack([votes, depth]).astype(np.int16), np.ones(len(votes), np.int64))
        return self

    def merge(self, other: VoteCounter) -> VoteCounter:
        """Take in another counter of the same seed, limit and functions, and of other items."""
        if (self._key, self._limit) != (other._key, other._limit):
            raise UsageError("Only counters of equal seed and limit can be merged.")
        self._rows += other._rows
        self._depth = max(self._depth, other._depth)
        self._add(other._keys, other._counts)
        return self

    def result(self) -> VoteCounts:
        """Give the counts so far."""
        patterns, counts = _distinct(self._keys[:, :-1], self._counts)
        return VoteCounts(patterns, counts, self._rows)

    def _add(self, keys: Votes, counts: Ints) -> None:
        keys, counts = np.vstack([self._keys, keys]), np.concatenate([self._counts, counts])
        keep = keys[:, -1] >= self._depth
        self._keys, self._counts = _distinct(keys[keep], counts[keep])
        while len(self._keys) > self._limit and self._depth < _DEEPEST:
            self._depth += 1
            keep = self._keys[:, -1] >= self._depth
            self._keys, self._counts = self._keys[keep], self._counts[keep]


def abstain(votes: Votes, columns: Sequence[int]) -> Votes:
    """Give votes (n, m) in which some functions abstain everywhere."""
    changed = np.array(votes, np.int16)
    changed[:, list(columns)] = ABSTAIN
    return changed


def as_annotations(votes: Votes) -> tuple[Ints, Ints, NDArray[np.int64]]:
    """Give votes in the form of vendors' answers: each function is a vendor at no cost.

    Parameters
    ----------
    votes : int16 (n, m)

    Returns
    -------
    item, vendor, answer : int64 (a,)
        Position of the item, column of the function, code of the class; without what abstained.
    """
    item, vendor = np.nonzero(np.asarray(votes) != ABSTAIN)
    return item, vendor, np.asarray(votes)[item, vendor].astype(np.int64)


def plurality(votes: Votes, n_classes: int) -> Ints:
    """Give the class with most votes of each item (n,), the first of equals; -1 without votes."""
    totals = np.stack([(votes == label).sum(axis=1) for label in range(n_classes)], axis=1)
    return np.where(totals.any(axis=1), totals.argmax(axis=1), ABSTAIN).astype(np.int64)


def _checked(votes: Votes) -> Votes:
    votes = np.asarray(votes)
    if votes.ndim != 2 or not np.issubdtype(votes.dtype, np.integer):
        raise UsageError(
            f"Votes must be integers (items, functions), not {votes.dtype} of shape {votes.shape}."
        )
    if votes.size and not (votes.min() >= ABSTAIN and votes.max() <= np.iinfo(np.int16).max):
        raise UsageError(f"Votes must be -1 or a class, not {votes.min()} to {votes.max()}.")
    return votes.astype(np.int16)


def _leading_zeros(hashes: NDArray[np.uint64]) -> Ints:
    """Give how many halvings of its range each hash outlives, 0 to 63."""
    high = np.frexp((hashes >> np.uint64(11)).astype(np.float64))[1]  # exact: 53 bits
    return np.asarray(np.clip(53 - high, 0, 63), np.int64)


def _distinct(rows: Votes, counts: Ints) -> tuple[Votes, Ints]:
    """Add up the counts of equal rows, in an order that the rows alone decide."""
    if not len(rows) or not rows.shape[1]:
        return rows[:1], counts.sum(keepdims=True) if len(rows) else counts
    # As bytes, big-endian and without a sign: bytes then sort as the numbers do.
    shifted = np.ascontiguousarray(rows.astype(np.int32) + 1).astype(">u2")
    whole = shifted.view(np.dtype((np.void, shifted.shape[1] * 2))).ravel()
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    totals = np.zeros(len(first), np.int64)
    np.add.at(totals, inverse.ravel(), counts)
    return np.ascontiguousarray(rows[first]), totals
