"""No class and no group may fill the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids
from tasks.strategies.assembly import Assembly, Decorator, source_of
from tasks.strategies.base import Selection, Strategy, again, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import check_needs, predicted_classes, probabilities
from tasks.strategies.ranking import check_scores, check_size, tie_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

OVER = "over quota"


@dataclass(frozen=True)
class Quotas(Decorator):
    """Another strategy, with at most so many items of one predicted class and of one group in a batch.

    The inner strategy chooses; picks above a quota are put back, and it chooses again from the classes and
    groups with room, seeing the earlier picks as in flight. Where that leaves the batch short although
    another mix of classes and groups would fill it, the mix is found by maximum flow. Only where no mix fills
    the batch are quotas exceeded: those picks come last, and their part says "over quota".

    A uniform draw inside is uniform no more, so no pick carries a probability.

    Parameters
    ----------
    inner : Strategy
    per_class : float
        Largest share of a batch from one predicted class, above 0 and at most 1; always one item at least.
    per_group : int, optional
        Most items of a batch from one value of `Candidates.groups`.
    """

    inner: Strategy
    per_class: float = 1.0
    per_group: int | None = None
    name: str = "quotas"
    leaves_out: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.per_class <= 1:
            raise UsageError(
                f"per_class must be a share of the batch, above 0 and at most 1, not {self.per_class!r}."
            )
        whole = isinstance(self.per_group, int) and not isinstance(self.per_group, bool)
        if self.per_group is not None and not (whole and self.per_group >= 1):
            raise UsageError(
                f"per_group must be a whole number of items, at least 1, not {self.per_group!r}."
            )

    @property
    def needs(self) -> frozenset[str]:
        """What the inner strategy needs, probabilities for a class quota, groups for a group quota."""
        own = {"proba"} if self.per_class < 1 else set()
        return self.inner.needs | own | ({"groups"} if self.per_group is not None else set())

    @property
    def uses(self) -> frozenset[str]:
        """What the inner strategy uses."""
        return super().uses - self.needs

    def reach(self, k: int) -> int:
        """Ask for twice what the inner strategy wants: what is above a quota falls away."""
        return 2 * super().reach(k)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does; scores, clusters and parts are the inner strategy's."""
        check_size(len(candidates), k)
        check_needs(candidates, self.needs, self.name)
        if self.per_class == 1 and self.per_group is None:
            return self.inner.select_explained(candidates, k, rng)
        cells = self._cells(candidates, k)
        scores = self.inner.score(candidates, again(rng))
        check_scores(scores)
        ranking = _Ranking(scores, candidates, tie_key(again(rng)))
        batch, parts = Assembly(candidates, rng), False
        while batch.size < k and len(rows := cells.allowed(ranking.order)):
            chosen = batch.propose(self.inner, min(k - batch.size, len(rows)), rows)
            parts |= chosen.parts is not None
            batch.accept(chosen, part=source_of(self.inner), keep=cells.take(chosen.positions))
        if batch.size < k and len(fuller := cells.best_mix(ranking.order, k)) > batch.size:
            batch, parts = Assembly(candidates, rng), False
            batch.accept(selection(fuller, scores[fuller]), part=source_of(self.inner))
        if batch.size < k:
            chosen = batch.propose(self.inner, k - batch.size)
            batch.accept(chosen, part=source_of(self.inner), note=OVER)
            parts = True
        return batch.result(parts=parts)

    def _cells(self, candidates: Candidates, k: int) -> _Cells:
        n = len(candidates)
        classes = groups = np.zeros(n, np.int64)
        class_room = group_room = k
        if self.per_class < 1:
            classes = predicted_classes(probabilities(candidates))
            class_room = max(1, int(np.floor(self.per_class * k + 1e-9)))
        if self.per_group is not None:
            groups = _codes(np.asarray(candidates.groups))
            group_room = self.per_group
        return _Cells(classes, groups, class_room, group_room)


class _Ranking:
    """All candidates in the order of the inner strategy's first stage."""

    def __init__(self, scores: Floats, candidates: Candidates, key: int) -> None:
        self.order: Ints = np.lexsort((hash_ids(candidates.ids, key), -scores))


class _Cells:
    """Candidates by class and group, and how much room each class and group has left.

    Parameters
    ----------
    classes, groups : int64 (n,)
        Codes of each candidate.
    class_room, group_room : int
        Most items of one class, of one group.
    """

    def __init__(self, classes: Ints, groups: Ints, class_room: int, group_room: int) -> None:
        self.classes, self.groups = classes, groups
        self._limits = class_room, group_room
        self.class_room = np.full(int(classes.max(initial=0)) + 1, class_room)
        self.group_room = np.full(int(groups.max(initial=0)) + 1, group_room)
        self.free = np.ones(len(classes), np.bool_)
        self.cell = np.unique(classes * len(self.group_room) + groups, return_inverse=True)[1].reshape(-1)

    def allowed(self, order: Ints) -> Ints:
        """Give the candidates that could be taken next, of each cell no more than its group has room for.

        Those further down a cell could not all be taken anyway, and a choice full of one group would be
        put back for the most part.
        """
        room = (self.class_room[self.classes] > 0) & (self.group_room[self.groups] > 0) & self.free
        if self._limits[1] >= len(self.free):
            return np.flatnonzero(room)
        order = order[room[order]]
        return np.sort(order[_turns(self.cell[order]) < self.group_room[self.groups[order]]])

    def take(self, positions: Ints) -> NDArray[np.bool_]:
        """Take picks in their order as long as there is room; tells which, bool (k,)."""
        keep = np.zeros(len(positions), np.bool_)
        for place, position in enumerate(positions):
            class_, group = self.classes[position], self.groups[position]
            if self.class_room[class_] > 0 and self.group_room[group] > 0:
                keep[place] = True
                self.class_room[class_] -= 1
                self.group_room[group] -= 1
        self.free[positions[keep]] = False
        return keep

    def best_mix(self, order: Ints, k: int) -> Ints:
        """Find as many candidates as quotas allow, at most k, the first of `order` of each class and group.

        The numbers of each cell are a maximum flow from classes to groups.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import maximum_flow

        _, first, size = np.unique(self.cell, return_index=True, return_counts=True)
        n_classes, n_groups = len(self.class_room), len(self.group_room)
        source, sink = n_classes + n_groups, n_classes + n_groups + 1
        limit = min(k, np.iinfo(np.int32).max)
        rows = [np.full(n_classes, source), self.classes[first], n_classes + np.arange(n_groups)]
        columns = [np.arange(n_classes), n_classes + self.groups[first], np.full(n_groups, sink)]
        capacity = [np.full(n_classes, self._limits[0]), size, np.full(n_groups, self._limits[1])]
        graph = coo_array(
            (
                np.minimum(np.concatenate(capacity), limit).astype(np.int32),
                (np.concatenate(rows), np.concatenate(columns)),
            ),
            shape=(sink + 1, sink + 1),
        ).tocsr()
        flow = maximum_flow(graph, source, sink).flow.tocsr()
        wanted = np.asarray(flow[self.classes[first], n_classes + self.groups[first]]).reshape(-1)
        return np.asarray(order[_turns(self.cell[order]) < wanted[self.cell[order]]][:k], np.int64)


def _turns(codes: Ints) -> Ints:
    """Count for each element how many equal ones stand before it."""
    by_code = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    turns = np.empty(len(codes), np.int64)
    turns[by_code] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return turns


def _codes(groups: NDArray[np.generic]) -> Ints:
    """Give groups numbers in the order of their text; missing ones are a group of their own."""
    if groups.dtype == object:
        groups = np.array([str(one) for one in groups])
    return np.asarray(np.unique(groups, return_inverse=True)[1].reshape(-1), np.int64)
