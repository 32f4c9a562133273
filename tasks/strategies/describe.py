"""From feature matrices to what strategies see."""

from __future__ import annotations

import logging
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
    from tasks.models import Model
    from tasks.models.committee import Committee
    from tasks.models.leaves import LeafTable

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Description:
    """Feature space and models through which items are seen.

    Attributes
    ----------
    space : FeatureSpace
    model : Model or None
        None in a cold start: there are no probabilities then.
    committee : Committee or None
    """

    space: FeatureSpace
    model: Model | None
    committee: Committee | None = None

    @cached_property
    def _leaf_table(self) -> LeafTable | None:
        from tasks.models.leaves import leaf_table

        try:
            return None if self.model is None else leaf_table(self.model)
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
        if "leaves" in fields:
            found["leaves"] = self.model.leaves(X)
        if "leaf_table" in fields:
            found["leaf_table"] = self._leaf_table
        if "committee_proba" in fields and self.committee is not None:
            found["committee_proba"] = self.committee.predict(X)
        return found
