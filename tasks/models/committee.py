"""Several models that vote, for query by committee.

- ``bagged``: XGBoost on bootstrap resamples (Abe and Mamitsuka, 1998). Training and prediction cost as many
  models as there are members.
- ``mixed``: XGBoost, logistic regression, extremely randomised trees and naive Bayes. All but the first on
  the CPU.
- ``prefixes``: the trained booster, cut off after ever more of its rounds, from half of them on: a virtual
  ensemble (Malinin et al., 2021). No training, and prediction of about three quarters of the members. Prefixes
  share their trees, so they disagree less than models of their own; the paper's are trained with noise
  (SGLB), which XGBoost lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.models.boosting import BoostedModel, train
from tasks.models.companions import COMPANIONS, Encoder, fit_companion
from tasks.models.device import Device

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

KINDS = ("bagged", "mixed", "prefixes")
MEMBERS = 5
LEAST, MOST = 2, 100


class Member(Protocol):
    """What votes: a `BoostedModel`, a part of one, or a companion."""

    def predict(self, X: Floats) -> Floats:
        """Predict class probabilities, float32 (n, n_classes), rows independent of each other."""


@dataclass(frozen=True)
class Prefix:
    """The first rounds of a booster as a model of its own."""

    model: BoostedModel
    rounds: int

    def predict(self, X: Floats) -> Floats:
        """Predict with the first rounds; see `BoostedModel.predict`."""
        return self.model.predict(X, iteration_range=(0, self.rounds))


@dataclass(frozen=True)
class Committee:
    """Members that vote.

    Attributes
    ----------
    kind : {'bagged', 'mixed', 'prefixes'}
    members : tuple of Member
    n_classes : int
    """

    kind: str
    members: tuple[Member, ...]
    n_classes: int

    def predict(self, X: Floats) -> Floats:
        """Predict each member's class probabilities.

        Parameters
        ----------
        X : float32 (n, d)
            NaN = missing. Rows are independent: any chunking gives the same numbers.

        Returns
        -------
        float32 (members, n, n_classes)
            In the campaign's class order; rows sum to 1.

        Raises
        ------
        UsageError
            X has another number of columns than in training, or holds infinity.
        """
        found = np.empty((len(self.members), len(X), self.n_classes), np.float32)
        for number, member in enumerate(self.members):
            found[number] = member.predict(X)
        return found


def train_committee(
    kind: str,
    X: Floats,
    y: Ints,
    *,
    n_classes: int,
    names: Sequence[str],
    types: Sequence[str],
    device: Device,
    seed: int,
    weight: NDArray[np.floating[Any]] | None = None,
    params: Mapping[str, Any] | None = None,
    members: int = MEMBERS,
    model: BoostedModel | None = None,
) -> Committee:
    """Train a committee on the labels so far.

    On the CPU the same input and seed give the same committee, so it need not be stored.

    Parameters
    ----------
    kind : {'bagged', 'mixed', 'prefixes'}
        XGBoost on resamples, models of different kinds, or parts of `model`; see `tasks.models.committee`.
    X, y, n_classes, names, types, device, seed, weight, params
        As in `tasks.models.train`. Prefixes are not trained and read none of them but `n_classes`.
    members : int
        2 to 100. A mixed committee takes its kinds in turn, from the second turn on on resamples; prefixes
        need twice as many boosting rounds.
    model : BoostedModel, optional
        The round's model. `prefixes` needs it; its last member is this model.

    Returns
    -------
    Committee

    Raises
    ------
    UsageError
        There is no such kind, the number of members is out of range, the model is missing or too short, or as
        in `tasks.models.train`.
    DeviceUnavailable
        As in `tasks.models.train`.
    """
    check_committee(kind, members)
    if kind == "prefixes":
        return Committee(kind, tuple(_prefixes(model, members)), n_classes)

    def boosted(seed: int, weight: NDArray[np.floating[Any]] | None) -> Member:
        return train(
            X, y, n_classes=n_classes, names=names, types=types, device=device,
            seed=seed, weight=weight, params=params,
        )  # fmt: skip

    rng = np.random.default_rng([int(seed) % 2**63, KINDS.index(kind)])
    if kind == "bagged":
        found = [boosted(_seed(rng), _resample(y, weight, rng)) for _ in range(members)]
        return Committee(kind, tuple(found), n_classes)
    # The first is boosted on all labels, and so refuses arrays that do not fit.
    found = [boosted(_seed(rng), weight)]
    encoder = Encoder.fit(X, types)

    def companion(name: str) -> Callable[[int, NDArray[np.floating[Any]] | None], Member]:
        return lambda seed, weight: fit_companion(name, encoder, X, y, n_classes, seed, weight)

    makers = [boosted, *(companion(name) for name in COMPANIONS)]
    for number in range(1, members):
        rows = weight if number < len(makers) else _resample(y, weight, rng)
        found.append(makers[number % len(makers)](_seed(rng), rows))
    return Committee(kind, tuple(found), n_classes)


def check_committee(kind: Any, members: Any) -> None:
    """Refuse a committee that cannot be.

    Raises
    ------
    UsageError
        There is no such kind, or the number of members is out of range.
    """
    if kind not in KINDS:
        raise UsageError(f"There is no committee of the kind {kind!r}. There are: {', '.join(KINDS)}.")
    if isinstance(members, bool) or not isinstance(members, int) or not LEAST <= members <= MOST:
        raise UsageError(f"A committee has {LEAST} to {MOST} members, not {members!r}.")


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _resample(
    y: Ints, weight: NDArray[np.floating[Any]] | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw a bootstrap sample as weights: how often each row is in it, times its own weight.

    Class by class, so that the sample holds each class that has a label as often as the labels do.
    """
    codes = np.asarray(y).reshape(-1)
    own = np.ones(len(codes)) if weight is None else np.asarray(weight, np.float64)
    if own.shape != codes.shape:
        return own  # training says what is wrong
    times = np.zeros(len(codes))
    for code in np.unique(codes):
        rows = np.flatnonzero((codes == code) & (own > 0))
        if len(rows):
            times[rows] = np.bincount(rng.integers(len(rows), size=len(rows)), minlength=len(rows))
    return times * own


def _prefixes(model: BoostedModel | None, members: int) -> Iterator[Prefix]:
    if model is None:
        raise UsageError("A committee of prefixes needs the model whose prefixes they are.")
    rounds = model.booster.num_boosted_rounds()
    if rounds < 2 * members:
        raise UsageError(
            f"A committee of {members} prefixes needs {2 * members} boosting rounds and the model has {rounds}. "
            "Set fewer members, or a larger num_boost_round."
        )
    for number in range(1, members + 1):
        yield Prefix(model, rounds // 2 + (rounds - rounds // 2) * number // members)
