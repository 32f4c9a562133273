"""The trained model of some labels, computed once."""

from __future__ import annotations

import hashlib
import json
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from infra.workplace import Workplace
from tasks.errors import NotFound
from tasks.reference import Reference
from tasks.targets import Codes, Targets

if TYPE_CHECKING:
    from tasks.models import Setting
    from tasks.targets.base import Floats

log = logging.getLogger(__name__)

# What makes other models of the same labels than an earlier release did.
_MAKERS = ("labelrounds", "scikit-learn", "xgboost")


def fitted_model(
    workplace: Workplace,
    targets: Targets[Any, Any],
    kind: str,
    examples: Any,
    setting: Setting,
    space_digest: str,
) -> tuple[Reference, dict[str, Any], Reference | None]:
    """Train a model, or find the one that the same labels, features and settings gave before.

    Returns
    -------
    model, figures, unseen
        Where the model is stored, the figures of `tasks.targets.Trained`, and where the probabilities lie that models
        which did not see them gave the labelled items; None with too few labels for that.

    Raises
    ------
    DeviceUnavailable, UsageError
        As `tasks.models.fit_model`.
    """
    folder = f"models/{_key(targets, kind, examples, setting, space_digest)}"
    place = f"s3://{workplace.settings.artifact_bucket}/{folder}/fitted.json"
    try:
        document = json.loads(workplace.storage.get(place))
        log.info("the model of these labels is known")
    except NotFound:
        trained = targets.fit(kind, examples, setting)
        model = workplace.keep(folder, "model.npz", trained.model.to_bytes(), examples.items)
        document = {"model": model.to_json(), "figures": trained.figures, "unseen": None}
        if trained.unseen is not None:
            document["unseen"] = workplace.keep_array(folder, "unseen", trained.unseen).to_json()
        # Last: what is found here is whole.
        workplace.storage.put(place, json.dumps(document, sort_keys=True).encode())
    told = document["unseen"]
    return (
        Reference.from_json(document["model"]),
        document["figures"],
        None if told is None else Reference.from_json(told),
    )


def corrected(
    workplace: Workplace,
    targets: Targets[Any, Any],
    folder: str,
    stored: Reference,
    examples: Any,
    setting: Setting,
    X: Floats,
    codes: Codes,
) -> tuple[Reference, dict[str, Any]]:
    """Correct a stored model's prior to the audit's items X and their labels, where these contradict it.

    Returns
    -------
    model, figures
        The model to use, and the class shares that its probabilities stand for.
    """
    from tasks.models import read_model

    model = read_model(workplace.fetch(stored), device=setting.device)
    better, figures = targets.corrected(model, examples, setting, X, codes)
    if not figures["corrects"]:
        return stored, figures
    return workplace.keep(folder, "model.npz", better.to_bytes(), stored.rows), figures


def _key(targets: Targets[Any, Any], kind: str, examples: Any, setting: Setting, space_digest: str) -> str:
    recipe = {
        "task": targets.task,
        "examples": examples.digest(),
        "features": space_digest,
        "kind": kind,
        "params": dict(setting.params),
        "class_weight": setting.class_weight,
        "calibrate": setting.calibrate,
        "classes": setting.n_classes,
        "seed": setting.seed,
        "device": setting.device,
        "by": {name: version(name) for name in _MAKERS},
    }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:32]
