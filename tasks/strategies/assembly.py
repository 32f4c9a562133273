"""Batches that several choices put together, and what strategies around a strategy have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.strategies import base
from tasks.strategies.base import Selecting, Selection, Strategy, again, selection
from tasks.strategies.candidates import Candidates

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Decorator(Selecting):
    """A strategy around another: what it does not say itself, it passes on.

    Attributes
    ----------
    inner : Strategy
    leaves_out : bool
        Whether all it does is to leave candidates out, so that picks are put down to the inner strategy.
    """

    inner: Strategy
    leaves_out: ClassVar[bool] = False

    @property
    def needs(self) -> frozenset[str]:
        """What the inner strategy needs."""
        return self.inner.needs

    @property
    def uses(self) -> frozenset[str]:
        """What the inner strategy uses."""
        return base.wants(self.inner) - self.inner.needs

    @property
    def score_needs(self) -> frozenset[str]:
        """What the inner strategy's first stage reads."""
        return base.score_needs(self.inner)

    @property
    def stages(self) -> tuple[Strategy, ...]:
        """The inner strategy's first stages."""
        return base.stages(self.inner)

    def reach(self, k: int) -> int:
        """Tell how many candidates the inner strategy wants."""
        return base.reach(self.inner, k)

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score as the inner strategy does."""
        return self.inner.score(candidates, rng)


def source_of(strategy: Strategy) -> str:
    """Give the name that a strategy's picks are put down to.

    Quotas and representatives only leave items out: it is the strategy inside that chooses.
    """
    while isinstance(strategy, Decorator) and strategy.leaves_out:
        strategy = strategy.inner
    return strategy.name


class Assembly:
    """A batch in the making: several choices from the same candidates, none of them twice.

    Parameters
    ----------
    candidates : Candidates
    rng : numpy.random.Generator
        As the strategy got it: each choice begins from a copy.

    Attributes
    ----------
    free : bool (n,)
        Candidates that are not chosen yet.
    """

    def __init__(self, candidates: Candidates, rng: np.random.Generator) -> None:
        self.candidates = candidates
        self.free = np.ones(len(candidates), np.bool_)
        self._rng = again(rng)
        self._pieces: list[Selection] = []

    @property
    def size(self) -> int:
        """Items chosen so far."""
        return sum(len(piece.positions) for piece in self._pieces)

    @property
    def sizes(self) -> list[int]:
        """Items of each choice so far."""
        return [len(piece.positions) for piece in self._pieces]

    def propose(self, strategy: Strategy, k: int, rows: Ints | None = None) -> Selection:
        """Let a strategy choose among the free candidates, or among some of them.

        It sees what is chosen already as in flight, so that diversity counts it as cover.

        Returns
        -------
        Selection
            Its positions are those of all candidates; without probabilities where it saw some only.
        """
        rows = np.flatnonzero(self.free) if rows is None else rows
        seen = only(self.candidates, base.wants(strategy))
        if len(rows) == len(seen):
            return strategy.select_explained(seen, k, again(self._rng))
        # Positions from here on are those of the rows.
        flight = np.flatnonzero(~self.free)
        chosen = strategy.select_explained(as_in_flight(seen, flight).take(rows), k, again(self._rng))
        return replace(chosen, positions=rows[chosen.positions], drawn=None)

    def accept(
        self, chosen: Selection, *, part: str, keep: NDArray[np.bool_] | None = None, note: str = ""
    ) -> None:
        """Take a proposal, or some of it.

        Parameters
        ----------
        chosen : Selection
            Positions of all candidates.
        part : str
            Which part chose it; where the choice has parts of its own, those stand.
        keep : bool (k,), optional
            The picks to take.
        note : str
            What is added to each pick's part.
        """
        index = np.flatnonzero(np.ones(len(chosen.positions), np.bool_) if keep is None else keep)
        parts = np.full(len(index), part, object) if chosen.parts is None else chosen.parts[index]
        if note:
            parts = np.array([f"{one}, {note}" for one in parts], object)
        self._pieces.append(
            selection(
                chosen.positions[index],
                chosen.scores[index],
                parts=parts,
                clusters=None if chosen.clusters is None else chosen.clusters[index],
                drawn=None if chosen.drawn is None else chosen.drawn[index],
            )
        )
        self.free[chosen.positions[index]] = False

    def result(self, order: Ints | None = None, *, parts: bool = True, drawn: bool = False) -> Selection:
        """Put the batch together.

        Parameters
        ----------
        order : int64 (k,), optional
            Order of worth of all picks, as they lie one choice after the other.
        parts : bool
            Whether the batch tells its parts.
        drawn : bool
            Whether probabilities of the choices stand: only where those saw all candidates.
        """
        if order is None:
            order = np.arange(self.size)
        return selection(
            _joined([piece.positions for piece in self._pieces], np.int64)[order],
            _joined([piece.scores for piece in self._pieces], np.float32)[order],
            clusters=self._clusters(order),
            parts=_joined([piece.parts for piece in self._pieces], object)[order] if parts else None,
            drawn=self._drawn(order) if drawn else None,
        )

    def _clusters(self, order: Ints) -> Ints | None:
        """Give the clusters of all choices numbers of their own."""
        if all(piece.clusters is None for piece in self._pieces):
            return None
        found, start = [], 0
        for piece in self._pieces:
            own = np.full(len(piece.positions), -1) if piece.clusters is None else piece.clusters
            found.append(np.where(own >= 0, own + start, -1))
            start += int(own.max(initial=-1)) + 1
        return np.asarray(_joined(found, np.int64)[order], np.int64)

    def _drawn(self, order: Ints) -> NDArray[np.float64] | None:
        if all(piece.drawn is None for piece in self._pieces):
            return None
        found = [
            np.full(len(piece.positions), np.nan) if piece.drawn is None else piece.drawn
            for piece in self._pieces
        ]
        return np.asarray(_joined(found, np.float64)[order], np.float64)


def only(candidates: Candidates, fields: frozenset[str]) -> Candidates:
    """Leave out what a strategy does not read, which need not be copied for it."""
    return Candidates(candidates.ids, **{name: getattr(candidates, name) for name in fields})


def as_in_flight(candidates: Candidates, positions: Ints) -> Candidates:
    """Count candidates as known and in flight; they stay candidates.

    A ``known_...`` field that was not given stays so where others are: what describes some of the known
    items only would not fit together.
    """
    if not len(positions):
        return candidates
    before, changes = candidates.n_known, dict[str, Any]()
    new: dict[str, Any] = {
        "known_features": None if candidates.features is None else candidates.features[positions],
        "known_proba": None if candidates.proba is None else candidates.proba[positions],
        "known_classes": np.full(len(positions), -1, np.int64),
        "known_sources": np.full(len(positions), "", object),
        "known_content": None if candidates.content is None else candidates.content[positions],
    }
    for name, rows in new.items():
        old = getattr(candidates, name)
        if rows is None or (old is None and before):
            changes[name] = None
        else:
            changes[name] = rows if old is None else np.concatenate([old, rows])
    return replace(candidates, **changes)


def _joined(arrays: Sequence[Any], dtype: Any) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *arrays]) if len(arrays) else np.zeros(0, dtype)
