"""What models of each kind say of rows that they did not see: one cross-validation for all that lean on it.

The strength of the linear model's penalty, the features that it gives to XGBoost, the shares of a stacked model, its
calibration, the choice among kinds and the search for wrong labels all read the same predictions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tasks.models.base import Floats, Setting
from tasks.models.boosting import BoostedModel, fit_boosted
from tasks.models.examples import Examples, folds
from tasks.models.forest import fit_forest, widen
from tasks.models.linear import STRENGTHS, USUAL, fit_linear
from tasks.models.stacked import (
    MEMBERS,
    best_power,
    fit_on_stack,
    mix,
    mixing_shares,
    sharpened,
    stack,
)

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Predict = Callable[[Floats], Floats]

KINDS = ("linear", "xgboost", "forest", "stacked")
"""All kinds, from what scores a pool fastest to what takes longest."""

_FOLDS = 5
# With fewer labelled items than this nothing can be learnt from leaving some out.
_FEWEST_ITEMS = 8
EARLY_STOPPING = 2_000
"""Labelled items from which on the boosting rounds are chosen by cross-validation."""
_STOPS = (50, 100, 150, 200, 250, 300, 400)
# Rows of which the time of a prediction is measured.
_TIMED_ROWS = 4_096
# Nats that a strength must gain over the usual one, by its distance: a few labels decide little.
_CAUTION = 0.5


@dataclass(frozen=True)
class Unseen:
    """Out-of-fold predictions.

    Attributes
    ----------
    fold : int64 (r,) or None
        None where there are too few labels for folds; `proba` is empty then.
    proba : dict of str to float32 (r, n_classes)
        By kind; of every row by models that did not see its item.
    linear : float32 (r, n_classes) or None
        The linear model's, where it was wanted or is a member of what was.
    strength : float
        Of the linear model's penalty, with the best log-loss.
    shares : float64 (3,)
        Of the members of a stacked model.
    powers : float64 (3,)
        Of their probabilities before they are mixed.
    rows_per_second : dict of str to float
        How fast a pool can be scored on this machine, by kind.
    rounds : dict of str to int
        Boosting rounds by kind, where there were enough labels to stop early.
    """

    fold: Ints | None
    proba: dict[str, Floats] = field(default_factory=dict)
    linear: Floats | None = None
    strength: float = USUAL
    shares: Doubles = field(default_factory=lambda: np.full(len(MEMBERS), 1 / len(MEMBERS)))
    powers: Doubles = field(default_factory=lambda: np.ones(len(MEMBERS)))
    rows_per_second: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """Examples as the kinds of models want them.

    Attributes
    ----------
    examples, wide : Examples
        With the matrix of features, and with that of `widen`.
    viewed : float32 (r, width)
    """

    examples: Examples
    wide: Examples
    viewed: Floats

    @classmethod
    def of(cls, examples: Examples, setting: Setting) -> Prepared:
        """Transform once what all folds read."""
        viewed = setting.view.transform(examples.X)
        X = widen(setting.view, examples.X, viewed)
        return cls(examples, Examples(X, examples.y, examples.weight, examples.item), viewed)


def crossfit(prepared: Prepared, setting: Setting, kinds: Sequence[str]) -> Unseen:
    """Predict every row by models of the wanted kinds that did not see it.

    Parameters
    ----------
    prepared : Prepared
    setting : Setting
    kinds : sequence of str
        Of `KINDS`.
    """
    examples = prepared.examples
    if examples.items < _FEWEST_ITEMS or len(np.unique(examples.y[examples.real])) < 2:
        return Unseen(None)
    run = _Run(prepared, setting, folds(examples, _FOLDS, setting.seed))
    wanted = set(kinds) | ({"linear", "forest"} if "stacked" in kinds else set())
    strength, shares, powers = USUAL, Unseen(None).shares, Unseen(None).powers
    if "linear" in wanted:
        strength = run.linear()
    if "xgboost" in wanted:
        run.boosted()
    if "forest" in wanted:
        run.forest()
    if "stacked" in wanted:
        shares, powers = run.stacked()
    return Unseen(
        run.fold,
        {kind: run.proba[kind] for kind in KINDS if kind in kinds},
        run.proba.get("linear"),
        strength,
        shares,
        powers,
        {kind: round(run.speed[kind]) for kind in KINDS if kind in kinds},
        run.rounds,
    )


class _Run:
    """A cross-validation as it goes on: predictions and speeds by kind."""

    def __init__(self, prepared: Prepared, setting: Setting, fold: Ints) -> None:
        self.prepared, self.setting, self.fold = prepared, setting, fold
        self.proba: dict[str, Floats] = {}
        self.speed: dict[str, float] = {}
        self.rounds: dict[str, int] = {}

    def linear(self) -> float:
        """Predict with every strength; keeps the best one's predictions and gives the strength."""
        tried = {}
        for strength in STRENGTHS:

            def fit(rows: Mask, strength: float = strength) -> Predict:
                part = self.prepared.examples.take(rows)
                return fit_linear(part, self.prepared.viewed[rows], self.setting, strength).predict_viewed

            tried[strength] = self._left_out("linear", fit, self.prepared.viewed)
        weight = self.prepared.examples.weight[self.prepared.examples.real]
        loss = {
            strength: float(weight @ losses(proba, self.prepared.examples))
            + _CAUTION * float(np.log(strength / USUAL)) ** 2
            for strength, proba in tried.items()
        }
        best = min(loss, key=lambda strength: loss[strength])
        self.proba["linear"] = tried[best]
        return best

    def boosted(self) -> None:
        """Predict with boosted trees on the features alone."""

        def fit(rows: Mask, setting: Setting) -> BoostedModel:
            return fit_boosted(self.prepared.examples.take(rows), setting)

        self.proba["xgboost"] = self._boosted("xgboost", fit, self.prepared.examples.X)

    def forest(self) -> None:
        """Predict with a forest."""

        def fit(rows: Mask) -> Predict:
            return fit_forest(self.prepared.wide.take(rows), self.setting).predict_wide

        self.proba["forest"] = self._left_out("forest", fit, self.prepared.wide.X)

    def stacked(self) -> tuple[Doubles, Doubles]:
        """Predict with all members together; gives their shares and powers."""
        linear, wide = self.proba["linear"], self.prepared.wide

        def fit(rows: Mask, setting: Setting) -> BoostedModel:
            return fit_on_stack(wide.take(rows), linear[rows], setting)

        boosted = self._boosted("stacked", fit, stack(wide.X, linear))
        members = (linear, self.proba["forest"], boosted)
        powers = np.array([self._power(one) for one in members])
        sharp = [sharpened(one, power) for one, power in zip(members, powers, strict=True)]
        shares = _shares(sharp, self.prepared.examples)
        self.proba["stacked"] = mix(members, shares, powers)
        parts = (self.speed["linear"], self.speed["forest"], self.speed["stacked"])
        self.speed["stacked"] = 1 / sum(1 / one for share, one in zip(shares, parts, strict=True) if share)
        return shares, powers

    def _boosted(self, kind: str, fit: Callable[[Mask, Setting], BoostedModel], X: Floats) -> Floats:
        """Predict with boosted trees; with many labels also find how many rounds are best.

        Early stopping: each fold's trees are grown long, and cut off where all folds together predict best what
        they did not see. With few labels that would choose by chance, and the usual rounds stay.
        """
        examples, setting = self.prepared.examples, self.setting
        if examples.items < EARLY_STOPPING or "num_boost_round" in setting.params:
            return self._left_out(kind, lambda rows: fit(rows, setting).predict, X)
        params = {**setting.params, "num_boost_round": _STOPS[-1]}
        found = np.zeros((len(_STOPS), len(X), setting.n_classes), np.float32)
        for number in range(_FOLDS):
            held = self.fold == number
            model = fit(~held, replace(setting, params=params))
            for place, rounds in enumerate(_STOPS):
                found[place, held] = model.predict(X[held], iteration_range=(0, rounds))
        weight = examples.weight[examples.real]
        loss = [float(weight @ losses(one, examples)) for one in found]
        best = int(np.argmin(loss))
        self.rounds[kind] = _STOPS[best]
        self._clock(kind, lambda rows: model.predict(rows, iteration_range=(0, _STOPS[best])), X)
        return np.asarray(found[best])

    def _power(self, proba: Floats) -> float:
        examples = self.prepared.examples
        real = examples.real
        return best_power(proba[real], examples.y[real], examples.weight[real])

    def _left_out(self, kind: str, fit: Callable[[Mask], Predict], X: Floats) -> Floats:
        """Predict each fold by a model of the others, and take the time of a prediction."""
        found = np.zeros((len(X), self.setting.n_classes), np.float32)
        for number in range(_FOLDS):
            held = self.fold == number
            predict = fit(~held)
            found[held] = predict(X[held])
        self._clock(kind, predict, X)
        return found

    def _clock(self, kind: str, predict: Predict, X: Floats) -> None:
        rows = np.resize(np.arange(len(X)), _TIMED_ROWS)
        begun = time.perf_counter()
        predict(X[rows])
        self.speed[kind] = _TIMED_ROWS / max(time.perf_counter() - begun, 1e-9)


def losses(proba: Floats, examples: Examples) -> Doubles:
    """Give the loss of each row of a labelled item, in nats, of predictions that did not see it.

    No probability counts as less than half a row's: of a class that a fold lacked nothing more can be said.
    """
    return -np.log(_likelihoods(proba, examples))


def _likelihoods(proba: Floats, examples: Examples) -> Doubles:
    real = examples.real
    found = proba[real, examples.y[real]].astype(np.float64)
    return np.maximum(found, 0.5 / max(int(real.sum()), 1))


def _shares(members: Sequence[Floats], examples: Examples) -> Doubles:
    likelihoods = np.stack([_likelihoods(one, examples) for one in members])
    return mixing_shares(likelihoods, examples.weight[examples.real])
