"""One choice of a simulated campaign: what the strategy sees, and what it takes, as in a round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pool.sampling import purpose_key
from tasks.simulation.data import LabelledData
from tasks.strategies import (
    COLD_START,
    Candidates,
    Description,
    Spec,
    Strategy,
    cold_start_reason,
    get,
    reach,
    score_needs,
    stages,
    tie_key,
    wants,
)
from tasks.strategies.compose import NEAR, Additions, compose
from tasks.strategies.ranking import top

Ints = NDArray[np.int64]

# Between a few numbers or categories a small angle does not mean the same content.
_NEAR_KINDS = frozenset({"text", "embedding"})


@dataclass(frozen=True)
class Labelled:
    """What a campaign holds so far.

    Attributes
    ----------
    rows : int64 (m,)
        Rows of the data, in the order in which they were labelled.
    classes : int64 (m,)
        What their labels say.
    sources : object (m,)
        Which strategy, or part of one, chose each; ``''`` for the first labels.
    confidence : float64 (m,), optional
        How sure the labels are; without it they are taken as certain.
    """

    rows: Ints
    classes: Ints
    sources: NDArray[Any]
    confidence: NDArray[np.float64] | None = None

    def too_few(self, classes: tuple[str, ...], least: int) -> bool:
        """Tell whether there are too few labels for a model to choose."""
        per_class = np.bincount(self.classes, minlength=len(classes)).tolist()
        return cold_start_reason(per_class, classes, least=least) is not None


def chooser(spec: Spec, data: LabelledData, *, cold: bool) -> Strategy:
    """Give the strategy as a campaign without further settings runs it, or the cover of a cold start."""
    near = NEAR if any(block.kind in _NEAR_KINDS for block in data.space.blocks) else None
    return compose(get(COLD_START) if cold else get(spec), Additions(near=near))


def choose(
    strategy: Strategy,
    data: LabelledData,
    labelled: Labelled,
    free: Ints,
    seen: Description,
    k: int,
    seed: int,
) -> tuple[Ints, NDArray[Any]]:
    """Choose k rows: a first stage over the pool where it is large, then the strategy.

    Parameters
    ----------
    free : int64 (n,)
        Rows that can be chosen.
    seed : int
        Of the choice.

    Returns
    -------
    rows : int64 (k,)
        Rows of the data, in order of worth.
    sources : object (k,)
        Which part of the strategy chose each.
    """
    rows = _shortlist(strategy, data, labelled, free, seen, k, seed)
    candidates = _candidates(data, rows, seen, wants(strategy), labelled)
    chosen = strategy.select_explained(candidates, k, np.random.default_rng(seed))
    return rows[chosen.positions], named(strategy.name, k) if chosen.parts is None else chosen.parts


def choice_seed(seed: int, labels: int) -> int:
    """Give the seed of the choice after so many labels: the same for all arms of a repeat."""
    return purpose_key(seed, f"choice:{labels}")


def named(name: str, n: int) -> NDArray[Any]:
    """Repeat a name."""
    names = np.empty(n, object)
    names[:] = name
    return names


def _shortlist(
    strategy: Strategy,
    data: LabelledData,
    labelled: Labelled,
    free: Ints,
    seen: Description,
    k: int,
    seed: int,
) -> Ints:
    """Rows that the first stage leaves; all that are free where the second can see them all."""
    size = reach(strategy, k)
    if len(free) <= size:
        return free
    firsts = stages(strategy)
    fields = frozenset[str]().union(*(score_needs(stage) for stage in firsts))
    candidates = _candidates(data, free, seen, fields, labelled)
    key = tie_key(np.random.default_rng(seed))
    scores = (stage.score(candidates, np.random.default_rng(seed)) for stage in firsts)
    kept = [top(one, candidates.ids, size, key) for one in scores]
    return free[np.unique(np.concatenate(kept))]


def _candidates(
    data: LabelledData, rows: Ints, seen: Description, fields: frozenset[str], known: Labelled
) -> Candidates:
    return seen.candidates(
        data.ids[rows], data.X[rows], fields,
        known_X=data.X[known.rows], known_classes=known.classes, known_sources=known.sources,
    )  # fmt: skip
