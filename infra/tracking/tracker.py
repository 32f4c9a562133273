"""Campaigns and rounds in MLflow: found again after a crash, never doubled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from infra.tracking import artifacts, models, naming, runs, views
from infra.tracking.connection import Connection
from infra.tracking.record import Interval, RoundRecord, Tracked, run_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]


class Tracker:
    """What labelrounds writes to one MLflow server.

    Every method can be called again after a crash at any point of an earlier call: runs are found by their
    tags, metrics by key and step, models and versions by their run, data sets by name and digest. Params that
    already stand are never written again, since MLflow refuses to change them; a campaign whose file was
    edited gets tags ``changed/<param>`` instead.

    Only explicit run ids are used, so several threads may track different campaigns at once, with one
    `Tracker` or several. Two processes must not track the same round at once: the round's lock sees to that.

    Parameters
    ----------
    uri
        MLflow's tracking URI.

    Raises
    ------
    ServiceUnavailable
        By every method: the server does not answer. Said within about ten seconds.
    StackError
        By every method: the server refuses a request, with its reason.
    """

    def __init__(self, uri: str) -> None:
        self._connection = Connection(uri)
        self.uri = self._connection.shown_uri

    def check(self) -> None:
        """Ask whether the server answers."""
        self._connection.probe()

    def ensure_experiment(self, campaign: str) -> str:
        """Return the id of the campaign's experiment; make it, or restore it when it was deleted.

        Parameters
        ----------
        campaign
            Name of the campaign, and of the experiment.
        """
        with self._connection.calling(f"open the experiment {campaign}") as client:
            return runs.ensure_experiment(client, campaign)

    def ensure_campaign_run(
        self,
        campaign: str,
        experiment_id: str,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
        columns: Sequence[str] = views.COLUMNS,
        key: str | None = None,
    ) -> str:
        """Return the id of the campaign's own run, the parent of its rounds; make it when there is none.

        Parameters
        ----------
        campaign
            Name of the campaign.
        experiment_id
            From `ensure_experiment`.
        params
            What the campaign file says. Values of the first call stay.
        tags
            Short facts; newer values replace older ones.
        columns
            Of the table at `rounds_url`, as `views.COLUMNS` writes them.
        key
            Tells campaigns of one name apart that live in different databases.
        """
        identity = {runs.CAMPAIGN_TAG: campaign, runs.ROUND_TAG: "0"}
        if key is not None:
            identity[runs.KEY_TAG] = key
        with self._connection.calling(f"open the run of {campaign}") as client:
            run = runs.ensure_run(client, experiment_id, campaign, identity)
            runs.annotate(client, run, params=params or {}, tags=tags or {})
            views.share_rounds(client, experiment_id, columns)
            return str(run.info.run_id)

    def ensure_round_run(
        self,
        parent_run_id: str,
        campaign: str,
        number: int,
        tags: Mapping[str, object] | None = None,
        params: Mapping[str, object] | None = None,
    ) -> str:
        """Return the id of a round's run under the campaign's run; make it when there is none.

        Parameters
        ----------
        parent_run_id
            From `ensure_campaign_run`.
        campaign, number
            The round.
        tags, params
            As for the campaign's run.
        """
        identity = {
            runs.CAMPAIGN_TAG: campaign,
            runs.ROUND_TAG: str(number),
            runs.PARENT_TAG: parent_run_id,
        }
        with self._connection.calling(f"open the run of round {number} of {campaign}") as client:
            experiment_id = client.get_run(parent_run_id).info.experiment_id
            run = runs.ensure_run(client, experiment_id, run_name(number), identity)
            runs.annotate(client, run, params=params or {}, tags=tags or {})
            return str(run.info.run_id)

    def log_round(self, run_id: str, record: RoundRecord) -> Tracked:
        """Write all of a round to its run, and its model to the registry.

        Parameters
        ----------
        run_id
            From `ensure_round_run`.
        record
            The round.

        Returns
        -------
        Tracked
            Where it can be seen.
        """
        # Rendered first: a figure or table that cannot be drawn leaves nothing half-written.
        files = artifacts.files_of(record)
        metrics = naming.metrics({**record.metrics, "labels": record.labels}, record.estimates)
        points = {(name, record.number): value for name, value in metrics.items()}
        with self._connection.calling(f"track round {record.number} of {record.campaign}") as client:
            run = client.get_run(run_id)
            model_id = models.log_model(client, run, record, record.model) if record.model else None
            artifacts.log_datasets(client, run, record.campaign, record.datasets)
            runs.log_points(client, run, points, model_id=model_id)
            artifacts.upload(client, run_id, files)
            version = None
            if record.model and model_id:
                version = models.register(client, run, record, record.model, model_id)
                models.move_aliases(client, record, version)
            tags = {"labels": record.labels, "model_version": version, **artifacts.tables_tag(record)}
            runs.annotate(
                client,
                run,
                params=record.params,
                tags={**tags, **record.tags},
                markdown=record.report or None,
            )
            model_uri = None if version is None else f"models:/{record.campaign}/{version}"
            return Tracked(views.run_url(self.uri, run.info.experiment_id, run_id), model_uri, version)

    def append_curve(
        self, parent_run_id: str, labels: int, curves: Mapping[str, Mapping[str, float | Interval]]
    ) -> None:
        """Add a round's point to the curves of the campaign's run; their steps are labels, not rounds.

        Parameters
        ----------
        parent_run_id
            From `ensure_campaign_run`.
        labels
            Labels in hand when the round's model was trained.
        curves
            Group -> name (``audit/accuracy``) -> number, or estimate, which adds ``_low`` and ``_high``. Each is
            the metric ``<group>_by_labels/<name>``, a slash in the name becomes an underscore.
        """
        named = {
            naming.by_labels(group, name): value
            for group, values in curves.items()
            for name, value in values.items()
        }
        points = {(name, labels): value for name, value in naming.metrics(named, {}).items()}
        with self._connection.calling(f"add the point at {labels} labels to the curves") as client:
            runs.log_points(client, client.get_run(parent_run_id), points)

    def describe(
        self,
        run_id: str,
        *,
        markdown: str | None = None,
        tags: Mapping[str, object] | None = None,
        figures: Mapping[str, Figure] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Replace a run's description, tags and files, such as those of the campaign's run each round.

        Parameters
        ----------
        run_id
            A campaign's or a round's run.
        markdown
            The text that the UI shows first.
        tags
            Short facts.
        figures
            Name -> figure, stored as ``plots/<name>.png``.
        files
            Path in the run -> content.
        """
        pictures = artifacts.pictures(figures or {}) | dict(files or {})
        with self._connection.calling(f"describe the run {run_id}") as client:
            runs.annotate(client, client.get_run(run_id), params={}, tags=tags or {}, markdown=markdown)
            artifacts.upload(client, run_id, pictures)

    def finish(self, run_id: str, status: Status = "FINISHED") -> None:
        """Set a run's status.

        Parameters
        ----------
        run_id
            A campaign's or a round's run.
        status
            ``RUNNING`` opens it again; ``FINISHED``, ``FAILED`` and ``KILLED`` end it.
        """
        if status not in get_args(Status):
            raise ValueError(f"unknown run status {status!r}; one of {', '.join(get_args(Status))}")
        with self._connection.calling(f"set the run {run_id} to {status}") as client:
            if client.get_run(run_id).info.status == status:
                return
            if status == "RUNNING":
                client.update_run(run_id, status=status)
            else:
                client.set_terminated(run_id, status)

    def rounds_url(self, experiment_id: str) -> str:
        """Return the address of the campaign's table of rounds; empty when the URI is no server's."""
        return views.rounds_url(self.uri, experiment_id)

    def curve_url(self, experiment_id: str, parent_run_id: str, measure: str) -> str:
        """Return the address of a learning curve with its interval, labels on the x axis.

        Parameters
        ----------
        experiment_id, parent_run_id
            The campaign.
        measure
            As given to `append_curve` in the group ``curve``: ``audit/accuracy``.
        """
        return views.curve_url(self.uri, experiment_id, parent_run_id, naming.by_labels("curve", measure))

    def share_curves(self, experiment_id: str, charts: Sequence[Sequence[str]]) -> None:
        """Arrange the charts at `curves_url`.

        Parameters
        ----------
        experiment_id
            From `ensure_experiment`.
        charts
            Curves drawn together, each as group and name of `append_curve`: ``curve audit/accuracy_low``.
        """
        named = [[naming.by_labels(*one.split(" ", 1)) for one in curves] for curves in charts]
        with self._connection.calling("arrange the charts") as client:
            views.share_curves(client, experiment_id, named)

    def curves_url(self, experiment_id: str) -> str:
        """Return the address of the campaign's curves by labels; empty when the URI is no server's."""
        return views.curves_url(self.uri, experiment_id)
