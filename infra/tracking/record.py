"""What a round hands over to be tracked: values only, so that it can be built again from Postgres and S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Table = Mapping[str, Sequence[object]]
"""Column name -> values; all columns of one length."""


class Interval(Protocol):
    """An estimate with its interval, such as `tasks.evaluation.Estimate`."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def low(self) -> float:
        """Lower end of the interval."""

    @property
    def high(self) -> float:
        """Upper end of the interval."""


class TrainedModel(Protocol):
    """A trained model, such as `tasks.models.Model`."""

    @property
    def kind(self) -> str:
        """What was trained: ``xgboost``, ``linear``, ``forest``, ``stacked`` or ``given``."""

    def to_bytes(self) -> bytes:
        """Give the model's file."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``: where it was trained."""


@dataclass(frozen=True)
class RoundModel:
    """The model of a round, with what is needed to use it elsewhere.

    Attributes
    ----------
    model
        The trained model.
    feature_names
        Columns of the feature matrix, in order.
    classes
        Names of the probability columns, in order.
    space_uri, space_digest
        The stored feature space that turns items into the model's columns, and its digest.
    """

    model: TrainedModel
    feature_names: tuple[str, ...]
    classes: tuple[str, ...]
    space_uri: str = ""
    space_digest: str = ""


@dataclass(frozen=True)
class DataSet:
    """One data set that a round used; only this description is tracked, never the rows.

    Attributes
    ----------
    context
        What it was used for: ``pool``, ``training``, ``audit``, ``holdout``.
    uri
        Where it lies, such as ``s3://pool/campaigns/spam/rounds/3/manifest.json``.
    digest
        SHA-256 of the manifest or file.
    rows
        Number of items.
    columns
        Column name -> type, for the schema that the UI shows.
    """

    context: str
    uri: str
    digest: str
    rows: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundRecord:
    """All of one round that MLflow shows.

    Attributes
    ----------
    number
        The round, from 1.
    campaign
        Name of the campaign; the registered model bears it too.
    labels
        Labels in hand when the model was trained.
    params
        What the campaign file fixes. Anything that a retry may change (device, counts) is a tag or a metric.
    tags
        Short facts: device, strategy, digests.
    metrics
        Metric name -> value; names with a slash (``pool/items``) are grouped by the UI.
    estimates
        Group (``audit``, ``holdout``) -> measure -> estimate: ``audit/accuracy``, ``_low`` and ``_high``.
    model
        The model; None in a cold-start round.
    datasets
        Lineage.
    files
        Path in the run -> content: ``manifest.json``, ``report.html``.
    tables
        Path in the run without suffix -> columns; shown as tables by the UI: ``batch``.
    figures
        Name -> figure; stored as ``plots/<name>.png``.
    report
        The round's report in Markdown: the run's description and ``report.md``.
    promote
        The model becomes ``champion``. The first version does so anyway.
    decision
        How it was compared with the champion: tags of the model's version.
    """

    number: int
    campaign: str
    labels: int
    params: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    estimates: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    model: RoundModel | None = None
    datasets: Sequence[DataSet] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    report: str = ""
    promote: bool = False
    decision: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Tracked:
    """Where a round can be looked at.

    Attributes
    ----------
    url
        The run in the MLflow UI; empty when the tracking URI is no server's.
    model_uri
        ``models:/<campaign>/<version>``; None without a model.
    version
        The registered version; None without a model.
    """

    url: str
    model_uri: str | None = None
    version: int | None = None


def run_name(number: int) -> str:
    """Return the name of a round's run, ``round-003``: sorted as text, rounds are in order."""
    return f"round-{number:03d}"
