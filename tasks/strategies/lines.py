"""Items on a line from the surest of a class to the least sure, where GALAXY and DIRECT look for the boundary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import known_labels, probabilities
from tasks.strategies.geometry import hash_order
from tasks.strategies.uncertainty import margin

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Line:
    """Candidates and known items in falling order of one class.

    Attributes
    ----------
    items : int64 (nodes,)
        The candidate at each node, -1 for a known item.
    signs : int8 (nodes,)
        1 where the node's label is the class, -1 where it is another, 0 without a label: candidates and what
        is in flight.
    nodes : int64 (n,)
        The node of each candidate.
    """

    items: Ints
    signs: NDArray[np.int8]
    nodes: Ints

    @property
    def labelled(self) -> Ints:
        """Nodes with a label, from the top."""
        return np.flatnonzero(self.signs)


class Lines:
    """The lines of all classes; each is sorted when it is first asked for.

    Of two classes one line is enough, since the other is its reverse. Candidates are numbered in the order of
    their hashes, so that equal probabilities do not stand in the order of the rows.

    Parameters
    ----------
    candidates : Candidates
        `proba` is needed. Without `known_proba` no line has a label.
    key : int
        From `tie_key`.

    Attributes
    ----------
    order : int64 (n,)
        Row of each numbered candidate.
    counts : int64 (n_classes,)
        Labels of each class on the lines.
    classes : int64
        Classes that have a line, the rarest first.
    """

    def __init__(self, candidates: Candidates, key: int) -> None:
        proba = probabilities(candidates)
        self.order = hash_order(candidates.ids, key)
        self._proba = proba[self.order]
        n_classes = proba.shape[1]
        self._known_proba, self._known = np.zeros((0, n_classes), np.float32), np.zeros(0, np.int64)
        if candidates.known_proba is not None and candidates.known_classes is not None:
            known = known_labels(candidates, n_classes)
            by_class = np.argsort(known, kind="stable")
            self._known = known[by_class]
            self._known_proba = np.asarray(candidates.known_proba, np.float32)[by_class]
            margin(self._known_proba)  # refuses NaN
        self.counts = np.bincount(self._known[self._known >= 0], minlength=n_classes).astype(np.int64)
        rarest = np.argsort(self.counts, kind="stable")
        self.classes = rarest if n_classes > 2 else rarest[:1]
        self._largest = self._proba.max(axis=1), self._known_proba.max(axis=1, initial=0)
        self._made: dict[int, Line] = {}

    def __len__(self) -> int:
        return len(self.classes)

    def __iter__(self) -> Iterator[Line]:
        return (self.of(int(one)) for one in self.classes)

    def of(self, class_: int) -> Line:
        """Give the line of a class."""
        if class_ not in self._made:
            self._made[class_] = self._sorted(class_)
        return self._made[class_]

    def _sorted(self, class_: int) -> Line:
        """Sort by p_c - max p, and where the class is the likeliest by p_c.

        Known items stand first among equals, those of equal place and label being alike.
        """
        known = _places(self._known_proba[:, class_], self._largest[1])
        places = np.concatenate([known, _places(self._proba[:, class_], self._largest[0])])
        by_place = np.argsort(-places, kind="stable")
        own = np.where(self._known == class_, 1, -1) * (self._known >= 0)
        signs = np.concatenate([own, np.zeros(len(self.order))]).astype(np.int8)[by_place]
        items = np.maximum(by_place - len(known), -1)
        nodes = np.empty(len(self.order), np.int64)
        at = np.flatnonzero(items >= 0)
        nodes[items[at]] = at
        return Line(items, signs, nodes)


def _places(p: Floats, largest: Floats) -> Floats:
    return np.where(p >= largest, p, p - largest)
