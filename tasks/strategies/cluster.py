"""Cover: items spread over the pool, for the rounds before a model can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids
from tasks.strategies.base import Selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranked import uniform
from tasks.strategies.ranking import check_size, tie_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# Multiplications of one full pass, items x clusters x dimensions, above which mini-batches take over.
_FULL_PASS = 4e9


@dataclass(frozen=True)
class ClusterCover:
    """One item from each of k clusters: the one nearest to the cluster's centre.

    k-means on `Candidates.features`. Items that are labelled or in flight (`known_features`) are clustered
    too and raise the number of clusters, so that the batch goes first where none of them is (TypiClust,
    Hacohen et al., 2022, orders clusters the same way). Where fewer distinct rows than k exist, or k-means
    leaves a cluster empty, clusters give further items in turn, so that the batch is always full.
    """

    name: str = "cluster_cover"
    needs: frozenset[str] = frozenset({"features"})

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score at random: the first stage is a uniform sample of the pool, which keeps its clusters."""
        return uniform(candidates, tie_key(rng))

    def select(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Ints:
        """Choose k items, those of the least known and largest clusters first."""
        return self.select_explained(candidates, k, rng).positions

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does; the score is the share of the candidates in the item's cluster."""
        candidates.require(self.needs, self.name)
        check_size(len(candidates), k)
        key, seed = tie_key(rng), int(rng.integers(2**31))
        if k == 0:
            none = np.zeros(0, np.int64)
            return Selection(none, np.zeros(0, np.float32), none, none)
        order = np.argsort(hash_ids(candidates.ids, key), kind="stable")
        rows = _finite(candidates.features, "features")[order]
        known = _known(candidates, rows.shape[1])
        clusters, distances = _partition(np.vstack([rows, known]), k + min(len(known), k), seed)
        chosen, numbers = _one_each_in_turn(clusters, distances, len(rows), k)
        sizes = np.bincount(clusters[: len(rows)], minlength=int(clusters.max()) + 1)
        scores = (sizes[numbers] / len(rows)).astype(np.float32)
        return Selection(order[chosen], scores, np.arange(1, k + 1, dtype=np.int64), numbers)


def _finite(features: Floats | None, name: str) -> Floats:
    array = np.ascontiguousarray(features, dtype=np.float32)
    if not np.isfinite(array).all():
        raise UsageError(
            f"{name} holds NaN or infinity; distances need FeatureSpace.embed, which fills them in."
        )
    return array


def _known(candidates: Candidates, width: int) -> Floats:
    """Distinct rows of the known items, in an order that does not depend on theirs."""
    if candidates.known_features is None or len(candidates.known_features) == 0:
        return np.zeros((0, width), np.float32)
    return np.unique(_finite(candidates.known_features, "known_features"), axis=0)


def _partition(rows: Floats, k: int, seed: int) -> tuple[Ints, Floats]:
    """Cluster rows by k-means: numbers (n,) and squared distances to the own centre (n,)."""
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    if len(distinct) <= k:
        return inverse.reshape(-1).astype(np.int64), np.zeros(len(rows), np.float32)
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    # Threads add up in the order in which they end, which would make the last bits a matter of luck.
    with threadpool_limits(limits=1):
        if float(len(rows)) * k * rows.shape[1] > _FULL_PASS:
            batch = max(4096, 2 * k)
            model = MiniBatchKMeans(k, n_init=1, random_state=seed, batch_size=batch, compute_labels=False)
            model.fit(rows)
            clusters = model.predict(rows)
        else:
            model = KMeans(k, n_init=1, max_iter=50, random_state=seed).fit(rows)
            clusters = model.labels_
        distances = np.square(rows - model.cluster_centers_[clusters]).sum(axis=1)
    return clusters.astype(np.int64), distances.astype(np.float32)


def _one_each_in_turn(clusters: Ints, distances: Floats, n: int, k: int) -> tuple[Ints, Ints]:
    """Take items from clusters in turn, nearest to the centre first.

    Parameters
    ----------
    clusters, distances
        Of candidates (the first n rows) and known items (the rest).
    n, k : int

    Returns
    -------
    positions, cluster numbers : int64 (k,)
    """
    number = int(clusters.max()) + 1
    known = np.bincount(clusters[n:], minlength=number)
    own, distances = clusters[:n], distances[:n]
    size = np.bincount(own, minlength=number)
    # Rows are in hash order: a stable sort lets the smaller hash win a tie.
    nearest = np.lexsort((np.arange(n), distances, own))
    starts = np.concatenate([[0], np.cumsum(size)[:-1]])
    turn = np.empty(n, np.int64)
    turn[nearest] = np.arange(n) - np.repeat(starts, size)
    first = np.full(number, n)
    np.minimum.at(first, own, np.arange(n))
    order = np.lexsort((first[own], -size[own], known[own], turn))[:k]
    return order.astype(np.int64), own[order]
