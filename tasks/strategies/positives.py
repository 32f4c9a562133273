"""Find items of classes that have hardly a label, before asking where the boundary is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.strategies import base
from tasks.strategies.apportion import in_turn, largest_remainder
from tasks.strategies.assembly import Assembly, Decorator, source_of
from tasks.strategies.base import Selection, Strategy, again
from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import RankedByLabels, check_needs, label_counts, probabilities
from tasks.strategies.cluster import ClusterCover
from tasks.strategies.ranked import Ranked, margin, random
from tasks.strategies.ranking import check_size, tie_key
from tasks.strategies.uncertainty import margin as closeness

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Positives(Decorator):
    """Another strategy, with a share of each batch searching for classes that have too few labels.

    While a class has fewer than `least` labels, `share` of the batch, split evenly over such classes, goes to
    the items with the highest probability of it (certainty sampling); the rest is the inner strategy's. Once
    every class has enough, the batch is the inner strategy's alone.

    A class without a single label has no probability that means anything: a model fitted without the class
    gives it noise. Certainty sampling, AnchorAL and SEALS all start from a positive. Its part of the share
    covers what the labels have not reached, a cluster an item (`ClusterCover`), or is random where there are
    no features.

    Parameters
    ----------
    inner : Strategy
        Margin by default.
    least : int
        Labels from which on a class needs no search; at least 1.
    share : float
        Of the batch, above 0 and at most 1. The odd item is rounded up or down at random, so that batches of
        one keep the share over the rounds.
    """

    inner: Strategy = field(default_factory=margin)
    least: int = 5
    share: float = 0.5
    name: str = "positives"

    def __post_init__(self) -> None:
        if isinstance(self.least, bool) or not isinstance(self.least, int) or self.least < 1:
            raise UsageError(f"least must be a whole number of labels, at least 1, not {self.least!r}.")
        if not 0 < self.share <= 1:
            raise UsageError(f"share must be above 0 and at most 1, not {self.share!r}.")

    @property
    def needs(self) -> frozenset[str]:
        """What the inner strategy needs, and probabilities."""
        return self.inner.needs | {"proba"}

    @property
    def uses(self) -> frozenset[str]:
        """What the inner strategy uses, the labels, and features for classes without one."""
        return (super().uses | {"known_classes", "features", "known_features"}) - self.needs

    @property
    def stages(self) -> tuple[Strategy, ...]:
        """The inner strategy's first stages, one for certainty and a uniform one for the cover."""
        certain = RankedByLabels("certain", frozenset({"proba"}), self._certainty)
        return (*base.stages(self.inner), certain, random())

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does; scores are p_c for certain items, parts tell what searched."""
        check_size(len(candidates), k)
        check_needs(candidates, self.needs, self.name)
        start = again(rng)
        tie_key(rng)
        proba = probabilities(candidates)
        counts = label_counts(candidates, proba.shape[1])
        rare = np.flatnonzero(counts < self.least)
        if not len(rare):
            return self.inner.select_explained(candidates, k, start)
        batch = Assembly(candidates, start)
        search = min(k, int(np.floor(self.share * k + rng.random())))
        _search(batch, rare[np.argsort(counts[rare], kind="stable")], counts, search)
        sizes = [batch.size, k - batch.size]
        if sizes[1]:
            batch.accept(batch.propose(self.inner, sizes[1]), part=source_of(self.inner))
        searched = in_turn(batch.sizes[: len(batch.sizes) - bool(sizes[1])])
        order = np.concatenate([searched, np.arange(sizes[0], k)])[in_turn(sizes)]
        return batch.result(order)

    def _certainty(self, candidates: Candidates, _: int) -> Floats:
        """Score by the highest p_c of a class with few labels, over its share of the labels; else by margin.

        Over its share, so that the commonest of several rare classes does not fill the shortlist.
        """
        proba = probabilities(candidates)
        counts = label_counts(candidates, proba.shape[1])
        base_rate = (counts + 1) / (counts.sum() + len(counts))
        few = np.flatnonzero((counts > 0) & (counts < self.least))
        if not len(few):
            return closeness(proba)
        lift = np.zeros(len(proba))
        for class_ in few:
            lift = np.maximum(lift, proba[:, class_] / base_rate[class_])
        return lift.astype(np.float32)


def _search(batch: Assembly, rare: Ints, counts: Ints, k: int) -> None:
    """Spend k places on classes with few labels: the fewest labels first, unseen classes together."""
    if not k:
        return
    shares = largest_remainder(k, np.ones(len(rare)).tolist())
    unseen = int(shares[counts[rare] == 0].sum())
    if unseen:
        cover: Strategy = random() if batch.candidates.features is None else ClusterCover()
        part = f"{cover.name} for classes without a label"
        batch.accept(batch.propose(cover, unseen), part=part)
    for class_, share in zip(rare, shares, strict=True):
        if share and counts[class_]:
            batch.accept(batch.propose(_certain(int(class_)), int(share)), part=f"certain of class {class_}")


def _certain(class_: int) -> Ranked:
    """Make the strategy that takes the items with the highest probability of a class."""

    def likely(candidates: Candidates, _: int) -> Floats:
        return np.asarray(candidates.proba, np.float32)[:, class_]

    return Ranked("certain", frozenset({"proba"}), likely)
