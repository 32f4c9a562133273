"""Choose the batch: the strategy's picks from the shortlist, and the audit's random draw."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.audit_draw import audit_rows, audit_state
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
from tasks.features.lists import as_matrix
from tasks.outputs import campaign_of, folder, manifest_of, model_of
from tasks.reference import Reference
from tasks.rivals import rivals
from tasks.step import step

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.models import Predictor
    from tasks.strategies import Description, Selection

log = logging.getLogger(__name__)

ITEM, KIND, RANK, SCORE, REASON, PROBABILITY, PAYLOAD, TRAITS, WITNESS = (
    "item_id", "kind", "rank", "score", "reason", "inclusion_probability", "payload", "traits", "witness",
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
    assert round_.measures is not None
    campaign = campaign_of(round_)
    columns = manifest_of(workplace, round_).columns
    shortlist = workplace.fetch_table(round_.shortlist)
    reserve = workplace.fetch_table(round_.audit)
    size = affordable(workplace, round_, campaign)
    # Where nothing is left to choose from, what was reserved to measure fills the batch.
    to_draw = max(campaign.audit_items(size, round_.measures["counts"]["audit"]), size - shortlist.num_rows)
    audit = draw_audit(reserve, columns.id, to_draw, campaign, round_, model_of(workplace, round_))
    again = pick_again(workplace, round_, campaign, shortlist, size - len(audit))
    k = min(size - len(audit) - len(again), shortlist.num_rows)
    work = pick_work(workplace, round_, shortlist, stored_known(workplace, round_), k) if k else []
    picks = [*work, *audit, *again]
    if not picks:
        raise PoolExhausted(f"No free item is left in {campaign.pool.uri}; put more there to go on.")
    reference = workplace.keep_table(folder(round_), "batch", _table(picks))
    log.info(
        "%d items chosen by %s, %d drawn to measure, %d asked again",
        len(work),
        campaign.strategy.title,
        len(audit),
        len(again),
    )
    measures = {
        **round_.measures,
        "audit": audit_state(reserve, columns.id, audit, campaign, round_),
        "rivals": rivals(workplace, round_, campaign, shortlist, [pick[ITEM] for pick in work]),
    }
    return rounds.store(workplace.engine, round_, batch=reference, measures=measures)


def affordable(workplace: Workplace, round_: Round, campaign: Campaign) -> int:
    """Give the batch's size: what the campaign asks for, or what labels and money are left for."""
    balance = campaigns.balance(workplace.engine, round_.campaign_id)
    size = min(campaign.batch.size, campaign.budget.labels - balance.bought)
    if campaign.budget.money_micro is not None:
        left = campaign.budget.money_micro - balance.spent_micro - balance.held_micro
        size = campaign.affordable(left, size)
    return max(0, size)


def draw_audit(
    reserve: pa.Table, id_column: str, n: int, campaign: Campaign, round_: Round, model: Predictor | None
) -> list[dict[str, Any]]:
    """Take the next `n` items of the audit's reserve: in the order of their ranks, or by an active draw.

    Parameters
    ----------
    model
        Of the round; an active audit looks more often where it is unsure.
    """
    if n <= 0 or reserve.num_rows == 0:
        return []
    assert round_.measures is not None
    rows, told = audit_rows(reserve, id_column, n, campaign, round_, model)
    picks = []
    for rank, (row, why) in enumerate(zip(rows, told, strict=True), start=1):
        item, shown = reserve.column(id_column)[row].as_py(), _shown(reserve, row, campaign)
        picks.append(_pick(item, "audit", rank, None, why, why["probability"], shown))
    return picks


def pick_again(
    workplace: Workplace, round_: Round, campaign: Campaign, shortlist: pa.Table, k: int
) -> list[dict[str, Any]]:
    """Pick labelled items of which one more answer is worth more than a fresh item."""
    from tasks.relabel import worth_asking_again

    picks = []
    for rank, one in enumerate(worth_asking_again(workplace, round_, campaign, shortlist, k), start=1):
        reason = {"relabel": "its label is in doubt", "doubt": round(one.doubt, 6), "label": one.label}
        pick = _pick(one.item_id, "relabel", rank, one.doubt, reason, None, ({}, {}))
        picks.append(pick | {PAYLOAD: one.payload})
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
    said = witness_of(candidates.proba, description, shortlist, campaign)
    picks = []
    for rank, position in enumerate(chosen.positions.tolist(), start=1):
        reason = _reason(round_, campaign, chosen, rank - 1, len(candidates))
        score, probability = float(chosen.scores[rank - 1]), reason.get("probability")
        shown = _shown(shortlist, position, campaign)
        witness = None if said is None else said[position].tolist()
        picks.append(
            _pick(candidates.ids[position], "work", rank, score, reason, probability, shown, witness)
        )
    return picks


def _shown(table: pa.Table, row: int, campaign: Campaign) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what vendors are shown of an item, and what decides who is able to label it."""
    payload, traits = (
        {name: table.column(name)[row].as_py() for name in names}
        for names in (campaign.pool.payload, campaign.skill_columns)
    )
    return payload, traits


def witness_of(
    proba: NDArray[np.float32] | None, description: Description, shortlist: pa.Table, campaign: Campaign
) -> NDArray[np.float32] | None:
    """Give what the model says of the shortlist, float32 (n, n_classes): nobody has answered these items yet.

    None without a model, and where its predictions are not of the campaign's classes.
    """
    if description.model is None:
        return None
    if proba is None:
        proba = description.model.predict(as_matrix(shortlist.column(MATRIX)))
    several_rows = campaign.predictions is not None and campaign.predictions.aggregate is not None
    fits = proba.ndim == 2 and proba.shape[1] == len(campaign.classes) and bool(np.isfinite(proba).all())
    return proba if fits and not several_rows else None


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
    shown: tuple[dict[str, Any], dict[str, Any]], witness: list[float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    payload, traits = shown
    return {
        ITEM: str(item),
        KIND: kind,
        RANK: rank,
        SCORE: score,
        REASON: json.dumps(reason, sort_keys=True),
        PROBABILITY: probability,
        PAYLOAD: as_payload(payload),
        TRAITS: as_payload(traits),
        WITNESS: witness,
    }


def as_payload(value: dict[str, Any]) -> str:
    """Write what is shown of an item as JSON that Postgres can store."""
    return json.dumps(_plain(value), sort_keys=True, default=str, ensure_ascii=False)


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
            (REASON, pa.string()), (PROBABILITY, pa.float64()), (PAYLOAD, pa.string()), (TRAITS, pa.string()),
            (WITNESS, pa.list_(pa.float32())),
        ]
    )  # fmt: skip
    return pa.Table.from_pylist(picks, schema=schema)
