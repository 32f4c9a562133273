"""Simulations in MLflow: an experiment a data set, a run an arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from infra.tracking import artifacts, naming, runs, views
from infra.tracking.connection import Connection

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STRATEGY_TAG, ARM_TAG = "labelrounds.strategy", "labelrounds.arm"


class ArmTracker:
    """What a simulation writes to one MLflow server; can be called again after a crash at any point.

    Parameters
    ----------
    uri
        MLflow's tracking URI.

    Raises
    ------
    ServiceUnavailable, StackError
        By every method, as `infra.tracking.Tracker`.
    """

    def __init__(self, uri: str) -> None:
        self._connection = Connection(uri)
        self.uri = self._connection.shown_uri

    def ensure_experiment(self, data: str) -> str:
        """Return the id of the experiment ``simulate/<data>``; make it when there is none."""
        with self._connection.calling(f"open the experiment of {data}") as client:
            return runs.ensure_experiment(client, f"simulate/{data}")

    def log_arm(
        self,
        experiment_id: str,
        strategy: str,
        key: str,
        *,
        points: Mapping[tuple[str, int], float],
        params: Mapping[str, object],
        markdown: str,
        figures: Mapping[str, Figure],
    ) -> str:
        """Write an arm to its run, which is found again by its key.

        Parameters
        ----------
        experiment_id
            From `ensure_experiment`.
        strategy
            The run's name.
        key
            Hexadecimal; tells arms of other strategies, data, settings or code apart.
        points
            (metric, labels) -> value; labels are the step.
        params, markdown, figures
            As in `infra.tracking.Tracker`.

        Returns
        -------
        str
            Where it can be seen.
        """
        pictures = artifacts.pictures(figures)
        keyed = {(naming.key(name), step): value for (name, step), value in points.items()}
        with self._connection.calling(f"track the arm {strategy}") as client:
            run = runs.ensure_run(client, experiment_id, strategy, {ARM_TAG: key})
            runs.log_points(client, run, keyed)
            runs.annotate(client, run, params=params, tags={STRATEGY_TAG: strategy}, markdown=markdown)
            artifacts.upload(client, run.info.run_id, pictures)
            if run.info.status != "FINISHED":
                client.set_terminated(run.info.run_id)
            return views.run_url(self.uri, experiment_id, run.info.run_id)

    def experiment_url(self, experiment_id: str) -> str:
        """Return the address of the experiment's runs; empty when the URI is no server's."""
        if not self.uri.startswith(("http://", "https://")):
            return ""
        return f"{self.uri}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
