"""Reading a stored model, whatever a campaign asks of it."""

from __future__ import annotations

from typing import Protocol

from tasks.features.archive import header_of
from tasks.models.base import Floats
from tasks.models.device import Device
from tasks.models.model import Model
from tasks.models.multilabel import MultiLabelModel


class Predictor(Protocol):
    """A trained model: one of classes, or one of labels that are sets."""

    @property
    def kind(self) -> str:
        """What was trained: ``xgboost``, ``linear``, ``forest``, ``stacked`` or ``multilabel``."""

    @property
    def n_classes(self) -> int:
        """Classes of the campaign."""

    @property
    def device(self) -> Device:
        """Where it was trained, or is to predict."""

    @property
    def digest(self) -> str:
        """SHA-256 of `to_bytes`, in hexadecimal."""

    def predict(self, X: Floats) -> Floats:
        """Predict float32 (n, n_classes): of one class, rows sum to 1; of sets, each class by itself."""

    def to_bytes(self) -> bytes:
        """Write the model; equal models give equal bytes."""


def read_model(data: bytes, *, device: Device = "cpu") -> Predictor:
    """Read what a model's `to_bytes` wrote; the bytes say what it is.

    Raises
    ------
    UsageError
        The bytes are damaged, or of another version.
    """
    if header_of(data, what="The model").get("kind") == MultiLabelModel.kind:
        return MultiLabelModel.from_bytes(data, device=device)
    return Model.from_bytes(data, device=device)
