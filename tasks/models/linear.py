"""Logistic regression on the view: the best there is of texts and embeddings while labels are few."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.features.view import View, project
from tasks.models.base import Floats, Parts, Setting, check_width, normalised
from tasks.models.examples import Examples

Doubles = NDArray[np.float64]

# Inverse strengths of the penalty that are tried, from the strongest.
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
USUAL = 1.0
_ROWS = 16_384
_ITERATIONS = 200


@dataclass(frozen=True)
class LinearModel:
    """Logistic regression, of several classes by softmax.

    Attributes
    ----------
    view : View
    weights : float64 (width, r)
        r is 1 for two classes with labels, 0 for one, else one a class.
    intercept : float64 (r,)
    classes : int64 (c,)
        Classes that have labels. The others get the probability 0.
    n_classes : int
    n_features : int
        Columns of the matrix, before the view.
    """

    kind: ClassVar[str] = "linear"
    view: View
    weights: Doubles
    intercept: Doubles
    classes: NDArray[np.int64]
    n_classes: int
    n_features: int

    def predict(self, X: Floats) -> Floats:
        """Predict class probabilities; see `Core.predict`."""
        check_width(X, self.n_features)
        return self.predict_viewed(self.view.transform(X))

    def predict_viewed(self, viewed: Floats) -> Floats:
        """Predict for rows of the view, float32 (n, width)."""
        if len(self.classes) == 1:
            return normalised(np.ones((len(viewed), 1)), self.classes, self.n_classes)
        found = np.zeros((len(viewed), self.n_classes), np.float32)
        for start in range(0, len(viewed), _ROWS):
            logits = self._logits(viewed[start : start + _ROWS])
            powers = np.exp(logits - logits.max(axis=1, keepdims=True))
            found[start : start + _ROWS] = normalised(powers, self.classes, self.n_classes)
        return found

    def _logits(self, viewed: Floats) -> Doubles:
        logits = project(viewed, self._middle, self.weights) + self.intercept
        return logits if logits.shape[1] > 1 else np.column_stack([np.zeros(len(logits)), logits])

    @cached_property
    def _middle(self) -> Doubles:
        return np.zeros(len(self.weights))

    def to_parts(self) -> Parts:
        """Give sizes and weights; the view is kept beside them."""
        settings = {"n_classes": self.n_classes, "n_features": self.n_features}
        return settings, {"weights": self.weights, "intercept": self.intercept, "classes": self.classes}

    @classmethod
    def from_parts(cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]], view: View) -> LinearModel:
        """Make the model again of what `to_parts` gave."""
        weights, intercept, classes = (arrays[name] for name in ("weights", "intercept", "classes"))
        return cls(view, weights, intercept, classes, settings["n_classes"], settings["n_features"])


def fit_linear(examples: Examples, viewed: Floats, setting: Setting, strength: float) -> LinearModel:
    """Train on examples.

    Parameters
    ----------
    examples : Examples
    viewed : float32 (r, width)
        ``setting.view.transform(examples.X)``.
    setting : Setting
    strength : float
        Inverse strength of the penalty on squared weights, for a mean loss of one row.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    classes = np.unique(examples.y)
    sizes = setting.n_classes, len(setting.names)
    if len(classes) == 1:
        empty = np.zeros((viewed.shape[1], 0))
        return LinearModel(setting.view, empty, np.zeros(0), classes, *sizes)
    estimator = LogisticRegression(C=strength, max_iter=_ITERATIONS, random_state=setting.seed % 2**31)
    # Threads add up in the order in which they end, which would make the last bits a matter of luck.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Where the optimiser stops early the model is good all the same.
        warnings.filterwarnings("ignore", "lbfgs failed to converge")
        estimator.fit(viewed.astype(np.float64), examples.y, sample_weight=examples.weight)
    weights = np.ascontiguousarray(estimator.coef_.T)
    return LinearModel(setting.view, weights, estimator.intercept_, classes, *sizes)
