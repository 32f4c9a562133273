"""The model behind a round: training, prediction, and the device for both."""

from tasks.models.boosting import Model, train
from tasks.models.device import resolve_device

__all__ = ["Model", "resolve_device", "train"]
