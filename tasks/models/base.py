"""What every kind of model does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError

if TYPE_CHECKING:
    from tasks.features.view import View
    from tasks.models.device import Device
    from tasks.models.weights import How

Floats = NDArray[np.float32]
Parts = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class Core(Protocol):
    """A trained model of one kind, before its probabilities are calibrated.

    Attributes
    ----------
    kind : str
        ``xgboost``, ``linear``, ``forest`` or ``stacked``.
    n_classes : int
        Classes of the campaign, whether or not each had a label.
    """

    kind: ClassVar[str]

    @property
    def n_classes(self) -> int:
        """Classes of the campaign."""

    def predict(self, X: Floats) -> Floats:
        """Predict class probabilities.

        Parameters
        ----------
        X : float32 (n, d)
            NaN = missing. Rows are independent: any chunking gives the same numbers.

        Returns
        -------
        float32 (n, n_classes)
            In the campaign's class order; rows sum to 1.

        Raises
        ------
        UsageError
            X has another number of columns than in training.
        """

    def to_parts(self) -> Parts:
        """Give settings and arrays, for the file."""


@dataclass(frozen=True)
class Setting:
    """What a model is trained with, beside the examples.

    Attributes
    ----------
    n_classes : int
        At least 2.
    names, types : tuple of str (d,)
        Of `FeatureSpace`: types are ``'q'`` for a number, ``'c'`` for a category.
    view : View
        Of `FeatureSpace`.
    device : {'cpu', 'cuda'}
        What `resolve_device` returned; what is no XGBoost trains on the CPU.
    seed : int
        The same examples and setting give the same bytes on the CPU.
    params : mapping
        XGBoost parameters that replace ours; ``num_boost_round`` is the number of rounds.
    class_weight : {'none', 'balanced', 'auto'}
        See `tasks.models.weights.class_weight`.
    calibrate : bool
        Whether probabilities are corrected by what the model says of rows that it did not see.
    """

    n_classes: int
    names: tuple[str, ...]
    types: tuple[str, ...]
    view: View
    device: Device
    seed: int
    params: Mapping[str, Any] = field(default_factory=dict)
    class_weight: How = "none"
    calibrate: bool = True


def check_width(X: Floats, d: int) -> None:
    """Raise UsageError where a matrix is not of the d columns that a model was trained on."""
    if X.ndim != 2 or X.shape[1] != d:
        raise UsageError(f"The model was trained on {d} features and got an array of shape {X.shape}.")


def normalised(rows: NDArray[Any], classes: Sequence[int] | NDArray[np.int64], n_classes: int) -> Floats:
    """Spread the probabilities of some classes over all: float32 (n, n_classes), rows that sum to 1."""
    found = np.zeros((len(rows), n_classes), np.float32)
    total = np.zeros(len(rows))
    # Added column by column: a sum over a row may depend on how many rows there are.
    for column in np.asarray(rows, np.float64).T:
        total += column
    for place, column in zip(classes, np.asarray(rows, np.float64).T, strict=True):
        found[:, place] = column / total
    return found
