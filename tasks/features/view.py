"""A second look at the matrix of features: dense, scaled, without gaps, as linear models need it.

Numbers become normal scores of their ranks in the pool (as `sklearn.preprocessing.QuantileTransformer` gives them),
so that neither units nor tails matter; categories and missing values become indicators; texts and embeddings keep
their directions. All of it is fitted on the sample of the pool and sees no label, so that a few hundred labels
need not pay for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

# Values of a column between which ranks are interpolated.
_LANDMARKS = 65
# Ranks end here: normal scores of the very ends would be infinite.
_END = 1e-3
_MOST_INDICATORS = 32
# A text or an embedding weighs as much as so many numbers.
_VECTOR_VARIANCE = 16.0
_COMPONENTS = 16
_TEXT_FOR_TREES = 64
_FIT_ROWS = 10_000
# Rows that are mapped at once.
_ROWS = 16_384

_NUMBERS = ("numeric", "shape")
_VECTORS = ("text", "embedding")


@dataclass(frozen=True)
class View:
    """A fitted map from feature matrices to dense ones.

    Attributes
    ----------
    numbers : int64 (a,)
        Columns that are ranked.
    landmarks, scores : float64 (a, 65)
        Values of each, rising, and their normal scores; between them lie straight lines.
    gaps : int64 (b,)
        Columns that get an indicator of missing values.
    indicated, codes : int64 (e,)
        Column and category of each indicator.
    vectors : int64 (v,)
        Columns that keep their directions.
    centre : float64 (v,)
    scale : float64 (v,)
    mean : float64 (w,)
        Of the view, w = a + b + e + v.
    components : float64 (w, r)
        Principal components, scaled so that each varies by 1; r may be 0.
    trees : int64 (t,)
        Columns of the feature matrix that trees are grown on: all but the later directions of a text, which hold
        something for a linear model and for trees are noise.
    """

    numbers: Ints
    landmarks: Doubles
    scores: Doubles
    gaps: Ints
    indicated: Ints
    codes: Ints
    vectors: Ints
    centre: Doubles
    scale: Doubles
    mean: Doubles
    components: Doubles
    trees: Ints

    @property
    def width(self) -> int:
        """Columns of the view."""
        return len(self.mean)

    def transform(self, X: Floats) -> Floats:
        """Map a feature matrix, row by row.

        Parameters
        ----------
        X : float32 (n, d)

        Returns
        -------
        float32 (n, width)
            No NaN.
        """
        found = np.empty((len(X), self.width), np.float32)
        for start in range(0, len(X), _ROWS):
            self._fill(found[start : start + _ROWS], X[start : start + _ROWS])
        return found

    def _fill(self, found: Floats, X: Floats) -> None:
        place = 0
        for row, column in enumerate(self.numbers):
            values = X[:, column].astype(np.float64)
            scores = np.interp(values, self.landmarks[row], self.scores[row])
            # In the middle, where what is missing does no harm.
            found[:, place] = np.where(np.isnan(values), 0.0, scores)
            place += 1
        for column in self.gaps:
            found[:, place] = np.isnan(X[:, column])
            place += 1
        for column, code in zip(self.indicated, self.codes, strict=True):
            found[:, place] = X[:, column] == code
            place += 1
        vectors = (X[:, self.vectors] - self.centre) * self.scale
        found[:, place:] = np.nan_to_num(vectors, nan=0.0)

    def project(self, viewed: Floats) -> Floats:
        """Give the principal components of rows of `transform`, float32 (n, r)."""
        return project(viewed, self.mean, self.components)

    def to_parts(self) -> dict[str, NDArray[Any]]:
        """Give all arrays by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def project(rows: Floats, centre: Doubles, weights: Doubles) -> Floats:
    """Multiply rows by weights (w, r), each row by itself: what BLAS gives may depend on the rows beside it.

    Returns
    -------
    float32 (n, r)
    """
    found = np.zeros((weights.shape[1], len(rows)))
    for column, middle, own in zip(np.ascontiguousarray(rows.T), centre, weights, strict=True):
        found += own[:, None] * (column - middle)
    return np.ascontiguousarray(found.T, dtype=np.float32)


def fit_view(sample: Floats, kinds: Sequence[str]) -> View:
    """Fit a view on the pool, or on a sample of a large one.

    Parameters
    ----------
    sample : float32 (n, d)
        In an order of its own: equal rows in equal order give equal views.
    kinds : sequence of str (d,)
        The kind of block that each column comes from.
    """
    sample = sample[:_FIT_ROWS]
    vector = np.isin(kinds, _VECTORS)
    category = np.asarray([kind == "category" for kind in kinds])
    number = ~vector & ~category
    numbers, gaps = np.flatnonzero(number), []
    landmarks = np.zeros((len(numbers), _LANDMARKS))
    scores = np.zeros((len(numbers), _LANDMARKS))
    for row, column in enumerate(numbers):
        values = sample[:, column].astype(np.float64)
        present = np.sort(values[~np.isnan(values)])
        landmarks[row], scores[row] = _rank(present)
        if 0 < len(present) < len(values):
            gaps.append(column)
    indicated, codes = _indicators(sample, np.flatnonzero(category))
    vectors = np.flatnonzero(vector)
    centre, scale = _directions(sample[:, vectors], [kinds[int(column)] for column in vectors])
    width = len(numbers) + len(gaps) + len(codes) + len(vectors)
    parts = (numbers, landmarks, scores, np.array(gaps, np.int64), indicated, codes, vectors, centre, scale)
    text = np.asarray([kind == "text" for kind in kinds])
    trees = np.flatnonzero(~text | (np.cumsum(text) <= _TEXT_FOR_TREES))
    bare = View(*parts, mean=np.zeros(width), components=np.zeros((width, 0)), trees=trees)
    mean, components = _components(bare.transform(sample))
    return replace(bare, mean=mean, components=components)


def _rank(present: Doubles) -> tuple[Doubles, Doubles]:
    """Find values and their normal scores, with spread 1 and centre 0 over the values present."""
    from scipy.special import ndtri

    if not len(present):
        return np.arange(float(_LANDMARKS)), np.zeros(_LANDMARKS)
    values = np.quantile(present, np.linspace(0, 1, _LANDMARKS), method="nearest")
    # The middle of the ranks that equal values share.
    below = np.searchsorted(present, values, "left") + np.searchsorted(present, values, "right")
    scores = ndtri(np.clip(below / (2 * len(present)), _END, 1 - _END))
    got = np.interp(present, values, scores)
    return values, (scores - got.mean()) / (got.std() or 1.0)


def _indicators(sample: Floats, columns: Ints) -> tuple[Ints, Ints]:
    """List column and code of the commonest categories; codes are in the order of their frequency."""
    pairs = [
        (column, code)
        for column in columns
        for code in np.unique(sample[:, column][~np.isnan(sample[:, column])])[:_MOST_INDICATORS]
    ]
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _directions(vectors: Floats, kinds: Sequence[str]) -> tuple[Doubles, Doubles]:
    """Find the middle of each dimension, and one scale for all of a kind."""
    centre, scale = np.zeros(vectors.shape[1]), np.ones(vectors.shape[1])
    for kind in sorted(set(kinds)):
        own = np.flatnonzero([one == kind for one in kinds])
        values = vectors[:, own].astype(np.float64)
        present = ~np.isnan(values)
        count = np.maximum(present.sum(axis=0), 1)
        centre[own] = np.where(present, values, 0).sum(axis=0) / count
        total = float((np.where(present, values - centre[own], 0) ** 2).sum(axis=0) @ (1 / count))
        scale[own] = np.sqrt(_VECTOR_VARIANCE / total) if total > 0 else 1.0
    return centre, scale


def _components(viewed: Floats) -> tuple[Doubles, Doubles]:
    """Find the principal components of a view, each with spread 1 and its largest weight positive."""
    from threadpoolctl import threadpool_limits

    mean = viewed.mean(axis=0, dtype=np.float64)
    # One thread: the last bits must not depend on how many cores the machine has.
    with threadpool_limits(limits=1):
        centred = viewed - mean
        variances, directions = np.linalg.eigh(centred.T @ centred / max(len(viewed), 1))
    order = np.argsort(-variances, kind="stable")[:_COMPONENTS]
    order = order[variances[order] > 1e-6 * max(float(variances.max(initial=0.0)), 1e-12)]
    found = directions[:, order]
    largest = np.abs(found).argmax(axis=0)
    signs = np.sign(found[largest, np.arange(found.shape[1])])
    return mean, found * signs / np.sqrt(variances[order])
