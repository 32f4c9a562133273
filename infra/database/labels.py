"""Labels: what is believed of items, and which items are no longer free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from infra.database.engine import transaction
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
    weight
        With which a model learns it.
    """

    item_id: str
    kind: str
    label: str
    confidence: float
    inclusion_probability: float | None
    weight: float


@dataclass(frozen=True)
class Answer:
    """What one vendor says by now of an item.

    Parameters
    ----------
    kind
        Of the item in its batch: ``work``, ``audit``, ``relabel`` or ``gold``.
    state
        ``open`` while answers of the item are missing.
    expected
        The known label of a gold item.
    """

    batch_item_id: int
    item_id: str
    kind: str
    state: str
    round_id: int
    annotation_id: int
    vendor_id: int
    annotator: str | None
    label: str
    expected: str | None


@dataclass(frozen=True)
class Version:
    """The newest version of an item's label, as it was inferred.

    Parameters
    ----------
    inputs
        The annotations that it rests on.
    withdrawn
        No answer stands any more.
    """

    item_id: str
    version: int
    kind: str
    label: str
    confidence: float
    inputs: tuple[int, ...]
    withdrawn: bool


@dataclass(frozen=True)
class Inferred:
    """A label inferred from answers.

    Parameters
    ----------
    version
        One more than the newest that was read: of two who infer at once one is in vain.
    weight
        With which a model learns it; None for its confidence.
    """

    item_id: str
    version: int
    kind: str
    label: str
    confidence: float
    inputs: tuple[int, ...]
    round_id: int
    withdrawn: bool = False
    weight: float | None = None


@dataclass(frozen=True)
class Asked:
    """How many answers of an item were asked for, and of whom."""

    answers: int
    vendors: frozenset[int]


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


def audit_draws(engine: sa.Engine, campaign_id: int) -> dict[str, dict[str, Any]]:
    """Read how the audited items were drawn: item -> ``round``, ``rank`` in its draw, and the ``reason``."""
    with transaction(engine) as connection:
        query = statements("labels")["audit_draws"]
        rows = connection.execute(query, {"campaign_id": campaign_id}).mappings().all()
    return {
        row["item_id"]: {"round": row["round"], "rank": row["rank"], "reason": row["reason"]} for row in rows
    }


def taken_items(engine: sa.Engine, campaign_id: int) -> dict[str, str]:
    """Give the ids of items that are labelled, in flight or answered, and what chose each; '' where nothing did."""
    with transaction(engine) as connection:
        query = statements("labels")["taken_items"]
        rows = connection.execute(query, {"campaign_id": campaign_id}).all()
    return {row.item_id: row.source for row in rows}


def counted_answers(engine: sa.Engine, campaign_id: int) -> list[Answer]:
    """Read what vendors say by now of the campaign's items, ordered by item and time."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["counted_answers"], {"campaign_id": campaign_id}).all()
    return [Answer(*row) for row in rows]


def witnesses(engine: sa.Engine, campaign_id: int) -> dict[str, list[float]]:
    """Read what models said of items, by class, before anybody had answered."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["witnesses"], {"campaign_id": campaign_id}).all()
    return {row.item_id: row.witness for row in rows}


def newest_labels(engine: sa.Engine, campaign_id: int) -> dict[str, Version]:
    """Read the newest version of each item's label."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["newest_labels"], {"campaign_id": campaign_id}).all()
    return {row.item_id: Version(**{**row._mapping, "inputs": tuple(row.inputs)}) for row in rows}


def answers_asked(engine: sa.Engine, campaign_id: int) -> dict[str, Asked]:
    """Count the answers that each item has or may still get."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["answers_asked"], {"campaign_id": campaign_id}).all()
    return {row.item_id: Asked(row.asked, frozenset(row.vendors or ())) for row in rows}


def payloads(engine: sa.Engine, campaign_id: int, item_ids: Sequence[str]) -> dict[str, str]:
    """Read what vendors were shown of items, as JSON texts."""
    values = {"campaign_id": campaign_id, "item_ids": list(item_ids)}
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["payloads"], values).all()
    return {row.item_id: row.payload for row in rows}


def gold_asked(engine: sa.Engine, campaign_id: int) -> dict[tuple[int, str], int]:
    """Count how often each vendor was given each gold item."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["gold_asked"], {"campaign_id": campaign_id}).all()
    return {(row.vendor_id, row.item_id): row.times for row in rows}


def gold_results(engine: sa.Engine, campaign_id: int) -> dict[str, tuple[int, int]]:
    """Count each vendor's right and wrong answers to gold items."""
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["gold_results"], {"campaign_id": campaign_id}).all()
    return {row.name: (row.correct, row.wrong) for row in rows}


def insert_labels(engine: sa.Engine, campaign_id: int, inferred: Sequence[Inferred], method: str) -> int:
    """Store labels; a version that somebody else stored meanwhile stays.

    Returns
    -------
    int
        How many were new.
    """
    if not inferred:
        return 0
    values = {
        "campaign_id": campaign_id,
        "method": method,
        "item_ids": [one.item_id for one in inferred],
        "versions": [one.version for one in inferred],
        "kinds": [one.kind for one in inferred],
        "labels": [one.label for one in inferred],
        "confidences": [one.confidence for one in inferred],
        "inputs": ["{" + ",".join(map(str, one.inputs)) + "}" for one in inferred],
        "rounds": [one.round_id for one in inferred],
        "withdrawn": [one.withdrawn for one in inferred],
        "weights": [one.weight for one in inferred],
    }
    with transaction(engine) as connection:
        return connection.execute(statements("labels")["insert_labels"], values).rowcount


def export(engine: sa.Engine, campaign: str, before: datetime | None = None) -> list[dict[str, Any]]:
    """Read the campaign's labels with their provenance: the newest, or those of a moment."""
    values = {"name": campaign, "before": before}
    with transaction(engine) as connection:
        rows = connection.execute(statements("labels")["export"], values).mappings().all()
    return [dict(row) for row in rows]
