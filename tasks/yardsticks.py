"""Labelled items that no model chose, with what the round's model says of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import labels as label_store
from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.added import has_prediction
from tasks.audit import Draw, active_weights, draw_of, inclusion_weights
from tasks.campaign import Campaign
from tasks.labelled import AUDIT, LABEL, class_codes, usable
from tasks.outputs import manifest_of, space_of
from tasks.targets import Codes

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.features import FeatureSpace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Yardstick:
    """Labelled items that no model chose.

    Parameters
    ----------
    name
        ``audit`` or ``holdout``.
    ids
        Their ids, in the order of the rows.
    y
        Class codes, int64 (n,), or indicators, int8 (n, n_classes).
    predicted
        Which items the model says something of, bool (n,); all of them unless a campaign brings its predictions.
    weight
        Inverse of each item's inclusion probability, float64 (n,); None where all are equally likely.
    """

    name: str
    ids: tuple[str, ...]
    X: NDArray[np.float32]
    y: Codes
    predicted: NDArray[np.bool_]
    weight: NDArray[np.float64] | None

    @property
    def items(self) -> int:
        """How many are measured on."""
        return int(self.predicted.sum())

    def only(self, rows: NDArray[np.bool_]) -> Yardstick:
        """Give the part of it that has these rows, bool (n,)."""
        ids = tuple(item for item, kept in zip(self.ids, rows.tolist(), strict=True) if kept)
        weight = None if self.weight is None else self.weight[rows]
        return Yardstick(self.name, ids, self.X[rows], self.y[rows], self.predicted[rows], weight)

    def measured(self) -> Yardstick:
        """Give the part of which the model says something."""
        return self.only(self.predicted)


def yardsticks(workplace: Workplace, round_: Round, campaign: Campaign) -> list[Yardstick]:
    """Collect the audit labels so far and the hold-out of the campaign, where there are any."""
    space = space_of(workplace, round_)
    sticks = [audit_of(workplace, round_, campaign, space)]
    if campaign.holdout is not None:
        sticks.append(holdout_of(workplace, round_, campaign, space))
    return [stick for stick in sticks if stick.items]


def audit_of(workplace: Workplace, round_: Round, campaign: Campaign, space: FeatureSpace) -> Yardstick:
    """Read the audit labels that measure by now."""
    assert round_.labels is not None
    labelled = workplace.fetch_table(round_.labels)
    audit = labelled.filter(usable(labelled, (AUDIT,)))
    id_column = manifest_of(workplace, round_).columns.id
    weight = audit_weights(workplace, round_, audit.column(id_column).to_pylist())
    return _yardstick("audit", audit, id_column, campaign, space, weight)


def holdout_of(workplace: Workplace, round_: Round, campaign: Campaign, space: FeatureSpace) -> Yardstick:
    """Read the hold-out file."""
    from tasks.pool.read import read_labels

    file, columns = campaign.holdout, manifest_of(workplace, round_).columns
    assert file is not None
    held_out = read_labels(
        workplace.storage, file.uri, id=file.id, label=file.label, classes=campaign.classes,
        columns=columns, task=campaign.task,
    )  # fmt: skip
    held_out = held_out.append_column(LABEL, held_out.column(file.label))
    if file.id != columns.id:
        held_out = held_out.append_column(columns.id, held_out.column(file.id))
    return _yardstick("holdout", held_out, columns.id, campaign, space, None)


def audit_draws(workplace: Workplace, round_: Round) -> dict[str, Draw]:
    """Read how each audited item was drawn."""
    rows = label_store.audit_draws(workplace.engine, round_.campaign_id)
    return {item: draw_of(row) for item, row in rows.items()}


def audit_weights(workplace: Workplace, round_: Round, ids: Sequence[str]) -> NDArray[np.float64] | None:
    """Give the inverse of audited items' inclusion probabilities; None where all are equally likely."""
    draws = audit_draws(workplace, round_)
    if not ids or any(item not in draws for item in ids):
        return None
    active = {item: draw for item, draw in draws.items() if draw.probability is not None}
    if active:
        return active_weights(active, ids, frame_of(workplace, round_))
    audits = _audits(workplace, round_)
    frontiers = {number: audit["frontier"] for number, audit in audits.items() if "frontier" in audit}
    return inclusion_weights([draws[item] for item in ids], frontiers)


def frame_of(workplace: Workplace, round_: Round) -> int:
    """Give how many items an active audit draws from."""
    return max((audit.get("frame", 0) for audit in _audits(workplace, round_).values()), default=0)


def _audits(workplace: Workplace, round_: Round) -> dict[int, dict[str, Any]]:
    """Read what the earlier rounds kept of their draws."""
    return {
        one.number: (one.measures or {}).get("audit") or {}
        for one in rounds.rounds_of(workplace.engine, round_.campaign)
        if one.number < round_.number
    }


def _yardstick(
    name: str, table: pa.Table, id_column: str, campaign: Campaign, space: FeatureSpace,
    weight: NDArray[np.float64] | None,
) -> Yardstick:  # fmt: skip
    X = space.transform(table)
    known = has_prediction(space, X)
    if not known.all():
        log.warning("%s: %d items have no prediction and are not measured on", name, int((~known).sum()))
    ids = tuple(table.column(id_column).to_pylist())
    return Yardstick(name, ids, X, class_codes(table, campaign), known, weight)
