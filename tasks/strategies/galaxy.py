"""GALAXY: bisect between labels of different classes on the line of each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.strategies.base import Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import BY_LABELS, balanced_margin
from tasks.strategies.lines import Line, Lines
from tasks.strategies.ranking import check_size, tie_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Galaxy(Selecting):
    """GALAXY (Zhang, Katz-Samuels and Nowak, 2022), for batches whose labels come later.

    Each class has a line of all items, from the surest of it to the least sure. For each place in the batch a
    class is drawn at random. Of the neighbouring labels on its line that differ, one of the class and one of
    another, the pair with the fewest free items between is bisected; where nothing is left between any, the
    free item nearest to such a change is taken. Batches so hold about as many items above the boundary of a
    rare class as below.

    The published code reads each label as soon as it is asked for. Here what this batch chose, and what is in
    flight, is taken and without a label: the next pick between the same two labels halves the longest run of
    free items that the earlier picks left, so k picks cut the stretch into k + 1 parts where bisection would
    have needed their labels. While a class, or all others, have no label, its picks are random; so is
    everything without `known_proba` and `known_classes`.

    Memory is two numbers a candidate and class that was drawn; each line is sorted once.
    """

    name: str = "galaxy"
    needs: frozenset[str] = frozenset({"proba"})
    uses: frozenset[str] = frozenset({"known_proba", "known_classes"})
    score_needs: frozenset[str] = BY_LABELS

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score by the class-balanced margin; see `classes.balanced_margin`.

        Labels of a rare class reach far below the model's own boundary, p_c = max p, and so does the place
        where the signs on its line change; the corrected margin keeps that neighbourhood too.
        """
        candidates.require(self.needs, self.name)
        return balanced_margin(candidates)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does; scores are those of the first stage."""
        check_size(len(candidates), k)
        candidates.require(self.needs, self.name)
        lines = Lines(candidates, tie_key(rng))
        search = _Search(lines)
        chosen = [search.next(int(one)) for one in lines.classes[rng.integers(len(lines), size=k)]]
        positions = lines.order[np.array(chosen, np.int64)]
        return selection(positions, balanced_margin(candidates.take(positions)))


class _Search:
    """The picks of one batch, over the lines of all classes."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._boundaries: dict[int, _Boundary] = {}
        self._chosen: list[int] = []
        self._free = np.ones(len(lines.order), np.bool_)
        self._at = 0

    def next(self, class_: int) -> int:
        """Choose the next candidate for a class."""
        if class_ not in self._boundaries:
            self._boundaries[class_] = _Boundary(self._lines.of(class_))
        found = self._boundaries[class_].next(self._chosen)
        if found is None:
            found = self._random()
        self._chosen.append(found)
        self._free[found] = False
        return found

    def _random(self) -> int:
        """Give the first free candidate: they are numbered in the order of their hashes."""
        while not self._free[self._at]:
            self._at += 1
        return self._at


class _Boundary:
    """Where labels change on one line, and what is free between and around.

    Attributes
    ----------
    above, below : int64 (changes,)
        Nodes of neighbouring labels of which one is the class's and the other is not.
    between : int64 (changes,)
        Free candidates between them.
    taken : int64 (t,)
        Nodes without a label that are not free, rising.
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        labelled = line.labelled
        change = np.flatnonzero(line.signs[labelled[:-1]] != line.signs[labelled[1:]])
        self.above, self.below = labelled[change], labelled[change + 1]
        self.free = line.items >= 0
        total = np.concatenate([[0], np.cumsum(self.free)])
        self.between = total[self.below] - total[self.above]
        self.taken = np.flatnonzero(~self.free & (line.signs == 0))
        self._seen = 0
        self._near: _Nearest | None = None

    def next(self, chosen: list[int]) -> int | None:
        """Choose a candidate, given all that the batch holds so far; None where no labels differ."""
        if not len(self.above):
            return None
        self._take(self.line.nodes[chosen[self._seen :]])
        self._seen = len(chosen)
        open_ = np.flatnonzero(self.between)
        if len(open_):
            shortest = open_[np.argmin(self.between[open_])]
            node = self._middle(int(self.above[shortest]), int(self.below[shortest]))
        else:
            self._near = self._near or _Nearest(self)
            node = self._near.next()
        return int(self.line.items[node])

    def _take(self, nodes: Ints) -> None:
        """Count nodes as taken."""
        if not len(nodes):
            return
        self.free[nodes] = False
        self.taken = np.sort(np.concatenate([self.taken, nodes]), kind="stable")
        pair = np.searchsorted(self.above, nodes) - 1
        inside = (pair >= 0) & (nodes < self.below[pair])
        np.subtract.at(self.between, pair[inside], 1)

    def _middle(self, above: int, below: int) -> int:
        """Find the middle of the longest run of free nodes between two labels, the upper of equals."""
        first, last = np.searchsorted(self.taken, [above, below])
        ends = np.concatenate([[above], self.taken[first:last], [below]])
        run = int(np.argmax(np.diff(ends)))
        return int(ends[run] + 1 + ends[run + 1] - 1) // 2


class _Nearest:
    """The free node nearest to a change of labels, once nothing between the labels is free."""

    def __init__(self, boundary: _Boundary) -> None:
        self._boundary = boundary
        free = boundary.free
        nodes = np.arange(len(free))
        # The next free node at or above, and at or below, each node; -1 and len(free) where there is none.
        self._up = np.append(np.maximum.accumulate(np.where(free, nodes, -1)), -1)
        self._down = np.append(np.minimum.accumulate(np.where(free, nodes, len(free))[::-1])[::-1], len(free))
        self._over, self._under = self._up[boundary.above], self._down[boundary.below]

    def next(self) -> int:
        """Find the node; above a change before below it, and upper changes before lower, where equally near."""
        boundary, far = self._boundary, len(self._boundary.free)
        self._over = self._advance(self._over, self._up, -1)
        self._under = self._advance(self._under, self._down, 1)
        up = np.where(self._over >= 0, boundary.above - self._over, far)
        down = np.where(self._under < far, self._under - boundary.below, far)
        upper, lower = int(np.argmin(up)), int(np.argmin(down))
        return int(self._over[upper] if up[upper] <= down[lower] else self._under[lower])

    def _advance(self, at: Ints, table: Ints, step: int) -> Ints:
        """Move on from nodes that were taken meanwhile."""
        free = self._boundary.free
        while True:
            # Off either end there is nothing to move on from.
            taken = (at >= 0) & (at < len(free)) & ~free[np.clip(at, 0, len(free) - 1)]
            if not taken.any():
                return at
            at = np.where(taken, table[np.clip(at + step, -1, len(free))], at)
