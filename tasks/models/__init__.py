"""The model behind a round: training, prediction, and the device for both."""

from tasks.models.base import Setting
from tasks.models.committee import Committee, train_committee
from tasks.models.crossfit import KINDS
from tasks.models.device import Device, resolve_device
from tasks.models.examples import Examples
from tasks.models.fitting import Fitted, fit_model, with_prior
from tasks.models.model import Model
from tasks.models.reading import Predictor, read_model

__all__ = [
    "KINDS",
    "Committee",
    "Device",
    "Examples",
    "Fitted",
    "Model",
    "Predictor",
    "Setting",
    "fit_model",
    "read_model",
    "resolve_device",
    "train_committee",
    "with_prior",
]
