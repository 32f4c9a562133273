"""The rows that a model is trained on, and how they are parted for cross-validation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

WEAK = -1
"""The item of a row that no vendor labelled: trained on, never measured on."""


@dataclass(frozen=True)
class Examples:
    """Weighted rows with a class each.

    Attributes
    ----------
    X : float32 (r, d)
        `FeatureSpace.transform`; NaN = missing.
    y : int64 (r,)
        Class codes.
    weight : float64 (r,)
        Above 0.
    item : int64 (r,)
        Which item a row belongs to: rows of one item, as a soft label has them, stay together. `WEAK` for rows of
        weak supervision.

    Raises
    ------
    UsageError
        Arrays that do not fit together.
    """

    X: Floats
    y: Ints
    weight: Doubles
    item: Ints

    def __post_init__(self) -> None:
        n = len(self.X)
        if self.X.ndim != 2 or any(part.shape != (n,) for part in (self.y, self.weight, self.item)):
            shapes = ", ".join(str(part.shape) for part in (self.X, self.y, self.weight, self.item))
            raise UsageError(f"Rows to train on differ in number: X, y, weight and item are {shapes}.")
        if n and (not np.isfinite(self.weight).all() or self.weight.min() <= 0):
            raise UsageError("The weight of a row to train on must be a number above 0.")

    def __len__(self) -> int:
        return len(self.X)

    @classmethod
    def of(cls, X: Floats, y: Ints, confidence: NDArray[Any] | None = None, n_classes: int = 2) -> Examples:
        """Make rows of labelled items.

        Parameters
        ----------
        X : float32 (n, d)
        y : int64 (n,)
            What is believed of each item.
        confidence : float (n,), optional
            How sure that is, 0 to 1. What is missing to 1 is shared by the other classes evenly: an item with
            confidence 0.7 enters as a row of its label with the weight 0.7 and rows of the others with 0.3 in all.
            A confidence below that of a guess counts as a guess.
        n_classes : int

        Returns
        -------
        made : Examples
            The rows of the labels in the order of the items, then those of the other classes.
        """
        n = len(y)
        item = np.arange(n, dtype=np.int64)
        sure = np.ones(n) if confidence is None else np.asarray(confidence, np.float64)
        sure = np.clip(sure, 1 / n_classes, 1.0)
        doubted = np.flatnonzero(sure < 1)
        others = (y[doubted, None] + np.arange(1, n_classes)) % n_classes
        rows = np.concatenate([item, np.repeat(doubted, n_classes - 1)])
        weight = np.concatenate([sure, np.repeat((1 - sure[doubted]) / (n_classes - 1), n_classes - 1)])
        return cls(X[rows], np.concatenate([y, others.reshape(-1)]).astype(np.int64), weight, rows)

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which rows belong to labelled items, bool (r,)."""
        return np.asarray(self.item != WEAK)

    @property
    def items(self) -> int:
        """Labelled items."""
        return len(np.unique(self.item[self.real]))

    def take(self, rows: NDArray[Any]) -> Examples:
        """Give some rows, by position or mask."""
        return Examples(self.X[rows], self.y[rows], self.weight[rows], self.item[rows])

    def plus(self, other: Examples) -> Examples:
        """Put rows behind these; those of labelled items must be of other items."""
        return Examples(
            np.concatenate([self.X, other.X]),
            np.concatenate([self.y, other.y]),
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.item, other.item]),
        )

    def weighted(self, factor: Doubles) -> Examples:
        """Multiply weights, float (r,)."""
        return replace(self, weight=self.weight * factor)

    def digest(self) -> str:
        """Give a SHA-256 of all, in hexadecimal."""
        found = hashlib.sha256()
        for part in self._parts():
            found.update(str(part.shape).encode())
            found.update(np.ascontiguousarray(part).tobytes())
        return found.hexdigest()

    def _parts(self) -> tuple[Floats, Ints, Doubles, Ints]:
        return self.X, self.y, self.weight, self.item


def folds(examples: Examples, k: int, seed: int) -> Ints:
    """Part the rows into k folds with about the same classes in each; rows of one item stay together.

    Returns
    -------
    int64 (r,)
        The fold of each row, 0 to below k.
    """
    rng = np.random.default_rng([int(seed) % 2**63, k])
    found = np.zeros(len(examples), np.int64)
    # Rows of weak supervision stand alone; they are parted by themselves, so that real labels are spread evenly.
    group = np.where(examples.real, examples.item, -2 - np.arange(len(examples)))
    for part in (examples.real, ~examples.real):
        items, first, place = np.unique(group[part], return_index=True, return_inverse=True)
        main = examples.y[part][first]
        of_item = np.zeros(len(items), np.int64)
        begun = 0
        for code in np.unique(main):
            own = rng.permutation(np.flatnonzero(main == code))
            # Each class goes on where the last one ended, or small classes would all lie in the first folds.
            of_item[own] = (begun + np.arange(len(own))) % k
            begun += len(own)
        found[part] = of_item[place]
    return found
