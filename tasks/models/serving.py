"""A stored model as MLflow loads it: ``mlflow.pyfunc.load_model("models:/<campaign>@champion")``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.models.base import Floats
from tasks.models.reading import Predictor, read_model


@dataclass(frozen=True)
class Served:
    """A model behind MLflow's interface."""

    model: Predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Floats:
        """Predict class probabilities.

        Parameters
        ----------
        model_input : DataFrame or array (n, d)
            The matrix that the campaign's feature space gives, in the order of the model's signature.
        params : dict, optional
            MLflow's; the model has none.

        Returns
        -------
        float32 (n, n_classes)
        """
        return self.model.predict(np.ascontiguousarray(model_input, np.float32))


def _load_pyfunc(path: str) -> Served:
    return Served(read_model(Path(path).read_bytes()))
