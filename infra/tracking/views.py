"""Addresses in the MLflow UI that open on what matters, not on its defaults.

By default the UI opens an experiment with the rounds folded away and no metric in sight. A view that a person
shares is kept by MLflow as a tag of the experiment; this writes such a view. The tag is inert until the
address that names it is opened, and keys that another version of the UI does not know are ignored by it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from infra.tracking.runs import ROUND_TAG

VIEW = "rounds"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"

COLUMNS = (
    "labels",
    "audit/accuracy",
    "audit/accuracy_low",
    "audit/accuracy_high",
    "holdout/accuracy",
    "money/spent",
)


def share_rounds(client: Any, experiment_id: str, columns: Sequence[str]) -> None:
    """Store the view of the campaign's rounds, oldest first, with the named metrics as columns."""
    view = json.dumps(
        {
            # Ordered by date, as it is by default, the UI folds the rounds under the campaign's run.
            "orderByKey": "metrics.`labels`",
            "orderByAsc": True,
            "searchFilter": f"tags.`{ROUND_TAG}` != '0'",
            "selectedColumns": [f"metrics.`{name}`" for name in columns] + ["attributes.`Models`"],
        }
    )
    if client.get_experiment(experiment_id).tags.get(VIEW_TAG) != view:
        client.set_experiment_tag(experiment_id, VIEW_TAG, view)


def rounds_url(uri: str, experiment_id: str) -> str:
    """Return the address of the table of rounds."""
    return _url(uri, f"experiments/{experiment_id}/runs", viewStateShareKey=VIEW)


def run_url(uri: str, experiment_id: str, run_id: str) -> str:
    """Return the address of one run."""
    return _url(uri, f"experiments/{experiment_id}/runs/{run_id}")


def curve_url(uri: str, experiment_id: str, parent_run_id: str, metric: str) -> str:
    """Return the address of one chart with a metric by labels and both ends of its interval."""
    names = [f"{metric}{end}" for end in ("", "_low", "_high")]
    return _url(
        uri,
        "metric",
        runs=json.dumps([parent_run_id]),
        metric=json.dumps(metric),
        experiments=json.dumps([experiment_id]),
        plot_metric_keys=json.dumps(names),
        x_axis="step",
        show_point="true",
    )


def _url(uri: str, page: str, **query: str) -> str:
    if not uri.startswith(("http://", "https://")):
        return ""
    return f"{uri}/#/{page}?{urlencode({**query, 'workflowType': 'machine_learning'})}"
