"""One model for each label, in one: an item may have any number of labels.

One booster with trees for each label in turn (XGBoost's ``one_output_per_tree``) has the same quality and speed. With
a model for each label, any kind of model can be a member, stacked and calibrated; each label has a prior of its own;
and a label that all items have, or none, needs none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.features.archive import pack, unpack
from tasks.models.base import Floats, Setting, check_width
from tasks.models.device import Device
from tasks.models.examples import Examples
from tasks.models.fitting import Fitted, fit_model
from tasks.models.model import Model
from tasks.truth.labelset import Indicators, check_indicators

Weights = NDArray[np.floating[Any]]


class Member(Protocol):
    """A model of one label: not there, there."""

    def predict(self, X: Floats) -> Floats:
        """Predict class probabilities, float32 (n, 2); rows are independent."""

    def to_bytes(self) -> bytes:
        """Write it."""


Fit = Callable[[Floats, NDArray[np.int64], Weights | None], Member]
"""Trains one label's model on X (n, d), y (n,) of 0 and 1, both there, and weights (n,) or None."""
Read = Callable[[bytes, Device], Member]
"""Reads what a member's `to_bytes` wrote."""


@dataclass(frozen=True)
class Constant:
    """What is known of a label that all items have, or none: how common it is."""

    share: float

    def predict(self, X: Floats) -> Floats:
        """Predict float32 (n, 2), every row alike."""
        return np.tile(np.array([1 - self.share, self.share], np.float32), (len(X), 1))


@dataclass(frozen=True)
class MultiLabelModel:
    """A trained model of all labels of a campaign.

    Attributes
    ----------
    members : tuple of Member or Constant (n_labels,)
        In the campaign's class order.
    width : int
        Columns of X.
    device : {'cpu', 'cuda'}
        Where it was trained, or is to predict after `from_bytes`.
    """

    members: tuple[Member | Constant, ...]
    width: int
    device: Device
    kind: ClassVar[str] = "multilabel"

    @property
    def n_classes(self) -> int:
        """Labels of the campaign."""
        return len(self.members)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def predict(self, X: Floats) -> Floats:
        """Predict the probability of each label by itself.

        Parameters
        ----------
        X : float32 (n, d)
            NaN = missing. Rows are independent: any chunking gives the same numbers.

        Returns
        -------
        float32 (n, n_labels)
            In the campaign's class order; rows sum to anything from 0 to n_labels.

        Raises
        ------
        UsageError
            X has another number of columns than in training.
        """
        check_width(X, self.width)
        X = np.ascontiguousarray(X, np.float32)
        found = np.empty((len(X), self.n_classes), np.float32)
        for place, member in enumerate(self.members):
            found[:, place] = member.predict(X)[:, 1]
        return found

    def to_bytes(self) -> bytes:
        """Write all members into one file; equal models give equal bytes."""
        shares = [member.share if isinstance(member, Constant) else None for member in self.members]
        arrays = {
            _array(place): np.frombuffer(member.to_bytes(), np.uint8)
            for place, member in enumerate(self.members)
            if not isinstance(member, Constant)
        }
        return pack({"kind": self.kind, "version": 1, "width": self.width, "shares": shares}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes, *, device: Device = "cpu", read: Read | None = None) -> MultiLabelModel:
        """Read what `to_bytes` wrote.

        Parameters
        ----------
        data : bytes
        device : {'cpu', 'cuda'}
        read : callable, optional
            Reads a member; by default `tasks.models.Model.from_bytes`.

        Raises
        ------
        UsageError
            The bytes are no such model.
        """
        header, arrays = unpack(data, what="The multi-label model")
        if header.get("kind") != cls.kind or header.get("version") != 1:
            raise UsageError("The bytes are no multi-label model of this version. Train it again.")
        reader = _read_model if read is None else read
        members = tuple(
            reader(arrays[_array(place)].tobytes(), device) if share is None else Constant(share)
            for place, share in enumerate(header["shares"])
        )
        return cls(members, int(header["width"]), device)


@dataclass(frozen=True)
class FittedSets:
    """A trained model of many labels, and what is known of each.

    Attributes
    ----------
    model : MultiLabelModel
    labels : tuple of Fitted or None (n_labels,)
        None for a label that all items have, or none.
    """

    model: MultiLabelModel
    labels: tuple[Fitted | None, ...]

    def figures(self, classes: Sequence[str]) -> dict[str, Any]:
        """Give the figures in plain types, for the record of a round."""
        pairs = zip(classes, self.labels, strict=True)
        return {
            "kind": self.model.kind,
            "labels": {name: None if one is None else one.figures() for name, one in pairs},
        }


def train_multilabel(
    kind: str, X: Floats, Y: ArrayLike, setting: Setting, *, weight: Weights | None = None
) -> FittedSets:
    """Train a model for each label as `tasks.models.fit_model` trains the one of classes.

    Parameters
    ----------
    kind : {'auto', 'xgboost', 'linear', 'forest', 'stacked'}
        With ``auto`` each label has the kind that is best for it.
    X : float32 (n, d)
        NaN = missing; a category as its code.
    Y : int8 (n, n_labels)
        1 where the item has the label.
    setting : Setting
        Of the campaign. Every label has the same seed, so its model does not depend on which others there are.
    weight : float (n,), optional
        Weight of each item, for instance its label's confidence. It is no soft label: a doubt about one class of a
        set says nothing of the others.

    Raises
    ------
    UsageError
        Arrays that do not fit together, no such kind, or parameters that XGBoost refuses.
    DeviceUnavailable
        ``cuda`` was asked for and XGBoost used the CPU.
    """
    of_label = replace(setting, n_classes=2)
    fitted: list[Fitted] = []

    def fit(X: Floats, y: NDArray[np.int64], weight: Weights | None) -> Member:
        weights = np.ones(len(X)) if weight is None else np.asarray(weight, np.float64)
        fitted.append(fit_model(kind, Examples(X, y, weights, np.arange(len(X))), of_label))
        return fitted[-1].model

    model = train_each(X, Y, fit, device=setting.device, weight=weight)
    known = iter(fitted)
    return FittedSets(
        model, tuple(None if isinstance(one, Constant) else next(known) for one in model.members)
    )


def train_each(
    X: Floats, Y: ArrayLike, fit: Fit, *, device: Device, weight: Weights | None = None
) -> MultiLabelModel:
    """Train a member for each label that some items have and some have not.

    The others get Laplace's estimate of their share, (k + 1) / (n + 2): trees could only make certain what nobody
    knows.

    Raises
    ------
    UsageError
        Arrays that do not fit together; and whatever `fit` raises.
    """
    X, labels = np.ascontiguousarray(X, np.float32), check_indicators(Y)
    if X.ndim != 2 or not len(X) or len(labels) != len(X):
        raise UsageError(f"Training needs labelled rows; X is {X.shape} and the labels are {labels.shape}.")
    if weight is not None and weight.shape != (len(X),):
        raise UsageError(f"weight must be {len(X)} numbers, not an array of shape {weight.shape}.")
    members = tuple(_member(X, column, fit, weight) for column in labels.T)
    return MultiLabelModel(members, X.shape[1], device)


def _member(X: Floats, column: Indicators, fit: Fit, weight: Weights | None) -> Member | Constant:
    here = int(column.sum())
    if here in (0, len(column)):
        return Constant((here + 1) / (len(column) + 2))
    return fit(X, column.astype(np.int64), weight)


def _array(place: int) -> str:
    return f"member_{place:05d}"


def _read_model(data: bytes, device: Device) -> Member:
    return Model.from_bytes(data, device=device)
