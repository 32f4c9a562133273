"""What the leaves of a boosted model hold: values, Hessian sums and, from both, gradient sums.

A leaf's value is ``w = -eta G / (H + lambda)`` with the sums G and H of the gradients and Hessians of the
training rows in it, times their weights (Chen and Guestrin, 2016, equation 5). XGBoost keeps w and H, so G
need not be summed again. With row sampling (``subsample``) the sums are those of the rows that were drawn.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

if TYPE_CHECKING:
    from tasks.models.boosting import BoostedModel

Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]

# XGBoost's floor of a Hessian.
LEAST_HESSIAN = 1e-16
# Parameters that change a leaf's value beyond the formula, and what they are when they do not.
_NOT_COVERED = {"reg_alpha": "0", "max_delta_step": "0", "monotone_constraints": "()"}


@dataclass(frozen=True)
class LeafTable:
    """Statistics of a model's leaves by tree and node; what is no leaf holds 0.

    Attributes
    ----------
    value : float64 (trees, nodes)
        What the leaf adds to the margin (log-odds, or a class's score before the softmax).
    hessian : float64 (trees, nodes)
        Sum of the Hessians of the training rows in the leaf.
    group : int64 (trees,)
        Output that the tree adds to: the class, or 0 for two classes, whose one output is that of class 1.
    round : int64 (trees,)
        Boosting round of the tree, rising from 0. Trees of a round see the same margins.
    base_margin : float64 (outputs,)
        Margin before the first tree.
    learning_rate : float
        Eta; of one tree, where rounds have several parallel ones.
    reg_lambda : float
    min_child_weight : float
        Leaves with a smaller Hessian sum have the value 0.
    class_weight : float64 (n_classes,)
        Weight of a training row by its class: 1, or ``scale_pos_weight``.
    n_classes : int
    """

    value: Numbers
    hessian: Numbers
    group: Ints
    round: Ints
    base_margin: Numbers
    learning_rate: float
    reg_lambda: float
    min_child_weight: float
    class_weight: Numbers
    n_classes: int

    @property
    def n_trees(self) -> int:
        """Trees of the model."""
        return len(self.group)

    @property
    def n_outputs(self) -> int:
        """Outputs of the model: 1 for two classes, else one a class."""
        return len(self.base_margin)

    @cached_property
    def damped(self) -> Numbers:
        """H + lambda of each leaf, float64 (trees, nodes), never 0."""
        return np.maximum(self.hessian + self.reg_lambda, LEAST_HESSIAN)

    @cached_property
    def gradient(self) -> Numbers:
        """G = -(w / eta)(H + lambda) of each leaf, float64 (trees, nodes); 0 below `min_child_weight`."""
        return -self.value / self.learning_rate * self.damped

    def check(self, leaves: NDArray[np.integer[Any]]) -> None:
        """Refuse leaves that are not of this model.

        Raises
        ------
        UsageError
            Another number of trees, or a node that no tree has.
        """
        if leaves.ndim != 2 or leaves.shape[1] != self.n_trees:
            raise UsageError(
                f"The leaves have shape {leaves.shape} and the leaf table {self.n_trees} trees: "
                "take both from one model."
            )
        nodes = self.value.shape[1]
        if leaves.size and not (leaves.min() >= 0 and leaves.max() < nodes):
            raise UsageError(
                f"The leaves are nodes {leaves.min()} to {leaves.max()} and the leaf table has 0 to "
                f"{nodes - 1}: take both from one model."
            )


def leaf_table(model: BoostedModel) -> LeafTable:
    """Read the leaves of a model.

    Parameters
    ----------
    model : BoostedModel
        Of `tasks.models.train`, or read back from its bytes.

    Raises
    ------
    UsageError
        The model is not one whose leaf values follow the formula above: trees dropped out (``dart``), no trees
        (``gblinear``), vectors in leaves (``multi_output_tree``), ``reg_alpha``, ``max_delta_step`` or
        ``monotone_constraints``; or it does not say how it was trained.
    """
    learner = json.loads(model.booster.save_raw("json"))["learner"]
    boosting = learner["gradient_booster"]
    if boosting["name"] != "gbtree":
        raise _refusal(f"the booster {boosting['name']}", "booster: gbtree")
    forest = boosting["model"]
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in forest["trees"]):
        raise _refusal("multi_output_tree", "multi_strategy: one_output_per_tree")
    params = _trained_with(learner)
    for name, neutral in _NOT_COVERED.items():
        if params[name] not in (neutral, ""):
            raise _refusal(f"{name} = {params[name]}", f"{name}: {neutral}")
    value, hessian = _padded(forest["trees"])
    starts = np.asarray(forest["iteration_indptr"], np.int64)
    base = _base_margin(learner, model.n_classes)
    return LeafTable(
        value=value,
        hessian=hessian,
        group=np.asarray(forest["tree_info"], np.int64),
        round=np.repeat(np.arange(len(starts) - 1), np.diff(starts)),
        base_margin=base,
        # XGBoost divides the step among the parallel trees of a round.
        learning_rate=float(params["learning_rate"]) / int(forest["gbtree_model_param"]["num_parallel_tree"]),
        reg_lambda=float(params["reg_lambda"]),
        min_child_weight=float(params["min_child_weight"]),
        class_weight=_class_weight(learner, model.n_classes),
        n_classes=model.n_classes,
    )


def _refusal(found: str, wanted: str) -> UsageError:
    return UsageError(
        f"The model was trained with {found}, whose leaf values do not tell the gradients in a leaf. "
        f"Train with {wanted}, or choose a strategy that needs no leaf table."
    )


def _trained_with(learner: dict[str, Any]) -> dict[str, str]:
    """Read the parameters of the training, which `train` writes into the model's attributes."""
    written = learner["attributes"].get("tree_train_param")
    if written is None:
        raise UsageError(
            "The model does not say its learning rate and regularisation: it was not trained by this "
            "version of labelrounds. Train it again."
        )
    params: dict[str, str] = json.loads(written)
    return params


def _padded(trees: list[dict[str, Any]]) -> tuple[Numbers, Numbers]:
    """Values and Hessian sums of the leaves, (trees, nodes of the largest)."""
    width = max(len(tree["left_children"]) for tree in trees)
    value, hessian = np.zeros((len(trees), width)), np.zeros((len(trees), width))
    for number, tree in enumerate(trees):
        leaf = np.flatnonzero(np.asarray(tree["left_children"]) == -1)
        value[number, leaf] = np.asarray(tree["split_conditions"])[leaf]
        hessian[number, leaf] = np.asarray(tree["sum_hessian"])[leaf]
    return value, hessian


def _base_margin(learner: dict[str, Any], n_classes: int) -> Numbers:
    """Read the base score: since XGBoost 3.1 a vector in text, of a probability for two classes."""
    text = learner["learner_model_param"]["base_score"]
    base = np.array([float(part) for part in text.strip("[]").split(",")])
    if n_classes == 2:
        return np.asarray(np.log(base / (1 - base)))
    return np.array(np.broadcast_to(base, n_classes))


def _class_weight(learner: dict[str, Any], n_classes: int) -> Numbers:
    weight = np.ones(n_classes)
    if n_classes == 2:
        weight[1] = float(learner["objective"]["reg_loss_param"]["scale_pos_weight"])
    return weight
