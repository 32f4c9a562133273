"""Batches with as many items of each class as can be had."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.strategies import base
from tasks.strategies.assembly import Assembly, Decorator, source_of
from tasks.strategies.base import Selection, Strategy
from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import (
    RankedByLabels,
    check_needs,
    known_labels,
    label_counts,
    predicted_classes,
    probabilities,
)
from tasks.strategies.ranked import margin
from tasks.strategies.ranking import check_size
from tasks.strategies.uncertainty import margin as closeness

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ClassBalanced(Decorator):
    """Another strategy, steered towards equally many labels of each class (as small-text's ClassBalancer).

    Each place goes to the class that has the fewest items so far - labels, what is in flight by the class
    predicted for it, and the picks of this batch by theirs - as long as it is predicted for some candidate.
    The inner strategy chooses which of them, class by class; each choice sees the earlier ones as in flight.

    The candidates come from two first stages: the inner strategy's, and one that keeps items whose predicted
    class has few labels, least certain first. Otherwise a rare class could be absent from a shortlist.

    Parameters
    ----------
    inner : Strategy
        Margin by default.
    """

    inner: Strategy = field(default_factory=margin)
    name: str = "class_balanced"

    @property
    def needs(self) -> frozenset[str]:
        """What the inner strategy needs, and probabilities."""
        return self.inner.needs | {"proba"}

    @property
    def uses(self) -> frozenset[str]:
        """What the inner strategy uses, and what is known of the classes."""
        return (super().uses | {"known_classes", "known_proba"}) - self.needs

    @property
    def stages(self) -> tuple[Strategy, ...]:
        """The inner strategy's first stages, and one that keeps rare predictions."""
        return (*base.stages(self.inner), RankedByLabels("rarest_predicted", frozenset({"proba"}), _rarity))

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does; scores, clusters and parts are the inner strategy's."""
        check_size(len(candidates), k)
        check_needs(candidates, self.needs, self.name)
        proba = probabilities(candidates)
        predicted = predicted_classes(proba)
        available = np.bincount(predicted, minlength=proba.shape[1])
        sequence = fill_rarest(_counts(candidates, proba.shape[1]), available, k)
        batch, parts = Assembly(candidates, rng), False
        for class_, share in zip(*np.unique(sequence, return_counts=True), strict=True):
            chosen = batch.propose(self.inner, int(share), np.flatnonzero(predicted == class_))
            batch.accept(chosen, part=source_of(self.inner))
            parts |= chosen.parts is not None
        # Picks lie class after class; the sequence says when each class has its turn.
        order = np.empty(k, np.int64)
        order[np.argsort(sequence, kind="stable")] = np.arange(k)
        return batch.result(order, parts=parts)


def fill_rarest(counts: Ints, available: Ints, k: int) -> Ints:
    """Give each place to the class with the fewest items so far.

    Parameters
    ----------
    counts : int64 (n_classes,)
        Items that each class has.
    available : int64 (n_classes,)
        Items that each could get; at least k in all.
    k : int

    Returns
    -------
    int64 (k,)
        The class of each place; of equally rare classes the one with the fewer candidates, then the first.
    """
    rooms = np.minimum(available, k)
    classes = np.repeat(np.arange(len(counts)), rooms)
    levels = counts[classes] + np.concatenate([np.arange(room) for room in rooms])
    return np.asarray(classes[np.lexsort((classes, available[classes], levels))[:k]], np.int64)


def _counts(candidates: Candidates, n_classes: int) -> Ints:
    """Count labels, and predictions of what is in flight."""
    counts = label_counts(candidates, n_classes)
    if candidates.known_proba is None or candidates.known_classes is None:
        return counts
    waiting = known_labels(candidates, n_classes) < 0
    likely = predicted_classes(np.asarray(candidates.known_proba)[waiting])
    return counts + np.bincount(likely, minlength=n_classes)


def _rarity(candidates: Candidates, _: int) -> Floats:
    """Score by how few labels the predicted class has, and within a class by margin."""
    proba = probabilities(candidates)
    counts = label_counts(candidates, proba.shape[1])
    rank = np.unique(-counts, return_inverse=True)[1].reshape(-1)
    return (2 * rank[predicted_classes(proba)] + closeness(proba)).astype(np.float32)
