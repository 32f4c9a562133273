"""The model of a round: a core of some kind, and what makes honest probabilities of its output."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features.archive import pack, unpack
from tasks.features.view import View
from tasks.models.base import Core, Floats
from tasks.models.boosting import BoostedModel
from tasks.models.calibration import Calibration
from tasks.models.device import Device
from tasks.models.forest import ForestModel
from tasks.models.given import GivenModel
from tasks.models.linear import LinearModel
from tasks.models.prior import PriorShift
from tasks.models.stacked import StackedModel

_FORMAT = 1


@dataclass(frozen=True)
class Model:
    """A trained classifier whose probabilities can be taken at their word.

    Attributes
    ----------
    core : Core
    device : {'cpu', 'cuda'}
        Where XGBoost trained, or is to predict after `from_bytes`.
    calibration : Calibration or None
        Fitted on predictions of unseen rows; None where there were too few labels for that.
    prior : PriorShift or None
        From the classes' shares among what was trained on to those in the pool, where they are known to differ.
    """

    core: Core
    device: Device
    calibration: Calibration | None = None
    prior: PriorShift | None = None

    @property
    def kind(self) -> str:
        """Of the core: ``xgboost``, ``linear``, ``forest``, ``stacked`` or ``given``."""
        return self.core.kind

    @property
    def n_classes(self) -> int:
        """Classes of the campaign."""
        return self.core.n_classes

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `to_bytes`, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def predict(self, X: Floats) -> Floats:
        """Predict class probabilities.

        Parameters
        ----------
        X : float32 (n, d)
            `FeatureSpace.transform`; NaN = missing. Rows are independent: any chunking gives the same numbers.

        Returns
        -------
        float32 (n, n_classes)
            In the campaign's class order; rows sum to 1.

        Raises
        ------
        UsageError
            X has another number of columns than in training.
        """
        proba = self.core.predict(X)
        for step in (self.calibration, self.prior):
            if step is not None:
                proba = step.apply(proba)
        return proba

    def to_bytes(self) -> bytes:
        """Write the model as an npz file without pickle; equal models give equal bytes."""
        settings, arrays = self.core.to_parts()
        header: dict[str, Any] = {"format": _FORMAT, "kind": self.kind, "core": settings}
        found = _prefixed("core", arrays)
        view = getattr(self.core, "view", None)
        if view is not None:
            found |= _prefixed("view", view.to_parts())
        for name, step in (("calibration", self.calibration), ("prior", self.prior)):
            if step is not None:
                header[name], own = step.to_parts()
                found |= _prefixed(name, own)
        return pack(header, found)

    @classmethod
    def from_bytes(cls, data: bytes, *, device: Device = "cpu") -> Model:
        """Read what `to_bytes` wrote; a model from one device predicts on the other.

        Raises
        ------
        UsageError
            The bytes are damaged, or of another version.
        """
        header, arrays = unpack(data, what="The model")
        if header.get("format") != _FORMAT:
            raise UsageError(
                f"The model has format {header.get('format')!r}, wanted {_FORMAT}. Train it again."
            )
        core = _core(header["kind"], header["core"], arrays, device)
        calibration, prior = header.get("calibration"), header.get("prior")
        return cls(
            core,
            device,
            None if calibration is None else Calibration.from_parts(calibration, _own("calibration", arrays)),
            None if prior is None else PriorShift.from_parts(prior, _own("prior", arrays)),
        )


def _core(kind: str, settings: dict[str, Any], arrays: dict[str, NDArray[Any]], device: Device) -> Core:
    own = _own("core", arrays)
    if kind == BoostedModel.kind:
        return BoostedModel.from_parts(settings, own, device)
    if kind == GivenModel.kind:
        return GivenModel.from_parts(settings)
    if kind not in (LinearModel.kind, ForestModel.kind, StackedModel.kind):
        raise UsageError(
            f"The model is of the kind {kind!r}, which this version does not know. Train it again."
        )
    view = View(**_own("view", arrays))
    if kind == LinearModel.kind:
        return LinearModel.from_parts(settings, own, view)
    if kind == ForestModel.kind:
        return ForestModel.from_parts(settings, own, view)
    return StackedModel.from_parts(settings, own, view, device)


def _prefixed(name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{name}/{key}": array for key, array in arrays.items()}


def _own(name: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    start = f"{name}/"
    return {key[len(start) :]: array for key, array in arrays.items() if key.startswith(start)}
