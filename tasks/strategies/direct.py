"""DIRECT: find the best threshold of each class, then label around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.strategies.apportion import largest_remainder
from tasks.strategies.base import Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import BY_LABELS, balanced_margin
from tasks.strategies.lines import Line, Lines
from tasks.strategies.ranking import check_size, tie_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Direct(Selecting):
    """DIRECT (Nuggehalli, Zhang, Jain and Nowak, 2023), with the whole batch labelled in parallel.

    Each class has a line of all items, from the surest of it to the least sure. Half the batch, shared over
    the classes with the rarest first, is drawn uniformly from the line's uncertain stretch: from the last
    label of the pure run of the class at the top to the last label of the pure run of others at the bottom.
    The other half walks outwards from the threshold that fits the labels best, upper and lower side in turn.
    In terms of the paper B1, the number of annotators who work at once, is the whole batch: one draw, and no
    shrinking of the stretch, since no label comes back before the batch is complete.

    Where several thresholds fit equally well the walk starts in the middle of the first such stretch (the
    published code starts at its top, having just narrowed it); for a class without a label at the top of its
    line, the likeliest item. Items in flight are taken and without a label.
    """

    name: str = "direct"
    needs: frozenset[str] = frozenset({"proba"})
    uses: frozenset[str] = frozenset({"known_proba", "known_classes"})
    score_needs: frozenset[str] = BY_LABELS

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score by the class-balanced margin; see `classes.balanced_margin` and `Galaxy.score`."""
        candidates.require(self.needs, self.name)
        return balanced_margin(candidates)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does: draws and walks of all classes in turn; scores are the first stage's."""
        check_size(len(candidates), k)
        candidates.require(self.needs, self.name)
        lines = Lines(candidates, tie_key(rng))
        free = np.ones(len(candidates), np.bool_)
        queues = _draws(lines, free, k // 2)
        queues += _walks(lines, free, k - sum(map(len, queues)))
        # A batch that is cut short still has something of each.
        turns = np.concatenate([np.arange(len(queue)) for queue in queues])
        chosen = np.concatenate(queues)[np.argsort(turns, kind="stable")]
        positions = lines.order[chosen]
        return selection(positions, balanced_margin(candidates.take(positions)))


def _draws(lines: Lines, free: NDArray[np.bool_], k: int) -> list[Ints]:
    """Draw from the uncertain stretch of each class, and mark what is drawn."""
    queues = []
    for line, share in zip(lines, largest_remainder(k, np.ones(len(lines)).tolist()), strict=True):
        first, last = uncertain(line)
        inside = line.items[first : last + 1]
        inside = np.sort(inside[inside >= 0])
        # Numbered in the order of their hashes, the first of the free ones are a uniform draw.
        drawn = inside[free[inside]][:share]
        free[drawn] = False
        queues.append(drawn)
    return queues


def _walks(lines: Lines, free: NDArray[np.bool_], k: int) -> list[Ints]:
    """Walk outwards from each class's threshold, and mark what is found."""
    queues = []
    for line, share in zip(lines, largest_remainder(k, np.ones(len(lines)).tolist()), strict=True):
        start = threshold(line)
        nodes = line.nodes
        # Steps from the threshold; the upper side is half a step nearer, so that it comes first.
        steps = np.where(nodes < start, 2 * (start - 1 - nodes), 2 * (nodes - start) + 1)
        left = np.flatnonzero(free)
        found = left[np.argsort(steps[left], kind="stable")[:share]]
        free[found] = False
        queues.append(found)
    return queues


def uncertain(line: Line) -> tuple[int, int]:
    """Find the stretch of a line where its class may end.

    Returns
    -------
    first, last : int
        Nodes: the last label of the class before any other, counted from the top, and the last other label
        before any of the class, counted from the bottom; the line's own ends where there are none.
    """
    labelled = line.labelled
    own = line.signs[labelled] > 0
    pure = int(np.argmin(own)) if not own.all() else len(own)
    rest = int(np.argmax(own[::-1])) if own.any() else len(own)
    first = int(labelled[pure - 1]) if pure else 0
    last = int(labelled[len(own) - rest]) if rest else len(line.signs) - 1
    return first, last


def threshold(line: Line) -> int:
    """Find the node from which on, downwards, items are best said to be of other classes.

    Returns
    -------
    int
        0 to the number of nodes: most labels of the class above it and of others from it on.
    """
    signs = line.signs.astype(np.int64)
    if not (signs > 0).any():
        return 0
    right = np.concatenate([[0], np.cumsum(signs)])
    best = right == right.max()
    first = int(np.argmax(best))
    length = int(np.argmin(best[first:])) or len(best) - first
    return first + (length - 1) // 2
