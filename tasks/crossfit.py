"""Predictions of audited items by models that did not see them, where the audit is learnt from as well."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.outputs import manifest_of
from tasks.reference import Reference
from tasks.refit import anew
from tasks.yardsticks import Yardstick

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.models import Predictor

log = logging.getLogger(__name__)

FOLDS = 5
ITEM, PROBA = "item", "proba"


def crossfitted(
    workplace: Workplace, round_: Round, campaign: Campaign, stick: Yardstick
) -> NDArray[np.float32]:
    """Predict each audited item by a model of all labels but a fifth of the audit's, float32 (n, n_classes).

    That model knows a little less than the round's own, so the estimate errs on the safe side (cross-fitting:
    Chernozhukov et al., 2018). The folds are drawn by hash.
    """
    from tasks.pool.sampling import hash_ids, purpose_key

    assert round_.labels is not None
    labelled = workplace.fetch_table(round_.labels)
    fold = hash_ids(list(stick.ids), purpose_key(campaign.seed, "crossfit")) % np.uint64(FOLDS)
    found = np.zeros((len(stick.ids), len(campaign.classes)), np.float32)
    for number in np.unique(fold):
        left_out = fold == number
        model = _without(workplace, round_, campaign, labelled, stick, left_out)
        found[left_out] = model.predict(stick.X[left_out])
    log.info("the audit of %d items was predicted by %d models that had not seen it", len(fold), FOLDS)
    return found


def _without(
    workplace: Workplace, round_: Round, campaign: Campaign, labelled: pa.Table, stick: Yardstick,
    left_out: NDArray[np.bool_],
) -> Predictor:  # fmt: skip
    """Train as the round did, without some of the audit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = pa.array(
        [item for item, out in zip(stick.ids, left_out.tolist(), strict=True) if out], pa.string()
    )
    ids = labelled.column(manifest_of(workplace, round_).columns.id)
    rest = labelled.filter(pc.invert(pc.is_in(ids, names)))
    return anew(workplace, round_, campaign, rest, stick.only(~left_out))


def keep_crossfitted(
    workplace: Workplace, folder: str, stick: Yardstick, proba: NDArray[np.float32]
) -> dict[str, Any]:
    """Store the predictions: later challengers are held against what this model said without having seen them."""
    import pyarrow as pa

    from tasks.features.lists import as_lists

    table = pa.table({ITEM: pa.array(stick.ids, pa.string()), PROBA: as_lists(proba)})
    return workplace.keep_table(folder, "crossfit", table).to_json()


def with_crossfitted(
    workplace: Workplace, round_: Round, stick: Yardstick, proba: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Put in what the round's cross-fitted models said, for items that its own model learnt from."""
    stored = (round_.measures or {}).get("crossfit")
    if stored is None or stick.name != "audit":
        return proba
    from tasks.features.lists import as_matrix

    table = workplace.fetch_table(Reference.from_json(stored))
    said = dict(zip(table.column(ITEM).to_pylist(), as_matrix(table.column(PROBA)), strict=True))
    return np.array([said.get(item, row) for item, row in zip(stick.ids, proba, strict=True)], np.float32)
