"""The model behind a round: training, prediction, and the device for both."""

from tasks.models.boosting import Model, train
from tasks.models.committee import Committee, train_committee
from tasks.models.device import resolve_device

__all__ = ["Committee", "Model", "resolve_device", "train", "train_committee"]
