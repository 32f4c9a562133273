"""What other strategies would have chosen from the same candidates."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.outputs import manifest_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.choice import Known
    from tasks.strategies import Strategy

log = logging.getLogger(__name__)

RIVALS = ("margin", "entropy", "margin_kmeans", "kcenter")
"""Cheap ones that need nothing but the round's model; random is told by its expectation."""


def rivals(
    workplace: Workplace, round_: Round, campaign: Campaign, shortlist: pa.Table, chosen: Collection[str]
) -> dict[str, float]:
    """Give which share of the chosen items each rival would have chosen, too; nothing without a model.

    The candidates are the shortlist of the campaign's own strategy, so what a rival would have found beyond it is not
    seen. Of a random choice the expectation is told: that of the whole pool.
    """
    k = len(chosen)
    if round_.model is None or not k or k >= shortlist.num_rows:
        return {}
    from tasks.select import stored_known

    known = stored_known(workplace, round_)
    found = {
        name: share
        for name in RIVALS
        if name != campaign.strategy.title
        and (share := _overlap(workplace, round_, campaign, shortlist, known, set(chosen), name)) is not None
    }
    return found | {"random": k / max((round_.measures or {})["pool"]["choosable"], k)}


def _overlap(
    workplace: Workplace, round_: Round, campaign: Campaign, shortlist: pa.Table, known: Known,
    chosen: set[str], name: str,
) -> float | None:  # fmt: skip
    from tasks.choice import candidates_of, description_of, generator
    from tasks.strategies import get

    strategy = get(name)
    try:
        _check(campaign, strategy)
    except UsageError:
        return None
    description = description_of(workplace, round_, strategy)
    id_column = manifest_of(workplace, round_).columns.id
    candidates = candidates_of(shortlist, id_column, campaign, known, description, strategy)
    positions = strategy.select(candidates, len(chosen), generator(campaign, round_))
    return len(chosen & {str(candidates.ids[place]) for place in positions.tolist()}) / len(chosen)


def _check(campaign: Campaign, strategy: Strategy) -> None:
    """Raise UsageError for a strategy that does not go with the campaign's task or predictions."""
    from tasks.strategies.given import check_strategy_of_predictions
    from tasks.strategies.multilabel import check_strategy_of_sets

    if campaign.task == "multilabel":
        check_strategy_of_sets(strategy)
    if campaign.predictions is not None:
        several = campaign.predictions.aggregate is not None
        check_strategy_of_predictions(strategy, several=several)
