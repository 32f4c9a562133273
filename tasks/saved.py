"""What the campaign saved against random selection, by models of its own random labels."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import campaigns
from infra.database import labels as label_store
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.labelled import FOUND, KIND
from tasks.measure import best_estimates
from tasks.outputs import manifest_of, model_of
from tasks.refit import alike, anew

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


def saved_of(
    workplace: Workplace, round_: Round, campaign: Campaign, metric: str, X: NDArray[np.float32] | None
) -> dict[str, Any]:
    """Estimate the labels and the money that random selection would have needed for the quality reached.

    Parameters
    ----------
    metric
        That is compared.
    X
        The sample of the pool on which models are compared, float32 (m, d); None where there is none.

    Returns
    -------
    dict
        Of `tasks.evaluation.savings.Savings.to_json`; or why nothing can be said, under ``why_not``.
    """
    from tasks.evaluation.savings import savings

    measures = round_.measures or {}
    model, now = model_of(workplace, round_), best_estimates(measures).get(metric)
    if campaign.forecast == "rounds":
        return {"why_not": "It takes smaller models, which forecast: rounds leaves out."}
    if model is None or now is None or X is None:
        return {"why_not": "The model was not measured yet, or there is no earlier scan of the pool."}
    trained = random_models(workplace, round_, campaign, X)
    balance = campaigns.Balance(**measures["balance"])
    price = balance.spent_micro / balance.bought / 1e6 if balance.bought else 0.0
    found = savings(metric, now, measures["counts"]["trained"], model.predict(X), trained)
    return found.to_json(price)


def random_models(
    workplace: Workplace, round_: Round, campaign: Campaign, X: NDArray[np.float32]
) -> list[tuple[int, NDArray[np.float32]]]:
    """Train on random labels alone; gives how many each model has, and what it says of the sample."""
    from tasks.evaluation.savings import random_subsets

    labels = random_labels(workplace, round_)
    parts = random_subsets(labels.num_rows, campaign.seed)
    if not parts:
        return []
    try:
        whole = anew(workplace, round_, campaign, labels, None)
        smaller = [
            (len(rows), alike(workplace, round_, campaign, whole, labels.take(rows)).predict(X))
            for rows in parts
            if len(rows) < labels.num_rows
        ]
    except UsageError as error:
        # Few random labels may lack a class.
        log.info("no model of random labels: %s", error)
        return []
    return [*smaller, (labels.num_rows, whole.predict(X))]


def random_labels(workplace: Workplace, round_: Round) -> pa.Table:
    """Give the labels of items that were drawn at random, as labels to learn from: the audit's, and random shares'."""
    import pyarrow as pa
    import pyarrow.compute as pc

    assert round_.labels is not None
    labelled = workplace.fetch_table(round_.labels)
    drawn = [
        one.item_id
        for one in label_store.current_labels(workplace.engine, round_.campaign_id)
        if one.inclusion_probability is not None
    ]
    ids = labelled.column(manifest_of(workplace, round_).columns.id)
    found = labelled.filter(pc.and_(pc.is_in(ids, pa.array(drawn, pa.string())), labelled.column(FOUND)))
    kinds = pa.array(["work"] * found.num_rows, pa.string())
    return found.set_column(found.column_names.index(KIND), KIND, kinds)
