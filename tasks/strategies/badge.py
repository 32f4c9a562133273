"""BADGE on the leaves of boosted trees: items whose labels would pull hard, and at different leaves.

BADGE (Ash et al., 2020) describes an item by the gradient of its loss with the model's own answer as the label,
and seeds k-means++ (Arthur and Vassilvitskii, 2007) with these vectors: long ones are uncertain, distant ones
different. The parameters of boosted trees with a fixed structure are the values of their leaves. Leaf l of a
tree t of class c has the gradient g_c = p_c - 1{c is the likeliest class} if x falls in it, else 0. In the metric
of the Newton step, whose Hessian is H + lambda in each leaf, that is the sparse vector::

    e(x)_(t, l) = g_c(t)(x) / sqrt(H_(t, l) + lambda)    for l = l_t(x)

    |e(x) - e(z)|^2 = |e(x)|^2 + |e(z)|^2
                      - 2 sum_c g_c(x) g_c(z) sum over shared leaves of the trees of c of 1 / (H + lambda)

Two classes have one group of trees, that of class 1, and |g| = 1 - p_(1). Items on the two sides of the boundary
have gradients of opposite signs and are the farther apart the more leaves they share.

Without a leaf table it is not known which class a tree adds to: each counts for all classes and all leaves weigh
the same. That is the outer product of p - onehot(argmax p) with the indicators of the leaves, BADGE with the
indicators in place of a network's last layer. For two classes it differs only by H + lambda.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.models.leaves import LeafTable
from tasks.pool.sampling import hash_ids
from tasks.strategies.base import Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranking import check_size, tie_key
from tasks.strategies.seeding import seed_far_apart
from tasks.strategies.uncertainty import check_proba, margin

Floats = NDArray[np.float32]
Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]
Leaves = NDArray[np.integer[Any]]

_LEAST_SHORTLIST = 5_000
# Numbers held at once: 8 MB.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Badge(Selecting):
    """k-means++ seeds of the candidates' gradients in the leaves of the model.

    The first pick has the longest vector, each further one is drawn with probability proportional to the squared
    distance to the nearest pick. Where all distances are 0 the rest comes by margin. The first stage takes the
    items with the longest gradients p - onehot(argmax p). Of a selection the scores are lengths and
    distances of e(x), in the order of the picks.
    """

    name: str = "badge"
    needs: frozenset[str] = frozenset({"proba", "leaves"})
    uses: frozenset[str] = frozenset({"leaf_table"})
    score_needs: frozenset[str] = frozenset({"proba"})

    def reach(self, k: int) -> int:
        """Ten batches, and enough to be diverse where a batch is small."""
        return max(_LEAST_SHORTLIST, 10 * k)

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score by the length of the gradient at the margins; of two classes it is least confidence."""
        candidates.require(self.score_needs, self.name)
        return np.sqrt(_squared_length(gradients(candidates.proba))).astype(np.float32)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k seeds; see `Strategy.select_explained`."""
        check_size(len(candidates), k)
        candidates.require(self.needs, self.name)
        key = tie_key(rng)
        items = embed(candidates)
        hashes = hash_ids(candidates.ids, key)
        picks, distances = seed_far_apart(items, hashes, k)
        rest = np.ones(len(candidates), bool)
        rest[picks] = False
        fill = np.flatnonzero(rest)
        fill = fill[np.lexsort((hashes[fill], -margin(np.asarray(candidates.proba)[fill])))][: k - len(picks)]
        return selection(np.append(picks, fill), np.append(distances, np.zeros(len(fill))))


@dataclass(frozen=True)
class _Trees:
    """Trees that share outputs.

    Attributes
    ----------
    numbers : int64 (t,)
    outputs : slice
        Columns of the gradients that their leaves get.
    weight : float64 (t, nodes) or None
        1 / (H + lambda) of each leaf; None = all 1.
    """

    numbers: Ints
    outputs: slice
    weight: Numbers | None

    def weigh(self, nodes: Leaves) -> Numbers:
        """Look up the weights of leaves (..., t)."""
        if self.weight is None:
            return np.ones(nodes.shape)
        return np.asarray(self.weight[np.arange(len(self.numbers)), nodes])


@dataclass(frozen=True)
class LeafGradients:
    """Items as the sparse vectors e(x), of which only gradients and leaves are kept.

    Attributes
    ----------
    gradients : float64 (n, outputs)
    leaves : int (n, trees)
    groups : tuple of _Trees
    """

    gradients: Numbers
    leaves: Leaves
    groups: tuple[_Trees, ...]

    def __len__(self) -> int:
        return len(self.gradients)

    def squared_norms(self) -> Numbers:
        """Squared lengths, float64 (n,)."""
        found = np.zeros(len(self))
        step = max(1, _BLOCK // max(1, self.leaves.shape[1]))
        for start in range(0, len(self), step):
            block = slice(start, start + step)
            leaves = self.leaves[block]
            for trees in self.groups:
                length = _squared_length(self.gradients[block, trees.outputs])
                found[block] += length * trees.weigh(leaves[:, trees.numbers]).sum(axis=-1)
        return found

    def squared_distances(self, rows: Ints, others: Ints) -> Numbers:
        """Squared distances between items, float64 (rows, others).

        Exactly 0 between items of equal gradients and leaves, and never negative: sums of the same numbers in
        the same order are equal, and a sum of fewer positive numbers is not larger.
        """
        total = np.zeros((len(rows), len(others)))
        own, theirs = self.leaves[rows], self.leaves[others]
        for trees in self.groups:
            a, b = own[:, trees.numbers], theirs[:, trees.numbers]
            weights = trees.weigh(b)
            shared = np.where(a[:, None] == b, weights, 0.0).sum(axis=-1)
            alone_a = trees.weigh(a).sum(axis=-1)[:, None] - shared
            alone_b = weights.sum(axis=-1) - shared
            g, h = self.gradients[rows, trees.outputs], self.gradients[others, trees.outputs]
            apart = _squared_length(g[:, None] - h)
            total += apart * shared + _squared_length(g)[:, None] * alone_a + _squared_length(h) * alone_b
        return total


def gradients(proba: NDArray[Any] | None) -> Numbers:
    """Gradient of the loss by the margins, with the likeliest class as the label: p - onehot(argmax p).

    Parameters
    ----------
    proba : float (n, n_classes)

    Returns
    -------
    float64 (n, n_classes), or (n, 1) for two classes
        A boosted model has one output for two classes, that of class 1.

    Raises
    ------
    UsageError
        These are no probabilities.
    """
    found = check_proba(np.asarray(proba)).astype(np.float64)
    found[np.arange(len(found)), found.argmax(axis=1)] -= 1
    return found[:, 1:] if found.shape[1] == 2 else found


def embed(candidates: Candidates) -> LeafGradients:
    """Describe candidates by their gradients in the leaves.

    Raises
    ------
    UsageError
        Probabilities, leaves and leaf table are not of one model.
    """
    found, leaves, table = gradients(candidates.proba), np.asarray(candidates.leaves), candidates.leaf_table
    if table is None:
        groups: tuple[_Trees, ...] = (_Trees(np.arange(leaves.shape[1]), slice(None), None),)
    else:
        table.check(leaves)
        groups = _groups(table, np.asarray(candidates.proba).shape[1])
    return LeafGradients(found, leaves, groups)


def _groups(table: LeafTable, n_classes: int) -> tuple[_Trees, ...]:
    if table.n_classes != n_classes:
        raise UsageError(
            f"The probabilities have {n_classes} classes and the leaf table {table.n_classes}: "
            "take both from one model."
        )
    weight = 1 / table.damped
    groups = [(output, np.flatnonzero(table.group == output)) for output in range(table.n_outputs)]
    return tuple(_Trees(trees, slice(output, output + 1), weight[trees]) for output, trees in groups)


def _squared_length(vectors: Numbers) -> Numbers:
    """Sum of squares over the last axis, number by number: the same for a row wherever it stands."""
    total = np.zeros(vectors.shape[:-1])
    for output in range(vectors.shape[-1]):
        total += np.square(vectors[..., output])
    return total
