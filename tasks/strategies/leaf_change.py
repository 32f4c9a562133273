"""Expected model change on boosted trees: how far an item's label would move the leaves it falls in.

The idea is expected model change (Settles, Craven and Ray, 2008) with the change of a boosted model under a
Newton step for the one new row in place of the length of a gradient: with the trees' structure fixed, the
gradient's length has the order of the margin for two classes and adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.models.leaves import LEAST_HESSIAN, LeafTable
from tasks.strategies.base import Selecting, Selection, selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranking import check_scores, check_size, tie_key, top

Floats = NDArray[np.float32]
Numbers = NDArray[np.float64]
Leaves = NDArray[np.integer[Any]]

# Rows at once: their margins and temporaries stay in the cache.
_ROWS = 8_192


@dataclass(frozen=True)
class LeafChange(Selecting):
    """The items whose label is expected to change the values of the model's leaves most.

    With H the Hessian sum of leaf ``l_t(x)``, w its value, and g, h the gradient and Hessian of x at its margin
    before tree t, label y changes the leaf by::

        dw_t(x, y) = -eta [ (G + g) / (H + h + lambda) - G / (H + lambda) ] = -(eta g + h w) / (H + h + lambda)

    and the score is ``sum_y p(y|x) sum_t |dw_t(x, y)|`` with p the model's own probabilities. It is large
    where the item is uncertain *and* its leaves are thin, which the margin does not see. For the first tree
    the change is what XGBoost's ``refresh`` updater makes of the model and the one more row; for later
    trees it leaves out that earlier leaves have moved. It takes the k highest scores and has no diversity:
    thin leaves full of near-duplicates attract it.
    """

    name: str = "leaf_change"
    needs: frozenset[str] = frozenset({"leaves", "leaf_table"})

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score row by row; see `Strategy.score`."""
        candidates.require(self.needs, self.name)
        assert candidates.leaves is not None
        assert candidates.leaf_table is not None
        return expected_change(candidates.leaf_table, candidates.leaves)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose the k highest scores, ties by the hash of the id."""
        check_size(len(candidates), k)
        key = tie_key(rng)
        scores = self.score(candidates, rng)
        check_scores(scores)
        positions = top(scores, candidates.ids, k, key)
        return selection(positions, scores[positions])


def expected_change(table: LeafTable, leaves: Leaves) -> Floats:
    """Compute the expected sum of the absolute changes of leaf values that each row's label causes.

    Parameters
    ----------
    table : LeafTable
    leaves : int (n, trees)
        Of the same model.

    Returns
    -------
    float32 (n,)
        In units of the margin, not negative.

    Raises
    ------
    UsageError
        The leaves are not of the table's model.
    """
    table.check(leaves)
    scores = np.zeros(len(leaves), np.float32)
    for start in range(0, len(leaves), _ROWS):
        block = leaves[start : start + _ROWS]
        chances = _final_chances(table, block)
        total = np.zeros(len(block))
        for output, right, wrong in leaf_changes(table, block):
            chance = chances[output]
            total += chance * np.abs(right) + (1 - chance) * np.abs(wrong)
        scores[start : start + _ROWS] = total
    return scores


def leaf_changes(table: LeafTable, leaves: Leaves) -> Iterator[tuple[int, Numbers, Numbers]]:
    """Give, tree by tree, the change of each row's leaf by one more training row like it.

    Parameters
    ----------
    table : LeafTable
    leaves : int (n, trees)

    Yields
    ------
    output : int
        The tree's output; of two classes it is 0 and means class 1.
    right, wrong : float64 (n,)
        The change where the label is the output's class, and where it is another.
    """
    columns = np.ascontiguousarray(leaves.T)
    weights = _label_weights(table)
    for trees, margins in _stages(table, columns):
        p = _chances(margins)
        for tree in trees:
            output = int(table.group[tree])
            chance = p[output]
            hessian = np.maximum(chance * (1 - chance) * (1 if table.n_outputs == 1 else 2), LEAST_HESSIAN)
            right, wrong = (
                _newton_change(table, tree, columns[tree], weight * (chance - label), weight * hessian)
                for label, weight in ((1, weights[0]), (0, weights[1]))
            )
            yield output, right, wrong


def _newton_change(table: LeafTable, tree: int, nodes: Leaves, g: Numbers, h: Numbers) -> Numbers:
    value, damped = table.value[tree][nodes], table.damped[tree][nodes]
    change = -(table.learning_rate * g + h * value) / (damped + h)
    # XGBoost leaves a leaf with too little weight at 0, before and after.
    light = table.hessian[tree][nodes] + h < table.min_child_weight
    return np.asarray(np.where(light, -value, change))


def _stages(table: LeafTable, columns: Leaves) -> Iterator[tuple[range, Numbers]]:
    """Give each round's trees and the margins before it, float64 (outputs, n)."""
    n = columns.shape[1]
    margins = np.repeat(table.base_margin[:, None], n, axis=1)
    ends = np.append(np.flatnonzero(np.diff(table.round)) + 1, table.n_trees)
    start = 0
    for end in ends.tolist():
        trees = range(start, end)
        yield trees, margins
        for tree in trees:
            margins[table.group[tree]] += table.value[tree][columns[tree]]
        start = end


def _final_chances(table: LeafTable, leaves: Leaves) -> Numbers:
    """Class probabilities of the whole model by output, float64 (outputs, n)."""
    margins = np.repeat(table.base_margin[:, None], len(leaves), axis=1)
    for tree, nodes in enumerate(np.ascontiguousarray(leaves.T)):
        margins[table.group[tree]] += table.value[tree][nodes]
    return _chances(margins)


def _chances(margins: Numbers) -> Numbers:
    """Sigmoid of one output, softmax of several; output by output, so that a row stands alone."""
    if len(margins) == 1:
        return np.asarray(1 / (1 + np.exp(-margins)))
    raised = np.exp(margins - margins.max(axis=0))
    total = np.zeros(margins.shape[1])
    for output in raised:
        total += output
    return np.asarray(raised / total)


def _label_weights(table: LeafTable) -> tuple[float, float]:
    """Weights of a new row whose label is an output's class, and is not."""
    if table.n_outputs == 1:
        return float(table.class_weight[1]), float(table.class_weight[0])
    return 1.0, 1.0
