"""The draw of a round's audit from its reserve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database.rounds import Round
from tasks.audit import DRAWN, RANK, WEIGHT, frontier_after
from tasks.campaign import Campaign
from tasks.choice import MATRIX
from tasks.features.lists import as_matrix
from tasks.given import why_not_measured

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.models import Predictor


def audit_rows(
    reserve: pa.Table, id_column: str, n: int, campaign: Campaign, round_: Round, model: Predictor | None
) -> tuple[list[int], list[dict[str, Any]]]:
    """Choose rows of the reserve that are not drawn yet.

    Returns
    -------
    rows, told
        At most n, and why each was drawn: ``probability`` that the draws so far hold it, ``weight`` where it is
        oversampled, ``active`` for the probability of an active draw among those that were left.
    """
    drawn = np.array(reserve.column(DRAWN).to_pylist(), np.bool_)
    if campaign.audit.mode == "active":
        return _active(reserve, id_column, drawn, n, campaign, round_, model)
    rows = np.flatnonzero(~drawn)[:n].tolist()
    weights, ranks = (np.asarray(reserve.column(name), np.float64) for name in (WEIGHT, RANK))
    drawable = (round_.measures or {})["pool"]["drawable"]
    told = []
    for row in rows:
        # After this draw the row + 1 smallest ranks of all that may be drawn are audited.
        plain = not campaign.audit.oversample
        probability = (row + 1) / drawable if plain else min(1.0, float(weights[row] * ranks[row]))
        why = {"audit": "drawn at random to measure", "draw": row + 1, "probability": probability}
        told.append(why if plain else why | {"weight": float(weights[row])})
    return rows, told


def audit_state(
    reserve: pa.Table, id_column: str, picks: Sequence[Mapping[str, Any]], campaign: Campaign, round_: Round
) -> dict[str, Any]:
    """Give what later rounds must know of this draw: the frontier, and what it was drawn from."""
    measures = round_.measures or {}
    known = dict(measures.get("audit", {}))
    if not reserve.num_rows:
        return known
    place = {item: row for row, item in enumerate(reserve.column(id_column).to_pylist())}
    now = [place[pick["item_id"]] for pick in picks]
    complete = reserve.num_rows >= measures["pool"]["drawable"]
    return {
        **known,
        "drawn": len(picks),
        "frontier": frontier_after(reserve, now, complete),
        "frame": reserve.num_rows,
        "drawable": measures["pool"]["drawable"],
    }


def _active(
    reserve: pa.Table, id_column: str, drawn: NDArray[np.bool_], n: int, campaign: Campaign, round_: Round,
    model: Predictor | None,
) -> tuple[list[int], list[dict[str, Any]]]:  # fmt: skip
    from tasks.evaluation import active_draw
    from tasks.pool.sampling import hash_ids, purpose_key

    keys = hash_ids(reserve.column(id_column), purpose_key(campaign.seed, f"audit:{round_.number}"))
    uniforms = (keys.astype(np.float64) + 0.5) / 2.0**64
    rows, chances = active_draw(uniforms, doubts_of(campaign, model, reserve), drawn, n)
    told = [
        {
            "audit": "drawn at random to measure",
            "draw": int(drawn.sum()) + place,
            "probability": None,
            "active": chance,
        }
        for place, chance in enumerate(chances.tolist(), start=1)
    ]
    return rows.tolist(), told


def doubts_of(campaign: Campaign, model: Predictor | None, reserve: pa.Table) -> NDArray[np.float64]:
    """Give the chance that the model is wrong, as it believes itself, float64 (n,); of sets the mean over the classes.

    Where nothing is known to be surer than another, all are alike: without a model, or with several rows an item.
    """
    if model is None or why_not_measured(campaign) is not None:
        return np.ones(reserve.num_rows)
    proba = np.asarray(model.predict(as_matrix(reserve.column(MATRIX))), np.float64)
    sets = campaign.task == "multilabel"
    doubt = np.minimum(proba, 1 - proba).mean(axis=1) if sets else 1 - proba.max(axis=1)
    # What has no prediction is as doubtful as can be.
    return np.asarray(np.where(np.isfinite(doubt), doubt, 1.0))
