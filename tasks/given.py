"""Predictions that a campaign brings, as the model of a round: nothing is trained."""

from __future__ import annotations

import logging
from typing import Any

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.added import RoundSpace
from tasks.campaign import Campaign
from tasks.outputs import folder
from tasks.reference import Reference

log = logging.getLogger(__name__)


def given_model(workplace: Workplace, round_: Round, space: RoundSpace) -> tuple[Reference, dict[str, Any]]:
    """Make the model that reads the round's predictions from the end of its feature matrix.

    Returns
    -------
    model, measures
        Where the model is stored, and what the round keeps of it.
    """
    from tasks.models import Model
    from tasks.models.given import GivenModel

    assert space.added.predictions is not None
    pinned = (round_.measures or {})["predictions"]
    size, width = space.added.predictions.width, len(space.names)
    model = Model(GivenModel(width - size, size, width, pinned["sha256"]), "cpu")
    log.info("%d predictions are the model", pinned["rows"])
    stored = workplace.keep(folder(round_), "model.npz", model.to_bytes(), pinned["rows"])
    return stored, {"model": {"kind": GivenModel.kind, "candidates": {}, "calibration": None}}


def why_not_measured(campaign: Campaign) -> str | None:
    """Say why a campaign's model cannot be measured as a classifier; None where it can."""
    if campaign.predictions is None or campaign.predictions.aggregate is None:
        return None
    return (
        "Not measured: predictions of several rows an item say how unsure they are of it, and no class, "
        "so no stop rule can go by estimates."
    )
