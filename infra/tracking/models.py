"""The model of a round: logged once, one registered version, aliases that only move forward."""

from __future__ import annotations

import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from infra.tracking import naming
from infra.tracking.record import RoundModel, RoundRecord, run_name

CHALLENGER = "challenger"
CHAMPION = "champion"
MANY_FEATURES = 1000
_LOADER = "tasks.models.serving"
_NEEDED = ("labelrounds", "mlflow", "numpy", "pyarrow", "scikit-learn", "scipy", "xgboost")


def log_model(client: Any, run: Any, record: RoundRecord, model: RoundModel) -> str:
    """Store the model as a logged model of the run and return its id.

    The calls are those of `mlflow.models.Model.log`, which itself cannot be used: it takes the tracking URI
    from the process and makes the run active. A model that a crash left without its files is completed.
    """
    found = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    logged = min(found, key=lambda entry: entry.creation_timestamp) if found else None
    if logged is None:
        logged = client.create_logged_model(
            run.info.experiment_id,
            name=f"{record.campaign}-{run_name(record.number)}",
            source_run_id=run.info.run_id,
            tags=_facts(record, model),
            params=naming.params(record.params),
            model_type="classifier",
        )
    if str(logged.status) != "READY":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            _save(model, logged, run.info.run_id, path)
            client.log_model_artifacts(logged.model_id, str(path))
        client.finalize_logged_model(logged.model_id, "READY")
    _link(client, run, logged.model_id, record.number)
    return str(logged.model_id)


def register(client: Any, run: Any, record: RoundRecord, model: RoundModel, model_id: str) -> int:
    """Return the run's version under the campaign's name; make it when there is none."""
    _ensure_registered_model(client, record.campaign)
    run_id = run.info.run_id
    versions = client.search_model_versions(f"name = '{record.campaign}' and run_id = '{run_id}'")
    if versions:
        return min(int(entry.version) for entry in versions)
    created = client.create_model_version(
        record.campaign,
        source=f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        tags={**_facts(record, model), **naming.tags(record.decision)},
        description=_description(record, model),
        await_creation_for=0,
    )
    return int(created.version)


def _description(record: RoundRecord, model: RoundModel) -> str:
    if model.model.kind == "given":
        return f"Round {record.number}: predictions that the campaign brought, with {record.labels} labels in hand."
    made = f"trained on {record.labels} labels on {model.model.device}"
    return f"Round {record.number}: {model.model.kind}, {made}."


def move_aliases(client: Any, record: RoundRecord, version: int) -> None:
    """Point ``challenger`` at the newest round's version, and ``champion`` when it is told to or free.

    An earlier round that is tracked again takes no alias from a later one.
    """
    aliases = client.get_registered_model(record.campaign).aliases
    wanted = [CHALLENGER]
    if record.promote or CHAMPION not in aliases:
        wanted.append(CHAMPION)
    for alias in wanted:
        holder = aliases.get(alias)
        if holder is not None and int(holder) != version:
            tags = client.get_model_version(record.campaign, str(holder)).tags
            if int(tags.get("round", 0)) > record.number:
                continue
        if holder is None or int(holder) != version:
            client.set_registered_model_alias(record.campaign, alias, str(version))


def _facts(record: RoundRecord, model: RoundModel) -> dict[str, str]:
    return naming.tags(
        {
            "campaign": record.campaign,
            "round": record.number,
            "labels": record.labels,
            "kind": model.model.kind,
            "digest": model.model.digest,
            "device": model.model.device,
            "classes": ", ".join(model.classes),
            "feature_space": model.space_uri or None,
            "feature_space_digest": model.space_digest or None,
        }
    )


def _save(model: RoundModel, logged: Any, run_id: str, path: Path) -> None:
    import mlflow.pyfunc
    from mlflow.models import Model

    description = Model(
        artifact_path=logged.artifact_location,
        run_id=run_id,
        model_uuid=logged.model_id,
        model_id=logged.model_id,
    )
    data = path.parent / "model.npz"
    data.write_bytes(model.model.to_bytes())
    mlflow.pyfunc.save_model(
        str(path),
        loader_module=_LOADER,
        data_path=str(data),
        mlflow_model=description,
        signature=_signature(model),
        # Given, because MLflow otherwise loads the model in a new process to find out: 16 s.
        pip_requirements=[f"{name}=={installed(name)}" for name in _NEEDED],
        metadata={
            "kind": model.model.kind,
            "classes": list(model.classes),
            "output": f"probabilities of {', '.join(model.classes)}",
            "features": len(model.feature_names),
            "feature_space_uri": model.space_uri,
            "feature_space_digest": model.space_digest,
            "digest": model.model.digest,
        },
    )


def _signature(model: RoundModel) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    single = np.dtype(np.float32)
    outputs = Schema([TensorSpec(single, (-1, len(model.classes)))])
    if len(model.feature_names) > MANY_FEATURES:  # thousands of lines that nobody reads
        return ModelSignature(Schema([TensorSpec(single, (-1, len(model.feature_names)))]), outputs)
    # double takes float32 and integers too, and missing values without MLflow's warning
    return ModelSignature(Schema([ColSpec("double", name) for name in model.feature_names]), outputs)


def _link(client: Any, run: Any, model_id: str, step: int) -> None:
    from mlflow.entities import LoggedModelOutput

    outputs = run.outputs.model_outputs if run.outputs is not None else []
    if all(output.model_id != model_id for output in outputs):
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, step=step)])


def _ensure_registered_model(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(
            name, description=f"Models of the labeling campaign {name}, one version per round."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
