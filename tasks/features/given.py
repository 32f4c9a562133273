"""Predictions that a campaign brings, as columns of the feature matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from tasks.features.columns import Floats, Parts
from tasks.features.numbers import vectors_of


@dataclass(frozen=True)
class PredictionBlock:
    """A column of lists of probabilities, NaN where an item has none.

    Nothing is fitted: the block is the same for every round's predictions. Distances leave it out, unless the pool
    has nothing else; see `tasks.features.extended`.
    """

    kind: ClassVar[str] = "prediction"
    weight: ClassVar[float] = 0.0
    column: str
    outputs: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """One name an output."""
        return tuple(f"prediction.{output}" for output in self.outputs)

    def transform(self, table: pa.Table) -> Floats:
        """Spread the lists; a missing list is a row of NaN."""
        return np.ascontiguousarray(vectors_of(table, self.column, len(self.outputs)))

    def to_parts(self) -> Parts:
        """Give the column and the outputs."""
        return {"column": self.column, "outputs": self.outputs}, {}
