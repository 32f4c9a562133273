"""Predictions of several rows an item: how unsure a network is of an item is known, and no class of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.targets.base import Codes, Ints
from tasks.targets.one_class import OneClass


@dataclass(frozen=True)
class SeveralRows(OneClass):
    """Labels are classes; strategies see only how sure the predictions are; see `tasks.targets.Targets`."""

    def known(self, codes: Codes) -> Ints:
        """Give 0: strategies see only that there is a label."""
        return np.zeros(len(codes), np.int64)

    def predicted(self, codes: Ints) -> list[int]:
        """Give none: what is predicted is no class of the campaign."""
        return []
