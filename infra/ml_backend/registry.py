"""Which of a campaign's models is at work, by MLflow's registry."""

from __future__ import annotations

from dataclasses import dataclass

from infra.tracking.connection import Connection
from infra.tracking.models import CHALLENGER, CHAMPION
from tasks.errors import NotFound, StackError


@dataclass(frozen=True)
class Registered:
    """A registered model of a campaign.

    Attributes
    ----------
    version
        In MLflow.
    round
        That trained it.
    versions
        All that there are, newest first.
    """

    version: int
    round: int
    versions: tuple[int, ...]


def newest(connection: Connection, campaign: str) -> Registered:
    """Find the campaign's champion; without one its newest model.

    Raises
    ------
    NotFound
        It has no model.
    ServiceUnavailable
        MLflow does not answer.
    """
    with connection.calling(f"look up the models of {campaign}") as client:
        entries = {int(one.version): one for one in client.search_model_versions(f"name = '{campaign}'")}
        if not entries:
            raise NotFound(f"{campaign} has no model yet: its first round with enough labels registers one")
        aliases = client.get_registered_model(campaign).aliases
    told = aliases.get(CHAMPION) or aliases.get(CHALLENGER)
    version = int(told) if told is not None and int(told) in entries else max(entries)
    number = entries[version].tags.get("round", "")
    if not number.isdigit():
        raise StackError(
            f"version {version} of {campaign} in MLflow is of no round of ours: move the alias {CHAMPION}"
        )
    return Registered(version, int(number), tuple(sorted(entries, reverse=True)))
