"""Rounds: opened one at a time, driven by one process, each step's output stored with the new state."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from infra.database.engine import transaction, unavailable
from infra.database.statements import statements
from tasks.errors import NotFound, RoundBusy
from tasks.reference import Reference

ENDED = ("closed", "stopped", "failed")


@dataclass(frozen=True)
class Round:
    """A row of `rounds` as it was read.

    Parameters
    ----------
    spec
        The campaign file as it was when the round opened.
    manifest, labels, features, model, shortlist, audit, batch
        Outputs of the steps that are done; ``model`` stays None after a cold start.
    measures
        Estimates with intervals, counts and stop signals.
    schema_version
        Of the label schema that vendors were given; None before publishing.
    pick_low
        Where vendors' claims begin to look for free tasks.
    """

    round_id: int
    campaign_id: int
    campaign: str
    number: int
    state: str
    reason: str | None
    spec: dict[str, Any]
    spec_digest: str
    manifest: Reference | None
    labels: Reference | None
    features: Reference | None
    model: Reference | None
    measures: dict[str, Any] | None
    shortlist: Reference | None
    audit: Reference | None
    batch: Reference | None
    device: str | None
    mlflow_run_id: str | None
    model_version: str | None
    tracked_at: datetime | None
    flow_run_id: str | None
    opened_at: datetime
    published_at: datetime | None
    due_at: datetime | None
    closed_at: datetime | None
    schema_version: int | None
    pick_low: int

    @classmethod
    def from_row(cls, row: sa.RowMapping) -> Round:
        """Read a row; references become objects."""
        values = dict(row)
        for name in ("manifest", "labels", "features", "model", "shortlist", "audit", "batch"):
            if values[name] is not None:
                values[name] = Reference.from_json(values[name])
        return cls(**values)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    def reached(self, state: str) -> bool:
        """Whether the round is at `state` of the straight way, or past it."""
        way = ("opened", "trained", "scored", "published", "closed")
        return self.state in way and way.index(self.state) >= way.index(state)


@contextmanager
def driving(engine: sa.Engine, campaign: str) -> Iterator[None]:
    """Hold the campaign while a process drives its round.

    Raises
    ------
    RoundBusy
        When another process holds it.
    """
    with holding(engine, f"labelrounds:{campaign}") as held:
        if not held:
            raise RoundBusy(
                f"campaign {campaign}: another process drives its round at this moment; nothing was done"
            )
        yield


@contextmanager
def holding(engine: sa.Engine, key: str) -> Iterator[bool]:
    """Try to take a lock for the time of the block; give whether it was free.

    A session-level advisory lock on a connection of its own: it vanishes with the process, however it ends.
    """
    sql = statements("locks")
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except sa.exc.OperationalError as error:
        raise unavailable(engine, error) from error
    with connection:
        try:
            yield bool(connection.execute(sql["try_lock"], {"key": key}).scalar_one())
        finally:
            # Not back to the pool: closing the session is what frees the lock.
            connection.invalidate()


def is_driven(connection: sa.Connection, campaign: str) -> bool:
    """Tell whether a living process holds the campaign."""
    return bool(
        connection.execute(statements("locks")["is_held"], {"key": f"labelrounds:{campaign}"}).scalar_one()
    )


def find(engine: sa.Engine, round_id: int) -> Round:
    """Read a round anew."""
    with transaction(engine) as connection:
        row = connection.execute(statements("rounds")["find_round"], {"round_id": round_id}).mappings().one()
    return Round.from_row(row)


def rounds_of(engine: sa.Engine, campaign: str) -> list[Round]:
    """Read all rounds of a campaign, oldest first; none when it does not exist."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("rounds")["rounds_of"], {"name": campaign}).mappings().all()
    return [Round.from_row(row) for row in rows]


def round_number(engine: sa.Engine, campaign: str, number: int) -> Round:
    """Read one round by its number.

    Raises
    ------
    NotFound
        When the campaign has no such round.
    """
    for found in rounds_of(engine, campaign):
        if found.number == number:
            return found
    raise NotFound(f"campaign {campaign} has no round {number}")


def unfinished(engine: sa.Engine, campaign_id: int) -> Round | None:
    """Give the campaign's open round, if there is one."""
    with transaction(engine) as connection:
        query = statements("rounds")["unfinished_round"]
        row = connection.execute(query, {"campaign_id": campaign_id}).mappings().one_or_none()
    return None if row is None else Round.from_row(row)


def untracked(engine: sa.Engine, campaign_id: int) -> list[Round]:
    """Give the rounds that MLflow does not know whole."""
    with transaction(engine) as connection:
        query = statements("rounds")["untracked_rounds"]
        rows = connection.execute(query, {"campaign_id": campaign_id}).mappings().all()
    return [Round.from_row(row) for row in rows]


def open_round(
    engine: sa.Engine, campaign_id: int, spec: dict[str, Any], digest: str, flow_run_id: str | None
) -> Round:
    """Open the campaign's next round.

    Raises
    ------
    RoundBusy
        When another process opened one at the same moment.
    """
    sql = statements("rounds")
    values = {
        "campaign_id": campaign_id,
        "spec": json.dumps(spec),
        "digest": digest,
        "flow_run_id": flow_run_id,
    }
    with transaction(engine) as connection:
        round_id = connection.execute(sql["open_round"], values).scalar_one_or_none()
    if round_id is None:
        raise RoundBusy("another process has just opened a round of this campaign; nothing was done")
    return find(engine, round_id)


def store(engine: sa.Engine, round_: Round, new_state: str | None = None, **outputs: Any) -> Round:
    """Commit a step's output together with the round's new state.

    Parameters
    ----------
    new_state
        None keeps the state.
    **outputs
        `Reference` objects, the dictionary ``measures``, the string ``device``.

    Raises
    ------
    RoundBusy
        When the round is no longer in the state in which the step found it, or is to be closed with open items.
    """
    columns = ("manifest", "labels", "features", "model", "measures", "shortlist", "audit", "batch")
    values: dict[str, Any] = {name: _as_json(outputs.pop(name, None)) for name in columns}
    values |= {"device": outputs.pop("device", None), "round_id": round_.round_id, "state": round_.state}
    if outputs:
        raise TypeError(f"no such outputs: {sorted(outputs)}")
    with transaction(engine) as connection:
        if connection.execute(statements("rounds")["store"], values).rowcount != 1:
            raise _moved(round_)
        if new_state is not None:
            _move(connection, round_, new_state, None)
    return find(engine, round_.round_id)


def end(engine: sa.Engine, round_: Round, new_state: str, reason: str) -> Round:
    """Stop or fail a round, with the reason; a stopped round stops its campaign."""
    with transaction(engine) as connection:
        _move(connection, round_, new_state, reason)
        if new_state == "stopped":
            values = {"campaign_id": round_.campaign_id, "reason": reason}
            connection.execute(statements("campaigns")["stop_campaign"], values)
    return find(engine, round_.round_id)


def link_run(engine: sa.Engine, round_: Round, run_id: str) -> None:
    """Remember the round's MLflow run before anything is logged to it."""
    with transaction(engine) as connection:
        connection.execute(statements("rounds")["link_run"], {"round_id": round_.round_id, "run_id": run_id})


def mark_tracked(engine: sa.Engine, round_: Round, model_version: str | None) -> None:
    """Note that MLflow has everything of the round."""
    values = {"round_id": round_.round_id, "model_version": model_version}
    with transaction(engine) as connection:
        connection.execute(statements("rounds")["mark_tracked"], values)


def note_flow_run(engine: sa.Engine, round_: Round, flow_run_id: str) -> None:
    """Remember which Prefect flow run drives the round now."""
    values = {"round_id": round_.round_id, "flow_run_id": flow_run_id}
    with transaction(engine) as connection:
        connection.execute(statements("rounds")["note_flow_run"], values)


def _move(connection: sa.Connection, round_: Round, new_state: str, reason: str | None) -> None:
    values = {"round_id": round_.round_id, "state": round_.state, "new_state": new_state, "reason": reason}
    if connection.execute(statements("rounds")["move"], values).rowcount != 1:
        raise _moved(round_)


def _moved(round_: Round) -> RoundBusy:
    return RoundBusy(
        f"campaign {round_.campaign}: round {round_.number} is no longer {round_.state}; "
        "another process went on with it, and this step's output was not stored"
    )


def _as_json(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value.to_json() if isinstance(value, Reference) else _finite(value))


def _finite(value: Any) -> Any:
    """Write what is not known (NaN) as null: Postgres' JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
