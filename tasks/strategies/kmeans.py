"""k-means: the pool cut into as many clusters as the batch has places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tasks.strategies.base import Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.diversity import Spreading, nothing
from tasks.strategies.geometry import finite, hash_order, one_each, partition
from tasks.strategies.ranking import check_size, tie_key


@dataclass(frozen=True)
class KMeansCenters(Spreading):
    """One item of each of k clusters, the nearest to its centre, one to one; the largest clusters first.

    What is known plays no part: `ClusterCover` keeps away from it. Where there are fewer than k distinct rows
    clusters give further items in turn. The score is the share of the candidates in the item's cluster.
    """

    name: str = "kmeans"
    uses: ClassVar[frozenset[str]] = frozenset()

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k items, those of the largest clusters first; see `Strategy.select_explained`."""
        candidates.require(self.needs, self.name)
        check_size(len(candidates), k)
        key, seed = tie_key(rng), int(rng.integers(2**31))
        rows = finite(candidates.features, "features")
        if k == 0:
            return nothing()
        order = hash_order(candidates.ids, key)
        clusters, _, distances = partition(rows[order], k, seed)
        chosen, numbers = one_each(clusters, distances, k)
        shares = np.bincount(clusters)[numbers] / len(rows)
        return selection(order[chosen], shares, clusters=numbers)
