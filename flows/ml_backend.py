"""``labelrounds ml-backend``: a campaign's champion behind Label Studio's ML backend interface."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.database import rounds
from infra.ml_backend import NOTHING, Login, Registered, make_app, newest
from infra.settings import Settings
from infra.tracking.connection import Connection
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import NotFound, PoolRejected, ServiceUnavailable
from tasks.outputs import campaign_of, manifest_of, model_of, space_of
from tasks.vendors.label_studio.form import question_of
from tasks.vendors.label_studio.guesses import guess, row_of
from tasks.vendors.label_studio.options import LOGIN_VARIABLE

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.added import RoundSpace
    from tasks.models import Predictor
    from tasks.pool.schema import Columns

log = logging.getLogger(__name__)

CHUNK = 5_000
"""Rows that are turned into one matrix at a time."""


def serve(
    settings: Settings, campaign: str, host: str, port: int, environment: Mapping[str, str] | None = None
) -> None:
    """Answer Label Studio until the process is stopped.

    Parameters
    ----------
    campaign
        Its name; it needs no model yet.
    environment
        Where `LOGIN_VARIABLE` may stand, ``user:password``; by default the process's.

    Raises
    ------
    NotFound, UsageError
        There is no such campaign, or the login is malformed.
    """
    import uvicorn

    told = (os.environ if environment is None else environment).get(LOGIN_VARIABLE)
    login = Login.read(told) if told else None
    place = Workplace(settings)
    try:
        app = make_app(Champion(place, campaign), login)
        uvicorn.run(app, host=host, port=port, log_level="warning")
    finally:
        place.close()


@dataclass(frozen=True)
class Loaded:
    """A model with what it needs to read a task."""

    version: int
    campaign: Campaign
    columns: Columns
    space: RoundSpace
    model: Predictor

    def proba(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Predict rows of the pool's columns, float32 (n, n_classes)."""
        parts = [
            self.model.predict(self.space.transform(table_of(rows[start : start + CHUNK], self.columns)))
            for start in range(0, len(rows), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.campaign.classes)), np.float32)


class Champion:
    """A campaign's champion as an `infra.ml_backend.Oracle`; a newer one is at work from the next call on.

    Parameters
    ----------
    campaign
        Its name.
    """

    def __init__(self, place: Workplace, campaign: str) -> None:
        from infra.database import campaigns

        campaigns.find(place.engine, campaign)
        self._place, self._campaign = place, campaign
        self._connection = Connection(place.settings.mlflow_tracking_uri)
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None

    def version(self) -> str:
        """Name the champion."""
        return self._name(self._newest().version)

    def versions(self) -> list[str]:
        """Name all models, newest first."""
        return [self._name(one) for one in newest(self._connection, self._campaign).versions]

    def predict(self, tasks: Sequence[Any], label_config: str) -> tuple[str, list[dict[str, Any]]]:
        """Predict tasks of Label Studio; what cannot be predicted gets an empty result."""
        at_work = self._load()
        campaign = at_work.campaign
        question = question_of(label_config, campaign.classes)
        rows = [row_of(task, at_work.columns.features) for task in tasks]
        found = [dict(NOTHING) for _ in tasks]
        if question is None:
            log.warning("no predictions: the project asks for none of the classes of %s", self._campaign)
            return self._name(at_work.version), found
        good = [place for place, row in enumerate(rows) if row is not None]
        proba = at_work.proba([row for row in rows if row is not None])
        for place, row in zip(good, proba, strict=True):
            found[place] = guess(row, campaign.task, campaign.classes, question) or dict(NOTHING)
        return self._name(at_work.version), found

    def _name(self, version: int) -> str:
        return f"{self._campaign} v{version}"

    def _newest(self) -> Registered:
        """Look up the champion; while MLflow is away, the one that is loaded stays at work."""
        try:
            return newest(self._connection, self._campaign)
        except ServiceUnavailable:
            if self._loaded is None:
                raise
            log.warning("MLflow does not answer: the loaded model stays at work")
            return Registered(self._loaded.version, 0, (self._loaded.version,))

    def _load(self) -> Loaded:
        with self._lock:
            wanted = self._newest()
            if self._loaded is None or self._loaded.version != wanted.version:
                self._loaded = load(self._place, self._campaign, wanted)
                log.info("%s is at work", self._name(wanted.version))
            return self._loaded


def load(place: Workplace, campaign: str, registered: Registered) -> Loaded:
    """Read the model of a registered version, and the feature space of its round.

    Raises
    ------
    NotFound
        The round, or its model, is not in the database.
    """
    round_ = rounds.round_number(place.engine, campaign, registered.round)
    model = model_of(place, round_)
    if model is None:
        raise NotFound(f"round {registered.round} of {campaign} has no model")
    columns = manifest_of(place, round_).columns
    return Loaded(registered.version, campaign_of(round_), columns, space_of(place, round_), model)


def table_of(rows: Sequence[Mapping[str, Any]], columns: Columns) -> pa.Table:
    """Put rows into a table like the pool's; a value that cannot be read counts as missing."""
    import pyarrow as pa

    from tasks.pool.cast import cast_values
    from tasks.pool.values import canonical_type

    arrays: dict[str, Any] = {columns.id: pa.array([""] * len(rows), pa.string())}
    for name in columns.features:
        kind, dimension = columns.kind(name), columns.dimension(name)
        try:
            array, _ = cast_values([row.get(name) for row in rows], kind, dimension)
        except PoolRejected:
            array = pa.nulls(len(rows), canonical_type(kind, dimension))
        arrays[name] = array.cast(canonical_type(kind, dimension))
    return pa.table(arrays)
