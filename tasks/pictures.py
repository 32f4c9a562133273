"""The pictures of a round and of its campaign, drawn from what the database knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.measure import best_estimates
from tasks.targets import headline, targets_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasks.evaluation.plots import Curve


def round_pictures(round_: Round, campaign: Campaign, picks: list[dict[str, Any]]) -> dict[str, Figure]:
    """Draw what is right and wrong on each yardstick, reliability, and where the batch was cut off the pool's scores.

    Parameters
    ----------
    picks
        Rows of the batch, as `infra.database.batches.batch_of` gives them.
    """
    from tasks.evaluation import plots

    measures = round_.measures or {}
    found: dict[str, Figure] = {}
    for group, arrays in measures.get("pictures", {}).items():
        found |= targets_of(campaign).figures(group, arrays)
    scores = [pick["score"] for pick in picks if pick["score"] is not None]
    pool = measures.get("pool")
    if pool and pool["scores"] and scores:
        measure = pool.get("measure", campaign.strategy.title)
        # Where a second stage chooses, the batch is no cut through the first one's scores.
        ranked = round_.model is not None and measure == campaign.strategy.title
        found["scores"] = plots.score_histogram(
            np.array(pool["scores"]), min(scores) if ranked else None, measure=measure, batch=len(scores)
        )
    return found


def campaign_pictures(workplace: Workplace, round_: Round, campaign: Campaign) -> dict[str, Figure]:
    """Draw the learning curve, the classes that each round brought, and the money."""
    from tasks.evaluation import plots

    found: dict[str, Figure] = {}
    curve = learning_curve(workplace, round_, campaign)
    if curve is not None:
        measure = headline(campaign).replace("_", " ")
        title = f"{campaign.name}: {measure} by labels"
        found["learning_curve"] = plots.learning_curve(curve, measure=measure, title=title)
    brought = campaigns.labels_by_round(workplace.engine, round_.campaign_id)
    if brought:
        counts, numbers = _table(brought, campaign.classes)
        found["class_balance"] = plots.class_balance(counts, campaign.classes, rounds=numbers)
    spent = campaigns.spend_by_round(workplace.engine, round_.campaign_id)
    if spent:
        vendors = sorted({vendor for _, vendor, _ in spent})
        amounts, numbers = _table(spent, vendors)
        limit = campaign.budget.money
        found["spend"] = plots.spend(
            amounts / 1e6,
            vendors,
            rounds=numbers,
            budget=None if limit is None else float(limit),
            currency=campaign.budget.currency,
        )
    return found


def learning_curve(workplace: Workplace, round_: Round, campaign: Campaign) -> Curve | None:
    """Read the campaign's first measure up to this round; None when no round was measured."""
    from tasks.evaluation.plots import Curve

    measure = headline(campaign)
    points = []
    for one in rounds.rounds_of(workplace.engine, campaign.name):
        known = best_estimates(one.measures or {}).get(measure)
        if one.number <= round_.number and one.measures and known is not None:
            points.append((one.measures["counts"]["labels"], known.value, known.low, known.high))
    if not points:
        return None
    labels, value, low, high = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    return Curve(labels, value, low, high, name=campaign.strategy.title)


def _table(rows: list[tuple[int, str, int]], columns: tuple[str, ...] | list[str]) -> tuple[Any, list[int]]:
    """Spread (round, column, amount) over a matrix (rounds, columns)."""
    numbers = sorted({number for number, _, _ in rows})
    matrix = np.zeros((len(numbers), len(columns)))
    for number, column, amount in rows:
        matrix[numbers.index(number), list(columns).index(column)] += amount
    return matrix, numbers
