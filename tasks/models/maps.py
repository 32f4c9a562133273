"""Maps of class probabilities to calibrated ones, each fitted on out-of-fold scores.

Every map works row by row on float64 (n, c), so that chunks give the same numbers as the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.evaluation.measures import SMALLEST

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Parts = tuple[dict[str, Any], dict[str, NDArray[Any]]]

# Standard deviations of the priors: of the logarithm of the slope around 0, and of the biases around 0. With
# some hundred labels and few errors the likelihood alone would sharpen without end.
_SPREAD_OF_SLOPE = 0.5
_SPREAD_OF_BIAS = 1.0
_SLOPES = (float(np.log(0.1)), float(np.log(10.0)))
_LARGEST_BIAS = 5.0
# Rows that a step's mean score counts for in isotonic regression.
_ROWS_OF_SCORE = 10.0
_FLOOR = 1e-4


class Map(Protocol):
    """From probabilities to calibrated ones."""

    name: ClassVar[str]

    def apply(self, p: Doubles) -> Doubles:
        """Map rows, float64 (n, c); the results sum to 1."""

    def to_parts(self) -> Parts:
        """Give settings and arrays, for the file."""


@dataclass(frozen=True)
class Identity:
    """Probabilities as they are."""

    name: ClassVar[str] = "none"

    def apply(self, p: Doubles) -> Doubles:
        """Give the rows back."""
        return p

    def to_parts(self) -> Parts:
        """Give nothing: there is nothing to keep."""
        return {}, {}


@dataclass(frozen=True)
class Temperature:
    """One slope on all log-probabilities (Guo et al., 2017): the order of a row's classes never changes."""

    name: ClassVar[str] = "temperature"
    slope: float  # 1 / temperature

    def apply(self, p: Doubles) -> Doubles:
        """Sharpen (slope above 1) or soften."""
        return softmax(self.slope * logarithm(p))

    def to_parts(self) -> Parts:
        """Give the slope."""
        return {"slope": self.slope}, {}


@dataclass(frozen=True)
class BiasCorrected:
    """A slope and a bias a class: bias-corrected temperature scaling (Alexandari et al., 2020).

    For two classes this is Platt's scaling of the log-odds (1999).
    """

    name: ClassVar[str] = "bias_corrected"
    slope: float
    bias: Doubles  # (c,)

    def apply(self, p: Doubles) -> Doubles:
        """Sharpen or soften, and shift classes."""
        return softmax(self.slope * logarithm(p) + self.bias)

    def to_parts(self) -> Parts:
        """Give slope and biases."""
        return {"slope": self.slope}, {"bias": self.bias}


@dataclass(frozen=True)
class Isotonic:
    """Slope and biases, then a rising curve a class against the rest (Zadrozny and Elkan, 2002).

    The parametric part first, as in scaling-binning (Kumar et al., 2019): each step of the curve is drawn
    towards its mean score, which has to be a fair guess already. So no probability is 0 or 1, and few labels
    bend the curve little. Straight lines between the middles of the steps (Oron and Flournoy, 2017) keep the
    order of items within a step.
    """

    name: ClassVar[str] = "isotonic"
    slope: float
    bias: Doubles  # (c,)
    score: Doubles  # (k,) the curves' corners, class by class
    value: Doubles  # (k,)
    start: Ints  # (c + 1,) where each class begins

    def apply(self, p: Doubles) -> Doubles:
        """Read each class's curve, then make rows sum to 1."""
        scaled = softmax(self.slope * logarithm(p) + self.bias)
        mapped = np.empty(p.shape)
        for label, (a, b) in enumerate(zip(self.start[:-1], self.start[1:], strict=True)):
            mapped[:, label] = np.interp(scaled[:, label], self.score[a:b], self.value[a:b])
        return np.asarray(mapped / mapped.sum(axis=1, keepdims=True))

    def to_parts(self) -> Parts:
        """Give slope, biases and corners."""
        corners = {"score": self.score, "value": self.value, "start": self.start}
        return {"slope": self.slope}, {"bias": self.bias, **corners}


def read_map(name: str, settings: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Map:
    """Make a map again of what `to_parts` gave.

    Raises
    ------
    UsageError
        A name that this version does not know.
    """
    kinds: tuple[Any, ...] = (Identity, Temperature, BiasCorrected, Isotonic)
    for kind in kinds:
        if kind.name == name:
            found: Map = kind(**settings, **arrays)
            return found
    raise UsageError(
        f"The model holds a calibration {name!r}, which this version does not know. Fit it again."
    )


def logarithm(p: Doubles) -> Doubles:
    """Take logarithms, of 0 too."""
    return np.asarray(np.log(np.clip(p, SMALLEST, 1.0)))


def softmax(z: Doubles) -> Doubles:
    """Normalise log-probabilities by row."""
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_maps(p: Doubles, y: Ints, weight: Doubles, *, by_class: bool) -> tuple[Map, ...]:
    """Fit every map, the simplest first.

    Parameters
    ----------
    p : float64 (n, c)
    y : int64 (n,)
    weight : float64 (n,)
    by_class : bool
        Whether there are labels enough for the maps that learn something of each class.
    """
    simple = Identity(), fit_temperature(p, y, weight)
    if not by_class:
        return simple
    scaling = fit_bias_corrected(p, y, weight)
    return *simple, scaling, fit_isotonic(p, y, weight, scaling)


def fit_temperature(p: Doubles, y: Ints, weight: Doubles) -> Temperature:
    """Find the slope of the least penalised log-loss, 0.1 to 10."""
    from scipy.optimize import minimize_scalar

    logs = logarithm(p)
    own = np.arange(len(y)), y

    def loss(exponent: float) -> float:
        fitted = softmax(np.exp(exponent) * logs)[own]
        return float(-weight @ np.log(np.maximum(fitted, 1e-300)) + _penalty(exponent))

    found = minimize_scalar(loss, bounds=_SLOPES, method="bounded", options={"xatol": 1e-4})
    return Temperature(float(np.exp(found.x)))


def fit_bias_corrected(p: Doubles, y: Ints, weight: Doubles) -> BiasCorrected:
    """Find slope and biases of the least penalised log-loss; a class without a label keeps the bias 0."""
    from scipy.optimize import minimize

    logs, n_classes = logarithm(p), p.shape[1]
    own = np.arange(len(y)), y
    labelled = np.bincount(y, weight, minlength=n_classes)

    def loss(point: Doubles) -> tuple[float, Doubles]:
        slope, bias = np.exp(point[0]), point[1:]
        fitted = softmax(slope * logs + bias)
        value = -weight @ np.log(np.maximum(fitted[own], 1e-300))
        fitted *= weight[:, None]
        steep = slope * (np.vdot(fitted, logs) - weight @ logs[own]) + point[0] / _SPREAD_OF_SLOPE**2
        shift = fitted.sum(axis=0) - labelled + bias / _SPREAD_OF_BIAS**2
        prior = _penalty(point[0]) + np.square(bias).sum() / (2 * _SPREAD_OF_BIAS**2)
        return float(value + prior), np.append(steep, np.where(labelled > 0, shift, 0.0))

    bounds = [_SLOPES] + [(-_LARGEST_BIAS, _LARGEST_BIAS)] * n_classes
    found = minimize(loss, np.zeros(n_classes + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return BiasCorrected(float(np.exp(found.x[0])), np.asarray(found.x[1:], np.float64))


def _penalty(exponent: float) -> float:
    return float(exponent**2 / (2 * _SPREAD_OF_SLOPE**2))


def fit_isotonic(p: Doubles, y: Ints, weight: Doubles, scaling: BiasCorrected) -> Isotonic:
    """Fit a curve a class by pool-adjacent-violators, on top of slope and biases."""
    scaled = scaling.apply(p)
    curves = [_curve(scaled[:, label], y == label, weight) for label in range(p.shape[1])]
    start = np.concatenate([[0], np.cumsum([len(score) for score, _ in curves])]).astype(np.int64)
    score = np.concatenate([score for score, _ in curves])
    value = np.concatenate([value for _, value in curves])
    return Isotonic(scaling.slope, scaling.bias, score, value, start)


def _curve(score: Doubles, positive: NDArray[np.bool_], weight: Doubles) -> tuple[Doubles, Doubles]:
    order = np.argsort(score, kind="stable")
    x, z, w = _steps(score[order], positive[order].astype(np.float64), weight[order])
    # A step of few rows says little, and none says never or always.
    drawn = (z * w + _ROWS_OF_SCORE * x) / (w + _ROWS_OF_SCORE)
    x, z, _ = _steps(x, drawn, w)
    z = np.clip(z, SMALLEST, 1 - SMALLEST)
    inside = (x > 0) & (x < 1)
    x, z = x[inside], z[inside]
    first, last = (z[0], z[-1]) if len(z) else (_FLOOR, 1 - _FLOOR)
    ends = min(_FLOOR, float(first)), max(1 - _FLOOR, float(last))
    return np.concatenate([[0.0], x, [1.0]]), np.concatenate([ends[:1], z, ends[1:]])


def _steps(x: Doubles, z: Doubles, w: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Pool adjacent violators; give each step's mean score, its value and its weight."""
    from scipy.optimize import isotonic_regression

    # Equal scores are one observation: their order must not matter.
    first = np.flatnonzero(np.append(True, np.diff(x) > 0))
    total = np.add.reduceat(w, first)
    fitted = isotonic_regression(np.add.reduceat(w * z, first) / total, weights=total)
    blocks = fitted.blocks[:-1]
    weights = np.add.reduceat(total, blocks)
    middle = np.add.reduceat(np.add.reduceat(w * x, first), blocks) / weights
    return middle, np.asarray(fitted.x[blocks], np.float64), weights
