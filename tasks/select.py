"""Choose the batch: the strategy's picks from the shortlist, and the audit's random draw."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import PoolExhausted
from tasks.outputs import campaign_of, folder, manifest_of
from tasks.reference import Reference
from tasks.score import FEATURES, PROBA, generator, strategy_of
from tasks.step import step

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

ITEM, KIND, RANK, SCORE, REASON, PROBABILITY, PAYLOAD = (
    "item_id", "kind", "rank", "score", "reason", "inclusion_probability", "payload",
)  # fmt: skip


@step("select the batch")
def select(workplace: Workplace, round_: Round) -> Round:
    """Pick as many items as batch size, budget and pool allow; every pick carries its reason.

    Raises
    ------
    PoolExhausted
        When no free item is left.
    """
    if round_.state != "scored" or round_.batch is not None:
        return round_
    assert round_.shortlist is not None
    assert round_.audit is not None
    campaign = campaign_of(round_)
    columns = manifest_of(workplace, round_).columns
    shortlist = workplace.fetch_table(round_.shortlist)
    reserve = workplace.fetch_table(round_.audit)
    size = affordable(workplace, round_, campaign)
    # Where nothing is left to choose from, what was reserved to measure fills the batch.
    to_draw = max(campaign.batch.audit_items(size), size - shortlist.num_rows)
    audit = draw_audit(reserve, columns.id, to_draw, campaign, round_)
    k = min(size - len(audit), shortlist.num_rows)
    known = (round_.measures or {}).get("known")
    cover = None if known is None else workplace.fetch_array(Reference.from_json(known))
    work = pick_work(shortlist, columns.id, k, campaign, round_, cover) if k else []
    picks = [*work, *audit]
    if not picks:
        raise PoolExhausted(f"No free item is left in {campaign.pool.uri}; put more there to go on.")
    reference = workplace.keep_table(folder(round_), "batch", _table(picks))
    log.info(
        "%d items chosen by %s, %d drawn to measure",
        len(work),
        strategy_of(round_, campaign).name,
        len(audit),
    )
    return rounds.store(workplace.engine, round_, batch=reference)


def affordable(workplace: Workplace, round_: Round, campaign: Campaign) -> int:
    """Give the batch's size: what the campaign asks for, or what labels and money are left for."""
    balance = campaigns.balance(workplace.engine, round_.campaign_id)
    size = min(campaign.batch.size, campaign.budget.labels - balance.bought)
    price = campaign.item_price_micro
    if campaign.budget.money_micro is not None and price:
        left = campaign.budget.money_micro - balance.spent_micro - balance.held_micro
        size = min(size, left // price)
    return max(0, size)


def draw_audit(
    reserve: pa.Table, id_column: str, n: int, campaign: Campaign, round_: Round
) -> list[dict[str, Any]]:
    """Take the next `n` items of the audit's reserve, in the order of their hash."""
    if n <= 0 or reserve.num_rows == 0:
        return []
    assert round_.measures is not None
    drawable = round_.measures["pool"]["drawable"]
    open_rows = [row for row in range(reserve.num_rows) if not reserve.column("__drawn")[row].as_py()]
    picks = []
    for rank, row in enumerate(open_rows[:n], start=1):
        # After this draw the row + 1 smallest hashes of all that may be drawn are audited.
        probability = (row + 1) / drawable
        reason = {"audit": "drawn at random to measure", "draw": row + 1, "probability": probability}
        payload = {name: reserve.column(name)[row].as_py() for name in campaign.pool.payload}
        picks.append(
            _pick(reserve.column(id_column)[row].as_py(), "audit", rank, None, reason, probability, payload)
        )
    return picks


def pick_work(
    shortlist: pa.Table, id_column: str, k: int, campaign: Campaign, round_: Round, cover: np.ndarray | None
) -> list[dict[str, Any]]:
    """Let the strategy choose `k` items of the shortlist."""
    from tasks.strategies import Candidates

    strategy = strategy_of(round_, campaign)
    candidates = Candidates(
        ids=np.asarray(shortlist.column(id_column).to_pylist(), dtype=object),
        proba=_matrix(shortlist, PROBA),
        features=_matrix(shortlist, FEATURES),
        known_features=cover,
    )
    chosen = strategy.select_explained(candidates, k, generator(campaign, round_))
    cold = None if round_.model is not None else (round_.measures or {}).get("counts", {}).get("cold_start")
    picks = []
    for rank, position in enumerate(chosen.positions.tolist(), start=1):
        value = float(chosen.scores[rank - 1])
        reason: dict[str, Any] = {"strategy": strategy.name, "score": round(value, 6), "rank": rank}
        if chosen.clusters is not None:
            reason["cluster"] = int(chosen.clusters[rank - 1])
        if cold:
            reason["cold_start"] = cold
        probability = None
        if strategy.name == "random":
            free = (round_.measures or {})["pool"]["free"]
            probability = reason["probability"] = k / free
        payload = {name: shortlist.column(name)[position].as_py() for name in campaign.pool.payload}
        picks.append(_pick(candidates.ids[position], "work", rank, value, reason, probability, payload))
    return picks


def _pick(
    item: str, kind: str, rank: int, score: float | None, reason: dict[str, Any], probability: float | None,
    payload: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    return {
        ITEM: str(item),
        KIND: kind,
        RANK: rank,
        SCORE: score,
        REASON: json.dumps(reason, sort_keys=True),
        PROBABILITY: probability,
        PAYLOAD: json.dumps(_plain(payload), sort_keys=True, default=str, ensure_ascii=False),
    }


def _plain(value: Any) -> Any:
    """Make a payload fit for JSON in Postgres, which knows neither NaN nor the character NUL."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return value.replace("\x00", "")
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _matrix(table: pa.Table, name: str) -> np.ndarray | None:
    if name not in table.column_names:
        return None
    column = table.column(name).combine_chunks()
    return np.asarray(column.flatten()).reshape(table.num_rows, -1)


def _table(picks: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema(
        [
            (ITEM, pa.string()), (KIND, pa.string()), (RANK, pa.int32()), (SCORE, pa.float32()),
            (REASON, pa.string()), (PROBABILITY, pa.float64()), (PAYLOAD, pa.string()),
        ]
    )  # fmt: skip
    return pa.Table.from_pylist(picks, schema=schema)
