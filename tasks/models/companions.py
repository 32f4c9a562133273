"""Models of other kinds than the campaign's, as members of a committee."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

COMPANIONS = ("logistic", "extra_trees", "naive_bayes")

# Rows that are encoded at once.
_ROWS = 32_768
# More categories than these share one column.
_CATEGORIES = 50
# Spreads from the centre; what lies beyond would overflow the trees' float32.
_FURTHEST = 1e6
_TREES = 100
_LEAST_VARIANCE = 1e-9


@dataclass(frozen=True)
class Encoder:
    """A matrix for models that take neither missing values nor category codes.

    Numbers: the median for what is missing, a column that says so, centre 0 and spread 1. Categories: a
    column each, one for what is missing as well.

    Attributes
    ----------
    transformer : sklearn.compose.ColumnTransformer
    width : int
        Columns before encoding.
    """

    transformer: Any
    width: int

    @classmethod
    def fit(cls, X: Floats, types: Sequence[str]) -> Encoder:
        """Learn medians, spreads and categories of the labelled rows, float32 (n, d)."""
        from sklearn.compose import ColumnTransformer
        from sklearn.impute import MissingIndicator, SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        categories = [column for column, kind in enumerate(types) if kind == "c"]
        numbers = [column for column, kind in enumerate(types) if kind != "c"]
        filled = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        shown = OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=_CATEGORIES, sparse_output=False
        )
        transformer = ColumnTransformer(
            [
                ("numbers", filled, numbers),
                ("missing", MissingIndicator(error_on_new=False), numbers),
                ("categories", shown, categories),
            ],
            sparse_threshold=0,
        )
        return cls(transformer.fit(X.astype(np.float64)), X.shape[1])

    def transform(self, X: Floats) -> Doubles:
        """Encode rows, float64 (n, e), each by itself; at least one."""
        with warnings.catch_warnings():
            # A category that no labelled row has is taken for a rare one, or for none.
            warnings.filterwarnings("ignore", "Found unknown categories")
            encoded = self.transformer.transform(X.astype(np.float64))
        return np.ascontiguousarray(np.clip(encoded, -_FURTHEST, _FURTHEST), np.float64)

    def check(self, X: Floats) -> None:
        """Raise UsageError where X has another width than in training, or holds infinity."""
        if X.ndim != 2 or X.shape[1] != self.width:
            raise UsageError(
                f"The committee was trained on {self.width} features and got an array of shape {X.shape}."
            )
        if np.isinf(X).any():
            raise UsageError("The feature matrix holds infinite values; a missing value is NaN.")


@dataclass(frozen=True)
class Companion:
    """A model of scikit-learn's that gives probabilities for all classes of the campaign.

    Attributes
    ----------
    encoder : Encoder
    estimator
        Fitted; None where one class alone has labels.
    classes : int (c,)
        Classes that have labels. The others get the probability 0.
    n_classes : int
    """

    encoder: Encoder
    estimator: Any
    classes: Ints
    n_classes: int

    def predict(self, X: Floats) -> Floats:
        """Predict class probabilities, float32 (n, n_classes); see `tasks.models.Model.predict`."""
        self.encoder.check(X)
        found = np.zeros((len(X), self.n_classes), np.float32)
        if self.estimator is None:
            found[:, self.classes] = 1
            return found
        for start in range(0, len(X), _ROWS):
            rows = self.encoder.transform(X[start : start + _ROWS])
            found[start : start + _ROWS, self.classes] = _probabilities(self.estimator, rows)
        return found


def fit_companion(
    name: str,
    encoder: Encoder,
    X: Floats,
    y: Ints,
    n_classes: int,
    seed: int,
    weight: NDArray[np.floating[Any]] | None = None,
) -> Companion:
    """Train one of `COMPANIONS` on the labelled rows.

    Parameters
    ----------
    name : str
    encoder : Encoder
    X : float32 (n, d)
    y : int (n,)
    n_classes, seed : int
    weight : float (n,), optional
    """
    from threadpoolctl import threadpool_limits

    if weight is not None:
        # A class of which all rows have the weight 0 has no variance to speak of.
        X, y, weight = X[weight > 0], y[weight > 0], weight[weight > 0]
    classes = np.unique(y).astype(np.int64)
    if len(classes) == 1:
        return Companion(encoder, None, classes, n_classes)
    estimator = _MAKERS[name](seed)
    # Threads add up in the order in which they end, which would make the last bits a matter of luck.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Where the optimiser stops early the model votes all the same.
        warnings.filterwarnings("ignore", "lbfgs failed to converge")
        estimator.fit(encoder.transform(X), y, sample_weight=weight)
    if hasattr(estimator, "var_"):
        # All labelled rows alike: nothing to divide by.
        estimator.var_ = np.maximum(estimator.var_, _LEAST_VARIANCE)
    return Companion(encoder, estimator, classes, n_classes)


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300, random_state=seed)


def _extra_trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(_TREES, random_state=seed)


def _naive_bayes(seed: int) -> Any:
    from sklearn.naive_bayes import GaussianNB

    # Columns have spread 1: a tenth of that keeps a class of a few equal rows from being impossible elsewhere.
    return GaussianNB(var_smoothing=0.1)


_MAKERS: dict[str, Callable[[int], Any]] = {
    "logistic": _logistic,
    "extra_trees": _extra_trees,
    "naive_bayes": _naive_bayes,
}


def _probabilities(estimator: Any, rows: Doubles) -> Doubles:
    """Predict row by row: what BLAS or a sum over classes gives may depend on the other rows of a chunk."""
    if hasattr(estimator, "coef_"):
        return _softmax(_linear(rows, estimator.coef_, estimator.intercept_))
    if hasattr(estimator, "predict_joint_log_proba"):
        return _softmax(np.ascontiguousarray(estimator.predict_joint_log_proba(rows).T))
    return np.asarray(estimator.predict_proba(rows))


def _linear(rows: Doubles, weights: Doubles, intercept: Doubles) -> Doubles:
    """Give log-odds (classes, n); of two classes the first has 0."""
    found = np.repeat(intercept[:, None], len(rows), axis=1)
    for column, weight in zip(np.ascontiguousarray(rows.T), weights.T, strict=True):
        found += weight[:, None] * column
    return found if len(found) > 1 else np.concatenate([np.zeros_like(found), found])


def _softmax(logits: Doubles) -> Doubles:
    """Turn logarithms (classes, n) into probabilities (n, classes)."""
    powers = np.exp(logits - logits.max(axis=0))
    total = np.zeros(logits.shape[1])
    for power in powers:
        total += power
    return np.asarray((powers / total).T)
