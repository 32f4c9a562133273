"""Reading what earlier steps of a round stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign

if TYPE_CHECKING:
    from tasks.added import RoundSpace
    from tasks.models import Predictor
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


def space_of(workplace: Workplace, round_: Round) -> RoundSpace:
    """Read the round's feature space, with what it adds to the pool's tables."""
    from tasks.added import RoundSpace, added_of
    from tasks.features import FeatureSpace

    assert round_.features is not None
    space = FeatureSpace.from_bytes(workplace.storage.get(round_.features.uri))
    columns = manifest_of(workplace, round_).columns
    return RoundSpace.of(space, added_of(workplace, campaign_of(round_), columns, round_.measures or {}))


def model_of(workplace: Workplace, round_: Round) -> Predictor | None:
    """Read the round's model; None after a cold start."""
    if round_.model is None:
        return None
    from tasks.models import read_model, resolve_device

    # Whoever goes on with a round may have no GPU: any device can predict with any model.
    device = resolve_device("auto") if round_.device == "cuda" else "cpu"
    return read_model(workplace.fetch(round_.model), device=device)
