"""Labels: what is believed of items, and which items are no longer free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from infra.database.engine import transaction
from infra.database.rounds import Round
from infra.database.statements import statements
from infra.database.text import check_ids


@dataclass(frozen=True)
class Label:
    """The newest version of an item's label.

    Parameters
    ----------
    kind
        ``seed``, ``work`` or ``audit``.
    inclusion_probability
        With which an audit item was drawn.
    """

    item_id: str
    kind: str
    label: str
    confidence: float
    inclusion_probability: float | None


@dataclass(frozen=True)
class Answer:
    """One vendor's answer for an item that has no label yet."""

    batch_item_id: int
    item_id: str
    kind: str
    annotation_id: int
    label: str


@dataclass(frozen=True)
class Belief:
    """A label inferred from answers.

    Parameters
    ----------
    inputs
        The annotations that it rests on.
    """

    item_id: str
    kind: str
    label: str
    confidence: float
    inputs: tuple[int, ...]


def import_seed(engine: sa.Engine, campaign_id: int, item_ids: Sequence[str], labels: Sequence[str]) -> int:
    """Store labels that were known before the first round; those of known items stay as they are.

    Returns
    -------
    int
        How many were new.

    Raises
    ------
    UsageError
        When an id cannot be stored; nothing is written.
    """
    check_ids(item_ids, "seed labels")
    values = {"campaign_id": campaign_id, "item_ids": list(item_ids), "labels": list(labels)}
    with transaction(engine) as connection:
        return connection.execute(statements("labels")["insert_seed"], values).rowcount


def current_labels(engine: sa.Engine, campaign_id: int) -> list[Label]:
    """Read all labels of a campaign, ordered by item."""
    with transaction(engine) as connection:
        query = statements("labels")["current_labels"]
        rows = connection.execute(query, {"campaign_id": campaign_id}).all()
    return [Label(*row) for row in rows]


def taken_items(engine: sa.Engine, campaign_id: int) -> dict[str, str]:
    """Give the ids of items that are labelled, in flight or answered, and what chose each; '' where nothing did."""
    with transaction(engine) as connection:
        query = statements("labels")["taken_items"]
        rows = connection.execute(query, {"campaign_id": campaign_id}).all()
    return {row.item_id: row.source for row in rows}


def unlabelled_answers(engine: sa.Engine, round_: Round) -> list[Answer]:
    """Read the answers of complete items that have no label yet."""
    with transaction(engine) as connection:
        rows = connection.execute(
            statements("labels")["unlabelled_answers"], {"round_id": round_.round_id}
        ).all()
    return [Answer(*row) for row in rows]


def insert_labels(engine: sa.Engine, round_: Round, beliefs: Sequence[Belief], method: str) -> int:
    """Store labels; an item that got one meanwhile keeps it.

    Returns
    -------
    int
        How many were new.
    """
    values = {
        "campaign_id": round_.campaign_id,
        "round_id": round_.round_id,
        "method": method,
        "item_ids": [belief.item_id for belief in beliefs],
        "kinds": [belief.kind for belief in beliefs],
        "labels": [belief.label for belief in beliefs],
        "confidences": [belief.confidence for belief in beliefs],
        "inputs": ["{" + ",".join(map(str, belief.inputs)) + "}" for belief in beliefs],
    }
    with transaction(engine) as connection:
        return connection.execute(statements("labels")["insert_labels"], values).rowcount


def export(engine: sa.Engine, campaign: str) -> list[dict[str, Any]]:
    """Read the campaign's labels with their provenance."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["export"], {"name": campaign}).mappings().all()
    return [dict(row) for row in rows]
