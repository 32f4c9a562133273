"""Cover: items spread over the pool, for the rounds before a model can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.strategies.base import Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.diversity import Spreading, nothing
from tasks.strategies.geometry import finite, hash_order, known_rows, one_each, partition
from tasks.strategies.ranking import check_size, tie_key

_MOST_CLUSTERS = 500


@dataclass(frozen=True)
class ClusterCover(Spreading):
    """One item from each of k clusters: the one nearest to the cluster's centre.

    k-means on `Candidates.features`. Items that are labelled or in flight (`known_features`) are clustered
    too, one cluster more for each up to 500, so that the batch goes first where none of them is (TypiClust,
    Hacohen et al., 2022, counts and orders clusters the same way): a batch of one must not find the same few
    clusters again and again. Where fewer distinct rows than k exist, or k-means
    leaves a cluster empty, clusters give further items in turn, so that the batch is always full. The score is
    the share of the candidates in the item's cluster.
    """

    name: str = "cluster_cover"

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k items, those of the least known and largest clusters first; see `Strategy.select_explained`."""
        candidates.require(self.needs, self.name)
        check_size(len(candidates), k)
        key, seed = tie_key(rng), int(rng.integers(2**31))
        rows = finite(candidates.features, "features")
        if k == 0:
            return nothing()
        order = hash_order(candidates.ids, key)
        known = known_rows(candidates, rows.shape[1])
        number = max(k, min(k + len(known), _MOST_CLUSTERS))
        every, centres, distances = partition(np.vstack([rows[order], known]), number, seed)
        clusters = every[: len(rows)]
        of_known = np.bincount(every[len(rows) :], minlength=len(centres))
        chosen, numbers = one_each(clusters, distances[: len(rows)], k, of_known)
        shares = np.bincount(clusters)[numbers] / len(rows)
        return selection(order[chosen], shares, clusters=numbers)
