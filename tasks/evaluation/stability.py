"""How much the predictions of successive models differ on the same items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Stability:
    """What a round's model says of the fixed sample of the pool, held against the round before.

    Attributes
    ----------
    uncertainty : float
        `mean_uncertainty` of the newer model over its whole sample.
    kappa, changed : float or None
        Agreement with the older model, and the share of items that changed their prediction; None without one.
    items : int
        Items that both models predicted.
    """

    uncertainty: float
    kappa: float | None = None
    changed: float | None = None
    items: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give all by name, in plain types."""
        return asdict(self)


def stability(
    ids: Sequence[str],
    proba: ArrayLike,
    before_ids: Sequence[str] | None = None,
    before_proba: ArrayLike | None = None,
    *,
    several: bool = False,
) -> Stability:
    """Hold a model's predictions against those of the model before.

    Parameters
    ----------
    ids, before_ids : sequence of str (n,), (m,)
        The fixed sample of the pool; where the pool grew, only items of both samples are compared.
    proba, before_proba : float (n, n_classes), (m, n_classes)
    several : bool
        Whether an item may have several classes.
    """
    found = mean_uncertainty(proba, several=several)
    if before_ids is None or before_proba is None:
        return Stability(found)
    new, old = shared_rows(ids, before_ids)
    if not len(new):
        return Stability(found)
    ours = predictions(np.asarray(proba)[new], several=several)
    theirs = predictions(np.asarray(before_proba)[old], several=several)
    return Stability(found, kappa(theirs, ours), changed_share(theirs, ours), len(new))


def predictions(proba: ArrayLike, *, several: bool = False) -> Ints:
    """Give the predicted class, int64 (n,), or for each class whether it is predicted, int64 (n, n_classes)."""
    p = np.asarray(proba)
    found = p >= 0.5 if several else p.argmax(axis=1)
    return np.asarray(found, np.int64)


def kappa(one: ArrayLike, other: ArrayLike) -> float:
    """Compute Cohen's kappa (1960) between two models' predictions.

    Parameters
    ----------
    one, other : int (n,), or (n, n_classes) of 0 and 1
        Classes, or for each class whether an item has it: then the mean over the classes.

    Returns
    -------
    float
        (agreement - expected) / (1 - expected), where expected is the agreement of two that predict the same shares
        at random. Identical predictions of a single class would be 0 / 0: they agree, so it is 1.

    Raises
    ------
    UsageError
        The predictions are not of the same items, or of none.
    """
    a, b = _pair(one, other)
    if a.ndim == 2:
        return float(np.mean([_kappa(left, right) for left, right in zip(a.T, b.T, strict=True)]))
    return _kappa(a, b)


def changed_share(one: ArrayLike, other: ArrayLike) -> float:
    """Give the share of items whose prediction differs; of sets, that differ in any class."""
    a, b = _pair(one, other)
    differs = a != b
    return float(differs.any(axis=1).mean() if a.ndim == 2 else differs.mean())


def mean_uncertainty(proba: ArrayLike, *, several: bool = False) -> float:
    """Average 1 - the top probability: the share of its predictions that the model itself expects to be wrong.

    With several classes to an item, the average of min(p, 1 - p) over items and classes. NaN without items.
    """
    p = np.asarray(proba, np.float64)
    if not p.size:
        return float("nan")
    return float(np.minimum(p, 1 - p).mean() if several else (1 - p.max(axis=1)).mean())


def shared_rows(ids: Sequence[str], before: Sequence[str]) -> tuple[Ints, Ints]:
    """Give the rows of items that two samples share: in the first, and of the same items in the second."""
    place = {item: row for row, item in enumerate(before)}
    pairs = [(row, place[item]) for row, item in enumerate(ids) if item in place]
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]


def _pair(one: ArrayLike, other: ArrayLike) -> tuple[Ints, Ints]:
    a, b = np.asarray(one), np.asarray(other)
    if a.shape != b.shape or a.ndim not in (1, 2) or not a.size:
        raise UsageError(
            f"Predictions of shape {a.shape} and {b.shape} are not of the same items, or of none."
        )
    return a.astype(np.int64), b.astype(np.int64)


def _kappa(a: Ints, b: Ints) -> float:
    agreement = float(np.mean(a == b))
    if agreement == 1:
        return 1.0
    classes = int(max(a.max(), b.max())) + 1
    shares = [np.bincount(codes, minlength=classes) / len(codes) for codes in (a, b)]
    expected = float(shares[0] @ shares[1])
    # Not all agree, so the two do not predict one class alone and less than 1 is expected.
    return (agreement - expected) / (1 - expected)
