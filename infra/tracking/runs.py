"""Runs found by their tags, params written once, metrics never doubled."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping
from typing import Any

from infra.tracking import naming

CAMPAIGN_TAG = "labelrounds.campaign"
ROUND_TAG = "labelrounds.round"
KEY_TAG = "labelrounds.key"
PARENT_TAG = "mlflow.parentRunId"
NOTE_TAG = "mlflow.note.content"

MOST_METRICS = 1000  # that MLflow takes in one request


def ensure_experiment(client: Any, name: str) -> str:
    """Return the id of the experiment `name`; make it, or restore it when it was deleted."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        # The kind keeps the UI from asking which it is, and opens it on the table of runs.
        tags = {"mlflow.experimentKind": "custom_model_development", CAMPAIGN_TAG: name}
        try:
            return str(client.create_experiment(name, tags=tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def ensure_run(client: Any, experiment_id: str, name: str, identity: Mapping[str, str]) -> Any:
    """Return the oldest live run that bears all tags of `identity`; make it when there is none."""
    wanted = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in identity.items())
    found = client.search_runs([experiment_id], wanted, max_results=1, order_by=["attributes.start_time ASC"])
    if found:
        return found[0]
    origin = {"mlflow.source.name": "labelrounds", "mlflow.source.type": "JOB", "mlflow.user": _user()}
    # Tags go with the creation: a crash right after it leaves a run that is found again.
    return client.create_run(experiment_id, run_name=name, tags={**origin, **identity})


def annotate(
    client: Any,
    run: Any,
    *,
    params: Mapping[str, object],
    tags: Mapping[str, object],
    markdown: str | None = None,
) -> None:
    """Add params that the run does not have, replace tags and, when given, the description."""
    from mlflow.entities import Param, RunTag

    stored, fresh = run.data.params, naming.params(params)
    labels = naming.tags(tags)
    for name, value in fresh.items():
        if name in stored and stored[name] != value:
            labels[f"changed/{name}"] = value
    if markdown is not None:
        labels[NOTE_TAG] = naming.text(markdown, naming.MAX_TAG)
    new_params = [Param(name, value) for name, value in fresh.items() if name not in stored]
    new_tags = [RunTag(name, value) for name, value in labels.items() if run.data.tags.get(name) != value]
    if new_params or new_tags:
        client.log_batch(run.info.run_id, params=new_params, tags=new_tags)


def log_points(
    client: Any, run: Any, points: Mapping[tuple[str, int], float], *, model_id: str | None = None
) -> None:
    """Write the metrics that the run does not have at their step.

    Parameters
    ----------
    client
        An `MlflowClient`.
    run
        The run, read before.
    points
        (metric, step) -> value.
    model_id
        Logged model that the metrics speak about.
    """
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    run_id = run.info.run_id
    newest = {metric.key: int(metric.step) for metric in run.data.to_proto().metrics}
    missing = [
        Metric(name, value, now, step, model_id=model_id, run_id=run_id if model_id else None)
        for (name, step), value in points.items()
        if not _has(client, run_id, name, step, newest.get(name))
    ]
    for start in range(0, len(missing), MOST_METRICS):
        client.log_batch(run_id, metrics=missing[start : start + MOST_METRICS])


def _has(client: Any, run_id: str, name: str, step: int, newest: int | None) -> bool:
    """Tell whether a metric has a step already.

    The newest step comes with the run, and rounds come in order, so it nearly always tells. Only a round that
    is tracked after a later one costs a request for each metric.
    """
    if newest is None or newest <= step:
        return newest == step
    return any(old.step == step for old in client.get_metric_history(run_id, name))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
