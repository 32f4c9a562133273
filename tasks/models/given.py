"""The model of a campaign that brings its own predictions: it reads them from their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tasks.models.base import Floats, Parts, check_width


@dataclass(frozen=True)
class GivenModel:
    """Probabilities that a network outside labelrounds gave; nothing is trained.

    Attributes
    ----------
    first : int
        The column of the feature matrix with the first class's probability; the others follow.
    n_classes : int
        Numbers an item: the classes, or 2 where an item has several rows of probabilities.
    width : int
        Columns of the feature matrix.
    source : str
        Digest of the predictions, so that models of other predictions differ.
    """

    kind: ClassVar[str] = "given"
    first: int
    n_classes: int
    width: int
    source: str

    def predict(self, X: Floats) -> Floats:
        """Give the probabilities, float32 (n, n_classes); all classes alike where an item has none.

        Raises
        ------
        UsageError
            X has another number of columns than the feature space.
        """
        check_width(X, self.width)
        proba = np.array(X[:, self.first : self.first + self.n_classes], np.float32)
        proba[np.isnan(proba).any(axis=1)] = np.float32(1 / self.n_classes)
        return proba

    def to_parts(self) -> Parts:
        """Give settings and arrays, for the file."""
        settings = {
            "first": self.first,
            "n_classes": self.n_classes,
            "width": self.width,
            "source": self.source,
        }
        return settings, {}

    @classmethod
    def from_parts(cls, settings: dict[str, Any]) -> GivenModel:
        """Make it again of what `to_parts` gave."""
        return cls(**settings)
