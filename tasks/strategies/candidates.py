"""What a strategy may see of the items that it chooses from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

Floats = NDArray[np.float32]

# Axes after the first (items), or as said.
_AXES = {"proba": 2, "features": 2, "leaves": 2, "cost": 1}


@dataclass(frozen=True)
class Candidates:
    """Items to choose from, row by row, with what strategies need of them.

    Attributes
    ----------
    ids : object (n,)
        Item ids, strings, all different. A sequence or an Arrow array becomes an array.
    proba : float32 (n, n_classes), optional
        Class probabilities.
    features : float32 (n, e), optional
        The space for distances: `FeatureSpace.embed`.
    committee_proba : float32 (members, n, n_classes), optional
        Class probabilities of each member of a committee.
    leaves : int (n, trees), optional
        The leaf that each tree puts the item in.
    cost : float (n,), optional
        Price of one label of the item.
    known_features : float32 (m, e), optional
        `features` of the items that are labelled or in flight.

    Raises
    ------
    UsageError
        Arrays that do not fit together.
    """

    ids: NDArray[Any]
    proba: Floats | None = None
    features: Floats | None = None
    committee_proba: Floats | None = None
    leaves: NDArray[np.integer[Any]] | None = None
    cost: Floats | None = None
    known_features: Floats | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", _as_ids(self.ids))
        for name, axes in _AXES.items():
            self._check(name, axes, item_axis=0)
        self._check("committee_proba", 3, item_axis=1)
        self._check("known_features", 2, item_axis=None)
        known, features = self.known_features, self.features
        if known is not None and features is not None and known.shape[1] != features.shape[1]:
            raise UsageError(
                f"known_features has {known.shape[1]} columns and features {features.shape[1]}: "
                "both must come from one feature space."
            )

    def __len__(self) -> int:
        return len(self.ids)

    def require(self, needs: frozenset[str], strategy: str) -> None:
        """Raise UsageError where a field that a strategy needs is None."""
        missing = sorted(name for name in needs if getattr(self, name) is None)
        if missing:
            raise UsageError(
                f"The strategy {strategy!r} needs {', '.join(missing)}, which these candidates lack."
            )

    def _check(self, name: str, axes: int, *, item_axis: int | None) -> None:
        value = getattr(self, name)
        if value is None:
            return
        array = np.asarray(value)
        object.__setattr__(self, name, array)
        if array.ndim != axes or (item_axis is not None and array.shape[item_axis] != len(self.ids)):
            raise UsageError(
                f"Candidates: {name} has shape {array.shape}, wanted {axes} axes for {len(self.ids)} items."
            )


def _as_ids(ids: Any) -> NDArray[Any]:
    if hasattr(ids, "to_pylist"):  # Arrow
        ids = ids.to_pylist()
    if isinstance(ids, np.ndarray):
        array = ids.astype(object, copy=False)
    elif isinstance(ids, Sequence) and not isinstance(ids, str):
        array = np.empty(len(ids), dtype=object)
        array[:] = ids
    else:
        raise UsageError(
            f"Candidates: ids must be an array or a sequence of strings, not {type(ids).__name__}."
        )
    if array.ndim != 1:
        raise UsageError(f"Candidates: ids must have one axis, not {array.ndim}.")
    return array
