"""Before a model can choose: when that is, and what chooses then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tasks.strategies.base import Selection
from tasks.strategies.candidates import Candidates
from tasks.strategies.cluster import ClusterCover
from tasks.strategies.diversity import Spreading
from tasks.strategies.kcenter import KCenter
from tasks.strategies.ranked import random
from tasks.strategies.shares import Shares

COLD_START = "cold_start"
"""The strategy that chooses while no model can."""

LABELS_PER_CLASS = 20
"""Labels for each class after which a model chooses although some class is hardly seen."""


def cold_start_reason(
    per_class: Sequence[int], classes: Sequence[str], *, least: int = 2, until: int | None = None
) -> str | None:
    """Say why a model cannot choose yet; None when it can.

    Parameters
    ----------
    per_class : sequence of int
        Labels that each class has.
    classes : sequence of str
    least : int
        Labels of a class below which the model cannot know it.
    until : int, optional
        Labels in all after which a model chooses anyway, provided that two classes have enough: a class that
        is never found must not keep the model out for the whole budget. Twenty for each class by default.
    """
    short = [f"{name} {n}" for name, n in zip(classes, per_class, strict=True) if n < least]
    if not short:
        return None
    until = LABELS_PER_CLASS * len(classes) if until is None else until
    if sum(per_class) >= until and len(classes) - len(short) >= 2:
        return None
    shown = short if len(short) <= 10 else [*short[:10], f"and {len(short) - 10} more"]
    return f"fewer than {least} labels of a class ({', '.join(shown)})"


@dataclass(frozen=True)
class ColdStart(Spreading):
    """Typical items first; when those did not show every class, strange ones and random ones beside them.

    A cover of the pool's clusters is the best first batch (TypiClust, Hacohen et al., 2022). But typical items
    are of common classes: where one of a hundred items was positive, 400 labels of a cover found fewer
    positives than 400 random ones, while k-center's far-off items found most. So once `enough` items are
    labelled and still no model can choose, the batch is shared by cover, k-center and random choice.

    Attributes
    ----------
    enough : int
        Labels from which on the cover is not alone.
    """

    enough: int = 20
    name: str = COLD_START
    uses: ClassVar[frozenset[str]] = frozenset({"known_features", "known_classes"})

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose k items; parts tell which of the three chose; see `Strategy.select_explained`."""
        classes = candidates.known_classes
        if classes is None or int((classes >= 0).sum()) < self.enough:
            return ClusterCover().select_explained(candidates, k, rng)
        search = Shares(ClusterCover(), KCenter(), random(), shares=(0.4, 0.4, 0.2))
        return search.select_explained(candidates, k, rng)
