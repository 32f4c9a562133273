"""The seam between rounds and strategies."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.strategies.candidates import Candidates

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

LEAST_SHORTLIST = 1_000
DEFAULT_COMMITTEE = ("bagged", 5)


@dataclass(frozen=True)
class Selection:
    """A batch, and why each item is in it.

    Attributes
    ----------
    positions : int64 (k,)
        Rows of the candidates, in order of worth, all different.
    scores : float32 (k,)
        What the strategy thinks each is worth.
    ranks : int64 (k,)
        1 to k, in order of worth.
    clusters : int64 (k,) or None
        The cluster that each stands for, -1 for none; where the strategy makes clusters.
    parts : object (k,) or None
        Which part of a strategy of several chose it, where there are several.
    drawn : float64 (k,) or None
        Probability of each candidate to be in the batch where the pick was a uniform draw from all
        candidates, NaN elsewhere; None where no pick was.
    """

    positions: Ints
    scores: Floats
    ranks: Ints
    clusters: Ints | None = None
    parts: NDArray[Any] | None = None
    drawn: NDArray[np.float64] | None = None


def selection(positions: Any, scores: Any, **why: Any) -> Selection:
    """Make a `Selection` of positions in order of worth, ranked 1 to k."""
    positions = np.asarray(positions, np.int64)
    return Selection(
        positions, np.asarray(scores, np.float32), np.arange(1, len(positions) + 1, dtype=np.int64), **why
    )


@runtime_checkable
class Strategy(Protocol):
    """What chooses a batch. `tasks.strategies.testing.check_strategy` tests one.

    Beyond what is below a strategy may have, read by `wants`, `score_needs`, `reach`, `stages` and
    `committee_of`:

    - ``uses : frozenset of str``: optional fields of `Candidates` that it reads when they are given.
    - ``score_needs : frozenset of str``: the fields that `score` reads, where those are fewer than `needs`.
    - ``reach(k) : int``: how many candidates a batch of k should be chosen from.
    - ``committee : (kind, members)``: who votes, where it needs ``committee_proba``.
    - ``stages : tuple of Strategy``: first stages, where the candidates are those of several strategies.
    """

    @property
    def name(self) -> str:
        """What ``strategy:`` in a campaign says."""

    @property
    def needs(self) -> frozenset[str]:
        """The optional fields of `Candidates` that it cannot do without."""

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score candidates row by row, the first stage of a large pool.

        May be called chunk by chunk, each time with a fresh generator of the same seed: a row's score must
        not depend on the other rows.

        Returns
        -------
        float32 (n,)
            Higher = more worth labeling; finite.
        """

    def select(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Ints:
        """Choose k candidates.

        Returns
        -------
        int64 (k,)
            Positions in order of worth, all different.

        Raises
        ------
        PoolExhausted
            k is larger than the number of candidates.
        UsageError
            A field that the strategy needs is missing or broken.
        """

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does and say why."""


class Selecting(ABC):
    """`select` for strategies that write `select_explained`."""

    @abstractmethod
    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does and say why; see `Strategy.select_explained`."""

    def select(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Ints:
        """Choose k candidates; see `Strategy.select`."""
        return self.select_explained(candidates, k, rng).positions


def wants(strategy: Strategy) -> frozenset[str]:
    """Fields that a strategy reads when they are given."""
    return strategy.needs | getattr(strategy, "uses", frozenset())


def score_needs(strategy: Strategy) -> frozenset[str]:
    """Fields that a strategy's first stage reads."""
    found: frozenset[str] = getattr(strategy, "score_needs", strategy.needs)
    return found


def reach(strategy: Strategy, k: int) -> int:
    """Tell how many candidates a batch of k should be chosen from: ten batches, at least 1,000, or as it says."""
    own = getattr(strategy, "reach", None)
    return max(k, own(k)) if own is not None else max(LEAST_SHORTLIST, 10 * k)


def stages(strategy: Strategy) -> tuple[Strategy, ...]:
    """Give the strategies whose best scores together are the candidates; mostly the strategy itself."""
    found: tuple[Strategy, ...] = getattr(strategy, "stages", ())
    return found or (strategy,)


def again(rng: np.random.Generator) -> np.random.Generator:
    """Copy a generator as it stands, so that each part of a strategy begins from the same seed.

    A part's first stage is called with a generator of the round's seed; its second must see the same.
    """
    return copy.deepcopy(rng)


def walk(strategy: Strategy) -> Iterator[Strategy]:
    """Give a strategy and all strategies inside it."""
    yield strategy
    if is_dataclass(strategy):
        for field in fields(strategy):
            value = getattr(strategy, field.name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Strategy):
                    yield from walk(part)


def committee_of(strategy: Strategy) -> tuple[str, int]:
    """Give kind and size of the committee that votes in a strategy.

    Raises
    ------
    UsageError
        Its parts want different ones.
    """
    found = {part.committee for part in walk(strategy) if hasattr(part, "committee")}
    if len(found) > 1:
        raise UsageError(f"The strategy {strategy.name!r} wants more than one committee: {sorted(found)}.")
    return found.pop() if found else DEFAULT_COMMITTEE
