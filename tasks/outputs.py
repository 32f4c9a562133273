"""Reading what earlier steps of a round stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign

if TYPE_CHECKING:
    from tasks.features import FeatureSpace
    from tasks.models import Model
    from tasks.pool.manifest import Manifest


def campaign_of(round_: Round) -> Campaign:
    """Read the campaign file as it was when the round opened."""
    return Campaign.model_validate(round_.spec)


def folder(round_: Round) -> str:
    """Give the round's place in the artifact bucket."""
    return f"campaigns/{round_.campaign}/rounds/{round_.number:03d}"


def manifest_of(workplace: Workplace, round_: Round) -> Manifest:
    """Read the manifest that the round is pinned to."""
    from tasks.pool.manifest import Manifest

    assert round_.manifest is not None
    return Manifest.from_bytes(workplace.fetch(round_.manifest))


def space_of(workplace: Workplace, round_: Round) -> FeatureSpace:
    """Read the round's feature space."""
    from tasks.features import FeatureSpace

    assert round_.features is not None
    return FeatureSpace.from_bytes(workplace.storage.get(round_.features.uri))


def model_of(workplace: Workplace, round_: Round) -> Model | None:
    """Read the round's model; None after a cold start."""
    if round_.model is None:
        return None
    from tasks.models import Model, resolve_device

    # Whoever goes on with a round may have no GPU: any device can predict with any model.
    device = resolve_device("auto") if round_.device == "cuda" else "cpu"
    return Model.from_bytes(workplace.fetch(round_.model), device=device)
