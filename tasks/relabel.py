"""Which labelled items to ask again: another answer and a fresh item compete for the round's budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infra.database import labels as label_store
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.beliefs import Beliefs, believe
from tasks.campaign import Campaign
from tasks.features.lists import as_matrix
from tasks.labelled import learnt_kinds, usable
from tasks.outputs import campaign_of, manifest_of, model_of
from tasks.reference import Reference
from tasks.workers import workers_of

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ANSWERS = 5
"""Of one item, where the campaign does not say."""


@dataclass(frozen=True)
class Again:
    """A labelled item that is worth another answer.

    Attributes
    ----------
    doubt
        The chance that its label is wrong.
    payload
        JSON text, as vendors saw it before.
    """

    item_id: str
    label: str
    doubt: float
    payload: str


def worth_asking_again(
    workplace: Workplace, round_: Round, campaign: Campaign, shortlist: pa.Table, k: int
) -> list[Again]:
    """Share a round's answers between labels in doubt and fresh items.

    Audited items are left out: their labels measure the model, so it must not say which of them are doubtful.

    Parameters
    ----------
    shortlist
        What the fresh items are chosen from.
    k
        Answers that the round buys, beyond the audit.
    """
    from tasks.choice import MATRIX
    from tasks.truth import doubt, plan

    model = model_of(workplace, round_)
    if campaign.relabel == "off" or campaign.predictions is not None or model is None or k <= 0:
        return []
    beliefs = believe(workplace, round_.campaign_id, campaign, unseen=unseen_of(workplace, round_))
    if beliefs is None:
        return []
    fresh = model.predict(as_matrix(shortlist.column(MATRIX)))
    open_ = _may_be_asked(workplace, round_, campaign, beliefs)
    most = campaign.truth.max_answers or max(MOST_ANSWERS, campaign.overlap)
    found = plan(doubt(beliefs.believed.belief, fresh), open_, k, campaign.relabel, at_most=most)
    items = [beliefs.items[row] or "" for row in found.again.tolist()]
    payloads = label_store.payloads(workplace.engine, round_.campaign_id, items)
    return [
        Again(item, beliefs.believed.labels[row], float(worth), payloads[item])
        for item, row, worth in zip(items, found.again.tolist(), found.worth, strict=True)
    ]


def unseen_of(workplace: Workplace, round_: Round) -> dict[str, list[float]]:
    """Read what models that did not see them say of the labelled items; nothing with too few labels."""
    told = (round_.measures or {}).get("unseen")
    if told is None or round_.labels is None:
        return {}
    labelled = workplace.fetch_table(round_.labels)
    learnt = labelled.filter(usable(labelled, learnt_kinds(campaign_of(round_))))
    ids = learnt.column(manifest_of(workplace, round_).columns.id)
    said = workplace.fetch_array(Reference.from_json(told))
    return {
        item: row.tolist()
        for item, row in zip(ids.to_pylist(), said, strict=True)
        if bool(np.isfinite(row).all())
    }


def _may_be_asked(
    workplace: Workplace, round_: Round, campaign: Campaign, beliefs: Beliefs
) -> NDArray[np.int64]:
    """Count each item's answers, int64 (n_items,); a very high count where nobody may give another one."""
    never = np.iinfo(np.int32).max
    asked = label_store.answers_asked(workplace.engine, round_.campaign_id)
    ordinary = {
        one.vendor_id for one in workers_of(workplace, round_.campaign_id, campaign) if not one.senior
    }
    exclusive = campaign.distinct_by == "vendor"
    counts = np.full(len(beliefs.items), never, np.int64)
    for item, row in beliefs.place.items():
        known = asked[item]
        others = not exclusive or bool(ordinary - known.vendors)
        work = all(answer.kind != "audit" for answer in beliefs.answers[item])
        if work and others and len(beliefs.answers[item]) >= 1:
            counts[row] = known.answers
    return counts
