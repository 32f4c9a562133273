"""Small margins, spread over clusters, small clusters first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.strategies.base import LEAST_SHORTLIST, Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.geometry import finite, squared_distances
from tasks.strategies.ranked import uniform
from tasks.strategies.ranking import check_size, tie_key, top
from tasks.strategies.uncertainty import margin

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Average linkage needs the square of these in memory, whatever the number of candidates.
_LINKED = 1_000


@dataclass(frozen=True)
class ClusterMargin(Selecting):
    """Items of small margin from clusters in turn (Citovsky et al., NeurIPS 2021).

    The candidates are clustered by average linkage: a hashed sample of 1,000, and each other item joins the
    cluster whose centre is nearest. The `factor` x k items of the smallest margin are grouped by cluster; the
    clusters are visited in turn, those that hold fewest first, one item each time, until the batch is full.
    With ``factor = 1`` it is margin. The paper clusters the pool once; here it is the shortlist of the round,
    so that nothing has to be remembered.

    Attributes
    ----------
    factor : float
        Items of small margin for each place of the batch (k_m / k of the paper); at least 1.
    clusters : int, optional
        How many clusters, 1 to 1,000; a tenth of the candidates by default. Fewer where there are fewer
        distinct ones.
    """

    factor: float = 3.0
    clusters: int | None = None
    name: str = "cluster_margin"
    needs: frozenset[str] = frozenset({"proba", "features"})
    score_needs: frozenset[str] = frozenset({"proba"})

    def __post_init__(self) -> None:
        if not self.factor >= 1:
            raise UsageError(f"factor must be at least 1 candidate for each place, not {self.factor}.")
        if self.clusters is not None and not 1 <= self.clusters <= _LINKED:
            raise UsageError(f"clusters must be 1 to {_LINKED}, not {self.clusters}.")

    def reach(self, k: int) -> int:
        """Take in the items of small margin, and room for what else is taken out of them."""
        return max(LEAST_SHORTLIST, int(np.ceil(2 * self.factor * k)))

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score by the margin."""
        candidates.require(self.score_needs, self.name)
        return margin(np.asarray(candidates.proba))

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k items, clusters in turn; the score is the margin's."""
        check_size(len(candidates), k)
        candidates.require(self.needs, self.name)
        key = tie_key(rng)
        scores = self.score(candidates, rng)
        near = top(scores, candidates.ids, min(len(candidates), int(np.ceil(self.factor * k))), key)
        features = finite(candidates.features, "features")
        if k == 0:
            return selection([], [], clusters=np.zeros(0, np.int64))
        number = self.clusters or max(1, min(_LINKED, len(candidates) // 10))
        drawn = top(uniform(candidates, key), candidates.ids, min(len(candidates), _LINKED), key)
        clusters = _nearest(features[near], _centres(features[drawn], number))
        chosen = _in_turn(clusters, k)
        return selection(near[chosen], scores[near[chosen]], clusters=clusters[chosen])


def _centres(sample: Floats, k: int) -> Floats:
    """Cluster rows, in an order of their own, by average linkage; give the clusters' means, float32 (<= k, e)."""
    distinct = np.unique(sample, axis=0)
    if len(distinct) <= k:
        return distinct
    from sklearn.cluster import AgglomerativeClustering
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        found = AgglomerativeClustering(k, linkage="average").fit_predict(sample)
    sums = np.zeros((k, sample.shape[1]))
    np.add.at(sums, found, sample)
    return np.asarray(sums / np.bincount(found, minlength=k)[:, None], np.float32)


def _nearest(rows: Floats, centres: Floats) -> Ints:
    """Find the nearest centre of each row, row by row: the same wherever the row stands."""
    best = np.zeros(len(rows), np.int64)
    least = squared_distances(rows, centres[0])
    for number, centre in enumerate(centres[1:], start=1):
        distance = squared_distances(rows, centre)
        nearer = distance < least
        best[nearer], least[nearer] = number, distance[nearer]
    return best


def _in_turn(clusters: Ints, k: int) -> Ints:
    """Take from clusters in turn, the smallest first; items of a cluster come in their own order."""
    size = np.bincount(clusters)
    by_cluster = np.argsort(clusters, kind="stable")
    turn = np.empty(len(clusters), np.int64)
    turn[by_cluster] = np.arange(len(clusters)) - np.repeat(np.cumsum(size) - size, size)
    first = np.full(len(size), len(clusters))
    np.minimum.at(first, clusters, np.arange(len(clusters)))
    return np.lexsort((first[clusters], size[clusters], turn))[:k].astype(np.int64)
