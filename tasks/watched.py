"""A fixed random sample of the pool, on which successive models and pools are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.added import has_prediction
from tasks.campaign import Campaign
from tasks.choice import MATRIX, TAKEN
from tasks.features.lists import as_matrix
from tasks.labelled import learnt_kinds, usable
from tasks.outputs import manifest_of, model_of, space_of
from tasks.reference import Reference
from tasks.relabel import unseen_of


@dataclass(frozen=True)
class Watched:
    """The sample as a round's scan saw it.

    Attributes
    ----------
    ids : tuple of str (n,)
    X : float32 (n, d)
        In the round's feature space.
    """

    ids: tuple[str, ...]
    X: NDArray[np.float32]


def watched_of(workplace: Workplace, round_: Round) -> Watched | None:
    """Read the sample that a round's scan kept; None where it scanned nothing."""
    stored = (round_.measures or {}).get("watched")
    if stored is None:
        return None
    table = workplace.fetch_table(Reference.from_json(stored))
    return Watched(tuple(table.column(TAKEN).to_pylist()), as_matrix(table.column(MATRIX)))


def scanned_before(workplace: Workplace, round_: Round) -> Round | None:
    """Give the newest earlier round that scanned the pool in the same feature space; None where there is none."""
    for earlier in reversed(rounds.rounds_of(workplace.engine, round_.campaign)):
        if earlier.number < round_.number and "watched" in (earlier.measures or {}):
            same = earlier.features is not None and earlier.features == round_.features
            return earlier if same else None
    return None


def watched_now(workplace: Workplace, round_: Round) -> Watched | None:
    """Give the sample for a round that has not scanned the pool yet: the last scan's, if this round can read it.

    Predictions that a campaign brings are of another version in every round, and so are their columns: there the
    last scan tells nothing.
    """
    earlier = scanned_before(workplace, round_)
    return None if earlier is None else watched_of(workplace, earlier)


@dataclass(frozen=True)
class Sample:
    """A random sample of the pool on which models are compared.

    Attributes
    ----------
    X : float32 (m, d)
        Items that the model did not learn from: of others it says what it was told.
    learnt : float32 (k, n_classes)
        What models that did not see them said of the sample's other items.
    """

    X: NDArray[np.float32]
    learnt: NDArray[np.float32]


def sample_of(workplace: Workplace, round_: Round, campaign: Campaign) -> Sample | None:
    """Give the sample of the pool; None where there is none."""
    found = watched_now(workplace, round_)
    if found is None or round_.model is None or round_.labels is None or campaign.predictions is not None:
        return None
    labelled = workplace.fetch_table(round_.labels)
    learnt = labelled.filter(usable(labelled, learnt_kinds(campaign)))
    seen = set(learnt.column(manifest_of(workplace, round_).columns.id).to_pylist())
    unseen = unseen_of(workplace, round_)
    free = np.array([item not in seen for item in found.ids], np.bool_)
    said = [unseen[item] for item in found.ids if item in unseen]
    width = len(campaign.classes)
    return Sample(found.X[free], np.array(said, np.float32).reshape(-1, width)) if free.any() else None


def stability_of(workplace: Workplace, round_: Round, campaign: Campaign) -> dict[str, Any]:
    """Hold the round's model against the last one's on the sample; empty where there is nothing to say."""
    from tasks.evaluation.stability import stability

    earlier, model = scanned_before(workplace, round_), model_of(workplace, round_)
    sample = None if earlier is None else watched_of(workplace, earlier)
    if earlier is None or sample is None or model is None:
        return {}
    X = sample.X[has_prediction(space_of(workplace, round_), sample.X)]
    if not len(X):
        return {}
    ids = [str(row) for row in range(len(X))]
    last = model_of(workplace, earlier)
    before = None if last is None else last.predict(X)
    sets = campaign.task == "multilabel"
    return stability(ids, model.predict(X), None if last is None else ids, before, several=sets).to_json()
