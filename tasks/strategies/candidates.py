"""What a strategy may see of the items that it chooses from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

if TYPE_CHECKING:
    from tasks.models.leaves import LeafTable

Floats = NDArray[np.float32]

# Number of axes, and which of them counts the candidates; known items have a count of their own.
_AXES = {
    "proba": (2, 0), "features": (2, 0), "leaves": (2, 0), "cost": (1, 0), "content": (1, 0), "groups": (1, 0),
    "committee_proba": (3, 1),
    "known_features": (2, None), "known_proba": (2, None), "known_classes": (1, None), "known_sources": (1, None),
    "known_content": (1, None),
}  # fmt: skip
_KNOWN = tuple(name for name in _AXES if name.startswith("known_"))
# Fields that must agree in their last axis.
_SAME_WIDTH = (("features", "known_features"), ("proba", "known_proba"), ("proba", "committee_proba"))


@dataclass(frozen=True)
class Candidates:
    """Items to choose from, row by row, with what strategies need of them.

    ``known_...`` fields describe the same items in the same order: all that are labelled or in flight.

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
        The node of the leaf that each tree puts the item in.
    leaf_table : LeafTable, optional
        Statistics of the model's leaves.
    cost : float (n,), optional
        Price of one label of the item.
    content : uint64 (n,), optional
        Hash of what the item holds: equal = exact copies.
    groups : object or int (n,), optional
        The group of each item, for quotas: a sender, a patient, a document.
    known_features : float32 (m, e), optional
        `features` of the known items.
    known_proba : float32 (m, n_classes), optional
        `proba` of the known items.
    known_classes : int64 (m,), optional
        Class code of the known items' labels; -1 = in flight.
    known_sources : object (m,), optional
        Which strategy, or part of one, chose the known items; ``''`` where none did.
    known_content : uint64 (m,), optional
        `content` of the known items.

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
    leaf_table: LeafTable | None = None
    content: NDArray[np.uint64] | None = None
    groups: NDArray[Any] | None = None
    known_proba: Floats | None = None
    known_classes: NDArray[np.int64] | None = None
    known_sources: NDArray[Any] | None = None
    known_content: NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", _as_ids(self.ids))
        for name, (axes, item_axis) in _AXES.items():
            self._check(name, axes, item_axis)
        for name, other in _SAME_WIDTH:
            ours, theirs = getattr(self, name), getattr(self, other)
            if ours is not None and theirs is not None and ours.shape[-1] != theirs.shape[-1]:
                raise UsageError(
                    f"Candidates: {other} has {theirs.shape[-1]} columns and {name} {ours.shape[-1]}: "
                    "both must come from one model and one feature space."
                )
        known = {name: len(getattr(self, name)) for name in _KNOWN if self.has(name)}
        if len(set(known.values())) > 1:
            raise UsageError(f"Candidates: the known items differ in number: {known}.")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_known(self) -> int:
        """How many known items are described."""
        return next((len(getattr(self, name)) for name in _KNOWN if self.has(name)), 0)

    def has(self, name: str) -> bool:
        """Tell whether a field is given."""
        return getattr(self, name) is not None

    def require(self, needs: frozenset[str], strategy: str) -> None:
        """Raise UsageError where a field that a strategy needs is None."""
        missing = sorted(name for name in needs if not self.has(name))
        if missing:
            raise UsageError(
                f"The strategy {strategy!r} needs {', '.join(missing)}, which these candidates lack."
            )

    def take(self, positions: NDArray[np.integer[Any]]) -> Candidates:
        """Take some candidates, in the order of `positions`; what is known stays."""
        changes: dict[str, Any] = {"ids": self.ids[positions]}
        for name, (_, item_axis) in _AXES.items():
            value = getattr(self, name)
            if item_axis is not None and value is not None:
                changes[name] = np.take(value, positions, axis=item_axis)
        return replace(self, **changes)

    def _check(self, name: str, axes: int, item_axis: int | None) -> None:
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
