"""Extremely randomised trees (Geurts, Ernst and Wehenkel, 2006): steady while labels are few, and on any table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.features.view import View
from tasks.models.base import Floats, Parts, Setting, check_width, normalised
from tasks.models.examples import Examples

Ints = NDArray[np.int64]

TREES = 200
# Below every category code and most numbers: a gap is a value of its own to a tree.
_MISSING = np.float32(-1e9)
_ROWS = 16_384
_NODE = ("left_child", "right_child", "feature", "threshold")


@dataclass(frozen=True)
class ForestModel:
    """A forest of scikit-learn's trees, kept as arrays.

    Attributes
    ----------
    view : View
    starts : int64 (trees + 1,)
        Where each tree's nodes begin.
    left_child, right_child, feature : int32 (nodes,)
    threshold : float64 (nodes,)
    value : float32 (nodes, c)
        Shares of the classes.
    classes : int64 (c,)
        Classes that have labels. The others get the probability 0.
    n_classes : int
    n_features : int
        Columns of the matrix, before the principal components join them.
    """

    kind: ClassVar[str] = "forest"
    view: View
    starts: Ints
    left_child: NDArray[np.int32]
    right_child: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    value: Floats
    classes: Ints
    n_classes: int
    n_features: int

    def predict(self, X: Floats) -> Floats:
        """Predict class probabilities; see `Core.predict`."""
        check_width(X, self.n_features)
        parts = (X[start : start + _ROWS] for start in range(0, len(X), _ROWS))
        found = [self.predict_wide(widen(self.view, part)) for part in parts]
        return np.concatenate(found) if found else np.zeros((0, self.n_classes), np.float32)

    def predict_wide(self, wide: Floats) -> Floats:
        """Predict for rows of `widen`."""
        found = np.zeros((len(wide), self.n_classes), np.float32)
        for start in range(0, len(wide), _ROWS):
            rows = _filled(wide[start : start + _ROWS])
            total = np.zeros((len(rows), len(self.classes)))
            for tree in self._trees:
                total += tree.predict(rows).reshape(total.shape)
            found[start : start + _ROWS] = normalised(total, self.classes, self.n_classes)
        return found

    @cached_property
    def _trees(self) -> list[Any]:
        """Make scikit-learn's trees again; what their prediction does not read is left at 0."""
        from sklearn.tree._tree import NODE_DTYPE, Tree

        found = []
        width = len(self.view.trees) + self.view.components.shape[1]
        counts = np.array([len(self.classes)], np.intp)
        for start, end in zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            nodes = np.zeros(end - start, NODE_DTYPE)
            for name in _NODE:
                nodes[name] = getattr(self, name)[start:end]
            values = np.ascontiguousarray(self.value[start:end, None, :], np.float64)
            tree = Tree(width, counts, 1)
            tree.__setstate__({"max_depth": 0, "node_count": end - start, "nodes": nodes, "values": values})
            found.append(tree)
        return found

    def to_parts(self) -> Parts:
        """Give sizes and nodes."""
        arrays = {name: getattr(self, name) for name in ("starts", *_NODE, "value", "classes")}
        return {"n_classes": self.n_classes, "n_features": self.n_features}, arrays

    @classmethod
    def from_parts(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]], view: View) -> ForestModel:
        """Make the model again of what `to_parts` gave."""
        sizes = {name: settings[name] for name in ("n_classes", "n_features")}
        return cls(
            view=view,
            starts=arrays["starts"],
            left_child=arrays["left_child"],
            right_child=arrays["right_child"],
            feature=arrays["feature"],
            threshold=arrays["threshold"],
            value=arrays["value"],
            classes=arrays["classes"],
            **sizes,
        )


def fit_forest(examples: Examples, setting: Setting) -> ForestModel:
    """Train on examples.

    Parameters
    ----------
    examples : Examples
        With the matrix of `widen`.
    setting : Setting
    """
    from sklearn.ensemble import ExtraTreesClassifier

    estimator = ExtraTreesClassifier(TREES, random_state=setting.seed % 2**31, n_jobs=1)
    estimator.fit(_filled(examples.X), examples.y, sample_weight=examples.weight)
    states = [one.tree_.__getstate__() for one in estimator.estimators_]
    nodes = np.concatenate([state["nodes"] for state in states])
    shares = np.concatenate([state["values"][:, 0, :] for state in states])
    return ForestModel(
        view=setting.view,
        starts=np.cumsum([0, *(len(state["nodes"]) for state in states)]).astype(np.int64),
        left_child=nodes["left_child"].astype(np.int32),
        right_child=nodes["right_child"].astype(np.int32),
        feature=nodes["feature"].astype(np.int32),
        threshold=nodes["threshold"].astype(np.float64),
        value=(shares / shares.sum(axis=1, keepdims=True)).astype(np.float32),
        classes=estimator.classes_.astype(np.int64),
        n_classes=setting.n_classes,
        n_features=len(setting.names),
    )


def widen(view: View, X: Floats, viewed: Floats | None = None) -> Floats:
    """Put the pool's principal components beside the features that trees see, float32 (n, t + r)."""
    return np.hstack([X[:, view.trees], view.project(view.transform(X) if viewed is None else viewed)])


def _filled(X: Floats) -> Floats:
    return np.where(np.isnan(X), _MISSING, X).astype(np.float32, copy=False)
