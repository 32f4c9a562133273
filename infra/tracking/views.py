"""Addresses in the MLflow UI that open on what matters, not on its defaults.

By default the UI opens an experiment with the rounds folded away and no metric in sight. A view that a person
shares is kept by MLflow as a tag of the experiment; this writes such a view. The tag is inert until the
address that names it is opened, and keys that another version of the UI does not know are ignored by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from infra.tracking.runs import ROUND_TAG

ROUNDS, CURVES = "rounds", "curves"
VIEW_TAG = "mlflow.sharedViewState."
MOST_CHARACTERS = 5000  # of an experiment's tag

# Tags tell estimates in one cell, where metrics take a column for each end of an interval. The UI shows
# metrics first, by name, then tags.
COLUMNS = (
    "metrics.`labels`",
    "metrics.`money/spent`",
    "tags.`measured`",
    "tags.`interval`",
    "tags.`next_batch`",
    "tags.`promotion`",
    "tags.`stop`",
)


def share_rounds(client: Any, experiment_id: str, columns: Sequence[str]) -> None:
    """Store the view of the campaign's rounds, oldest first, with the named columns."""
    view = {
        # Ordered by date, as it is by default, the UI folds the rounds under the campaign's run.
        "orderByKey": "metrics.`labels`",
        "orderByAsc": True,
        "searchFilter": f"tags.`{ROUND_TAG}` != '0'",
        "selectedColumns": [*columns, "attributes.`Models`"],
    }
    _share(client, experiment_id, ROUNDS, view)


def share_curves(client: Any, experiment_id: str, charts: Sequence[Sequence[str]]) -> None:
    """Store the view of the campaign's own run as charts of metrics drawn together, labels on the x axis."""
    # In two columns the names of what is drawn can be read.
    section = {
        "uuid": "labelrounds",
        "name": "By labels in hand",
        "display": True,
        "isReordered": True,
        "columns": 2,
    }
    cards = [_line_chart(place, metrics) for place, metrics in enumerate(charts)]
    view = {
        "searchFilter": f"tags.`{ROUND_TAG}` = '0'",
        "compareRunSections": [section],
        "compareRunCharts": cards,
        "isAccordionReordered": True,
    }
    while len(json.dumps(view)) > MOST_CHARACTERS and cards:
        cards.pop()
    _share(client, experiment_id, CURVES, view)


def _line_chart(place: int, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "LINE",
        "uuid": f"labelrounds-{place}",
        "metricSectionId": "labelrounds",
        "metricKey": metrics[0],
        "selectedMetricKeys": list(metrics),
        "xAxisKey": "step",
        "displayPoints": True,
        "lineSmoothness": 0,
        "deleted": False,
        "isGenerated": False,
    }


def _share(client: Any, experiment_id: str, name: str, view: Mapping[str, Any]) -> None:
    written = json.dumps(view)
    if client.get_experiment(experiment_id).tags.get(VIEW_TAG + name) != written:
        client.set_experiment_tag(experiment_id, VIEW_TAG + name, written)


def curves_url(uri: str, experiment_id: str) -> str:
    """Return the address of the campaign's curves."""
    return _url(uri, f"experiments/{experiment_id}/runs", viewStateShareKey=CURVES, compareRunsMode="CHART")


def rounds_url(uri: str, experiment_id: str) -> str:
    """Return the address of the table of rounds."""
    return _url(uri, f"experiments/{experiment_id}/runs", viewStateShareKey=ROUNDS)


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


def artifact_url(run_id: str, path: str) -> str:
    """Return the address of a file of a run for descriptions: relative to the UI's page."""
    return f"get-artifact?{urlencode({'path': path, 'run_uuid': run_id})}"


def _url(uri: str, page: str, **query: str) -> str:
    if not uri.startswith(("http://", "https://")):
        return ""
    return f"{uri}/#/{page}?{urlencode({**query, 'workflowType': 'machine_learning'})}"
