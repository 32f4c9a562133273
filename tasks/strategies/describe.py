"""From feature matrices to what strategies see."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.features.content import content_hash
from tasks.strategies.candidates import Candidates

if TYPE_CHECKING:
    from tasks.features import FeatureSpace
    from tasks.models import Committee, Examples, Model, Setting
    from tasks.models.boosting import BoostedModel
    from tasks.models.leaves import LeafTable
    from tasks.strategies.base import Strategy
    from tasks.strategies.multilabel import Predicting

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Description:
    """Feature space and models through which items are seen.

    Attributes
    ----------
    space : FeatureSpace
    model : Predicting or None
        What gives the probabilities that strategies see. None in a cold start: there are none then.
    committee : Committee or None
    boosted : BoostedModel or None
        Whose leaves are shown: the model itself where it is boosted trees, else trees of the same labels.
    """

    space: FeatureSpace
    model: Predicting | None
    committee: Committee | None = None
    boosted: BoostedModel | None = None

    @cached_property
    def _leaf_table(self) -> LeafTable | None:
        from tasks.models.leaves import leaf_table

        try:
            return None if self.boosted is None else leaf_table(self.boosted)
        except UsageError as error:
            # Only what cannot do without it minds, and says so.
            log.warning("the model's leaves have no table: %s", error)
            return None

    def candidates(
        self,
        ids: Any,
        X: Floats,
        fields: frozenset[str],
        *,
        groups: NDArray[Any] | None = None,
        known_X: Floats | None = None,
        known_classes: NDArray[np.int64] | None = None,
        known_sources: NDArray[Any] | None = None,
    ) -> Candidates:
        """Describe items.

        Parameters
        ----------
        ids : strings (n,)
        X : float32 (n, d)
            From `FeatureSpace.transform`.
        fields : frozenset of str
            Which fields of `Candidates` to compute; those that need a model are left out when there is none.
        groups : object (n,), optional
        known_X : float32 (m, d), optional
            The matrix of the items that are labelled or in flight.
        known_classes, known_sources : optional
            As in `Candidates`.
        """
        found: dict[str, Any] = {"groups": groups}
        if "features" in fields:
            found["features"] = self.space.embed(X)
        if "content" in fields:
            found["content"] = content_hash(X)
        found |= self._by_model(X, fields)
        if known_X is not None:
            found |= {"known_classes": known_classes, "known_sources": known_sources}
            if "known_content" in fields:
                found["known_content"] = content_hash(known_X)
            if "features" in fields:
                found["known_features"] = self.space.embed(known_X)
            if "known_proba" in fields and self.model is not None:
                found["known_proba"] = self.model.predict(known_X)
        return Candidates(ids=ids, **found)

    def _by_model(self, X: Floats, fields: frozenset[str]) -> dict[str, Any]:
        if self.model is None:
            return {}
        found: dict[str, Any] = {}
        if "proba" in fields:
            found["proba"] = self.model.predict(X)
        if "leaves" in fields and self.boosted is not None:
            found["leaves"] = self.boosted.leaves(X)
        if "leaf_table" in fields:
            found["leaf_table"] = self._leaf_table
        if "committee_proba" in fields and self.committee is not None:
            found["committee_proba"] = self.committee.predict(X)
        return found


def describe(
    strategy: Strategy,
    space: FeatureSpace,
    model: Model,
    examples: Callable[[], Examples],
    setting: Setting,
) -> Description:
    """Train what a strategy looks through beside the model: a committee, or boosted trees for their leaves.

    Parameters
    ----------
    strategy : Strategy
    space : FeatureSpace
    model : Model
    examples, setting
        What the model was trained on and with. The examples are asked for only where something is to be trained:
        making them again means mapping all labelled items.
    """
    from tasks.models import train_committee
    from tasks.strategies.base import committee_of, wants

    fields = wants(strategy)
    votes = "committee_proba" in fields
    kind, members = committee_of(strategy) if votes else ("", 0)
    boosted = None
    if fields & {"leaves", "leaf_table"} or kind == "prefixes":
        boosted = _boosted(model, examples, setting)
    committee = None
    if votes:
        rows = examples()
        committee = train_committee(
            kind, rows.X, rows.y, n_classes=setting.n_classes, names=setting.names,
            types=setting.types, device=setting.device, seed=setting.seed, weight=rows.weight,
            params=setting.params, members=members, model=boosted,
        )  # fmt: skip
    return Description(space, model, committee, boosted)


def _boosted(model: Model, examples: Callable[[], Examples], setting: Setting) -> BoostedModel:
    """Give the trees of the model, or of a model of the same labels: a gradient in a leaf needs plain trees."""
    from tasks.models.boosting import BoostedModel, fit_boosted

    return model.core if isinstance(model.core, BoostedModel) else fit_boosted(examples(), setting)
