"""Linear model, trees and forest in one: what each is good at, for as long as it is.

The linear model's log-probabilities join the features of XGBoost (Wolpert, 1992, "Stacked generalization"); of the
rows that XGBoost trains on they come from linear models that did not see them. The pool's principal components join
them too. The answer is a mean of the linear model, the boosted trees and a forest, weighted by how probable each
made the labels that it had not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.features.view import View
from tasks.models.base import Core, Floats, Parts, Setting, check_width, normalised
from tasks.models.boosting import BoostedModel, fit_on
from tasks.models.device import Device
from tasks.models.examples import Examples
from tasks.models.forest import ForestModel, widen
from tasks.models.linear import LinearModel

Doubles = NDArray[np.float64]

MEMBERS = ("linear", "forest", "xgboost")
# Pseudo-counts of each member: with few labels the weights stay near even.
_EVEN = 5.0
_STEPS = 100
# A member below this share costs more than it gives.
_LEAST_SHARE = 0.02
_ROWS = 16_384
_SMALLEST = 1e-4
_POWERS = np.exp(np.linspace(np.log(0.25), np.log(4.0), 33))
_CAUTION = 2.0


@dataclass(frozen=True)
class StackedModel:
    """The members and their shares.

    Attributes
    ----------
    view : View
    linear : LinearModel
    boosted : BoostedModel
        On the matrix of `widen` and the linear model's log-probabilities.
    forest : ForestModel or None
        On the matrix of `widen`; None where its share would be next to nothing.
    shares : float64 (3,)
        Of the linear model, the forest and the boosted trees; sum 1.
    powers : float64 (3,)
        Of their probabilities before they are mixed, see `sharpened`.
    """

    kind: ClassVar[str] = "stacked"
    view: View
    linear: LinearModel
    boosted: BoostedModel
    forest: ForestModel | None
    shares: Doubles
    powers: Doubles

    @property
    def n_classes(self) -> int:
        """Classes of the campaign."""
        return self.linear.n_classes

    def predict(self, X: Floats) -> Floats:
        """Predict class probabilities; see `Core.predict`."""
        check_width(X, self.linear.n_features)
        found = np.zeros((len(X), self.n_classes), np.float32)
        for start in range(0, len(X), _ROWS):
            found[start : start + _ROWS] = self._predict(X[start : start + _ROWS])
        return found

    def _predict(self, X: Floats) -> Floats:
        viewed = self.view.transform(X)
        wide = widen(self.view, X, viewed)
        linear = self.linear.predict_viewed(viewed)
        boosted = self.boosted.predict(stack(wide, linear))
        forest = None if self.forest is None else self.forest.predict_wide(wide)
        return mix((linear, forest, boosted), self.shares, self.powers)

    def to_parts(self) -> Parts:
        """Give the members' settings and arrays; the view is kept beside them."""
        settings: dict[str, Any] = {}
        arrays: dict[str, NDArray[Any]] = {"shares": self.shares, "powers": self.powers}
        members: dict[str, Core | None] = {
            "linear": self.linear, "boosted": self.boosted, "forest": self.forest,
        }  # fmt: skip
        for name, member in members.items():
            if member is not None:
                settings[name], own = member.to_parts()
                arrays |= {f"{name}.{key}": array for key, array in own.items()}
        return settings, arrays

    @classmethod
    def from_parts(
        cls, settings: dict[str, Any], arrays: dict[str, NDArray[Any]], view: View, device: Device
    ) -> StackedModel:
        """Make the model again of what `to_parts` gave."""

        def own(name: str) -> dict[str, NDArray[Any]]:
            return {key.partition(".")[2]: one for key, one in arrays.items() if key.startswith(f"{name}.")}

        forest = settings.get("forest")
        return cls(
            view=view,
            linear=LinearModel.from_parts(settings["linear"], own("linear"), view),
            boosted=BoostedModel.from_parts(settings["boosted"], own("boosted"), device),
            forest=None if forest is None else ForestModel.from_parts(forest, own("forest"), view),
            shares=arrays["shares"],
            powers=arrays["powers"],
        )


def stack(wide: Floats, proba: Floats) -> Floats:
    """Put the linear model's log-probabilities beside the rest; of two classes one says all.

    Returns
    -------
    float32 (n, t + r + c)
        Or + 1 for two classes.
    """
    told = np.log(np.maximum(proba, np.float32(1e-4)))
    if proba.shape[1] == 2:
        told = told[:, 1:] - told[:, :1]
    return np.hstack([wide, told])


def fit_on_stack(examples: Examples, proba: Floats, setting: Setting) -> BoostedModel:
    """Train the boosted trees.

    Parameters
    ----------
    examples : Examples
        With the matrix of `widen`.
    proba : float32 (r, n_classes)
        The linear model's, each row by a model that did not see it.
    """
    X = stack(examples.X, proba)
    columns = setting.view.trees.tolist()
    added = X.shape[1] - len(columns)
    names = (
        *(setting.names[column] for column in columns),
        *(f"stacked.{number}" for number in range(added)),
    )
    types = (*(setting.types[column] for column in columns), *["q"] * added)
    return fit_on(replace(examples, X=X), replace(setting, names=names, types=types))


def mix(members: Sequence[Floats | None], shares: Doubles, powers: Doubles) -> Floats:
    """Mix the members' probabilities, float32 (n, n_classes); one without a share may be None."""
    parts = [
        share * sharpened(one, power).astype(np.float64)
        for one, share, power in zip(members, shares, powers, strict=True)
        if one is not None
    ]
    return np.asarray(sum(parts), np.float32)


def sharpened(proba: Floats, power: float) -> Floats:
    """Raise probabilities to a power, row by row: above 1 they become surer, below 1 less sure.

    A mean over many trees is too modest, trees that were boosted long too sure; before they are compared and
    mixed both are brought to their best (temperature scaling; Guo et al., 2017).
    """
    raised = np.power(np.maximum(proba, np.float32(_SMALLEST)).astype(np.float64), power)
    return normalised(raised, range(proba.shape[1]), proba.shape[1])


def best_power(proba: Floats, y: NDArray[np.int64], weight: Doubles) -> float:
    """Find the power that gives rows that the model did not see the least log-loss.

    Parameters
    ----------
    proba : float32 (r, n_classes)
    y : int64 (r,)
    weight : float64 (r,)
    """
    logs = np.log(np.maximum(proba, np.float32(_SMALLEST)).astype(np.float64))
    told = logs[np.arange(len(y)), y]

    def loss(power: float) -> float:
        raised = power * logs
        top = raised.max(axis=1)
        norm = top + np.log(np.exp(raised - top[:, None]).sum(axis=1))
        # Like a few rows that say: leave it as it is.
        return float(weight @ (norm - power * told) + _CAUTION * np.log(power) ** 2)

    return float(_POWERS[int(np.argmin([loss(power) for power in _POWERS]))])


def mixing_shares(likelihoods: Doubles, weight: Doubles) -> Doubles:
    """Find the members' shares by expectation maximisation, with a Dirichlet prior that keeps them even.

    Parameters
    ----------
    likelihoods : float64 (members, r)
        The probability that each gave to each row's class, without having seen the row.
    weight : float64 (r,)

    Returns
    -------
    float64 (members,)
        Sum 1; a share below 2 % is 0.
    """
    shares = np.full(len(likelihoods), 1 / len(likelihoods))
    for _ in range(_STEPS):
        taken = shares[:, None] * likelihoods
        counts = (taken / taken.sum(axis=0) * weight).sum(axis=1) + _EVEN
        shares = counts / counts.sum()
    shares[shares < _LEAST_SHARE] = 0.0
    return np.asarray(shares / shares.sum())
