"""Choose the batch: the strategy's picks from the shortlist, and the audit's random draw."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.choice import (
    MATRIX,
    SOURCE,
    TAKEN,
    Known,
    candidates_of,
    description_of,
    generator,
    known_of,
    strategy_of,
)
from tasks.errors import PoolExhausted, UsageError
from tasks.outputs import campaign_of, folder, manifest_of
from tasks.reference import Reference
from tasks.step import step

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.strategies import Selection

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
    work = pick_work(workplace, round_, shortlist, stored_known(workplace, round_), k) if k else []
    picks = [*work, *audit]
    if not picks:
        raise PoolExhausted(f"No free item is left in {campaign.pool.uri}; put more there to go on.")
    reference = workplace.keep_table(folder(round_), "batch", _table(picks))
    log.info(
        "%d items chosen by %s, %d drawn to measure",
        len(work),
        campaign.strategy.title,
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


def stored_known(workplace: Workplace, round_: Round) -> Known:
    """Read what the scan found labelled or in flight."""
    # An earlier version kept what is known as an array: its table of what is taken tells.
    taken = stored_table(workplace, round_, "taken")
    seen = stored_table(workplace, round_, "known")
    return known_of(workplace, round_, seen, taken)


def stored_table(workplace: Workplace, round_: Round, name: str) -> pa.Table:
    """Read a table that scoring left.

    Raises
    ------
    UsageError
        An earlier version of labelrounds scored the round and left something else.
    """
    table = workplace.fetch_table(Reference.from_json((round_.measures or {})[name]))
    missing = {"known": {TAKEN, MATRIX}, "taken": {TAKEN, SOURCE}}[name] - set(table.column_names)
    if missing:
        raise UsageError(
            f"campaign {round_.campaign}: round {round_.number} was scored by an earlier version of labelrounds, which "
            f"kept no {', '.join(sorted(missing))}; use that version to finish or verify it"
        )
    return table


def pick_work(
    workplace: Workplace, round_: Round, shortlist: pa.Table, known: Known, k: int
) -> list[dict[str, Any]]:
    """Let the strategy choose `k` items of the shortlist."""
    campaign, columns = campaign_of(round_), manifest_of(workplace, round_).columns
    strategy = strategy_of(round_, campaign, columns)
    description = description_of(workplace, round_, strategy)
    candidates = candidates_of(shortlist, columns.id, campaign, known, description, strategy)
    chosen = strategy.select_explained(candidates, k, generator(campaign, round_))
    picks = []
    for rank, position in enumerate(chosen.positions.tolist(), start=1):
        reason = _reason(round_, campaign, chosen, rank - 1, len(candidates))
        payload = {name: shortlist.column(name)[position].as_py() for name in campaign.pool.payload}
        score, probability = float(chosen.scores[rank - 1]), reason.get("probability")
        picks.append(_pick(candidates.ids[position], "work", rank, score, reason, probability, payload))
    return picks


def _reason(
    round_: Round, campaign: Campaign, chosen: Selection, place: int, candidates: int
) -> dict[str, Any]:
    """Say why an item was picked."""
    from tasks.strategies import COLD_START

    measures = round_.measures or {}
    cold = None if round_.model is not None else measures.get("counts", {}).get("cold_start")
    if campaign.strategy.is_random:
        cold = None
    reason: dict[str, Any] = {
        "strategy": COLD_START if cold else campaign.strategy.title,
        "score": round(float(chosen.scores[place]), 6),
        "rank": place + 1,
    }
    if chosen.clusters is not None and chosen.clusters[place] >= 0:
        reason["cluster"] = int(chosen.clusters[place])
    if chosen.parts is not None and chosen.parts[place] != reason["strategy"]:
        reason["part"] = str(chosen.parts[place])
    if cold:
        reason["cold_start"] = cold
    if chosen.drawn is not None and math.isfinite(chosen.drawn[place]):
        # The shortlist of a uniform draw holds the smallest hashes of all that may be chosen.
        reason["probability"] = float(chosen.drawn[place]) * candidates / measures["pool"]["choosable"]
    return reason


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


def _table(picks: list[dict[str, Any]]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema(
        [
            (ITEM, pa.string()), (KIND, pa.string()), (RANK, pa.int32()), (SCORE, pa.float32()),
            (REASON, pa.string()), (PROBABILITY, pa.float64()), (PAYLOAD, pa.string()),
        ]
    )  # fmt: skip
    return pa.Table.from_pylist(picks, schema=schema)
