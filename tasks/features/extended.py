"""A feature space with the predictions that a campaign brings at its end.

The pool's own features are fitted once, whatever predictions come; so a new version of them costs neither a new
fit nor another pass of texts through it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.features.distances import DistanceSpace
from tasks.features.given import PredictionBlock
from tasks.features.space import FeatureSpace
from tasks.features.view import View


def with_predictions(base: FeatureSpace | None, block: PredictionBlock) -> FeatureSpace:
    """Put a block of predictions behind a feature space.

    Parameters
    ----------
    base : FeatureSpace or None
        None where the pool has nothing to learn from; distances then are between predictions, those of an item
        without one from the middle. Else distances leave the predictions out.
    block : PredictionBlock
    """
    size = len(block.outputs)
    distances = DistanceSpace(
        indicators=np.zeros(size, np.int64),
        centre=np.full(size, 1 / size, np.float32),
        spread=np.ones(size, np.float32),
        limit=np.ones(size, np.float32),
        scale=np.full(size, 1.0 if base is None else block.weight, np.float32),
    )
    if base is None:
        return FeatureSpace((block,), distances, _empty_view())
    joined = DistanceSpace(
        *(
            np.concatenate([getattr(base.distances, name), getattr(distances, name)])
            for name in DistanceSpace.__dataclass_fields__
        )
    )
    return FeatureSpace((*base.blocks, block), joined, base.view)


def split(space: FeatureSpace) -> tuple[FeatureSpace | None, FeatureSpace | None]:
    """Part a space into what `with_predictions` joined; only to map tables, their distances are those of the whole.

    Returns
    -------
    base, given
        None where there is no such part.
    """
    last = space.blocks[-1]
    if not isinstance(last, PredictionBlock):
        return space, None
    rest = space.blocks[:-1]
    return (replace(space, blocks=rest) if rest else None), replace(space, blocks=(last,))


def _empty_view() -> View:
    columns, numbers, table = np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 0))
    return View(
        numbers=columns, landmarks=table, scores=table, gaps=columns, indicated=columns, codes=columns,
        vectors=columns, centre=numbers, scale=numbers, mean=numbers, components=table, trees=columns,
    )  # fmt: skip
