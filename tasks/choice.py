"""What chooses in a round, and what it sees: strategy, randomness, candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.features.lists import as_matrix
from tasks.labelled import AUDIT, KIND, class_codes, learnt_kinds, usable
from tasks.outputs import campaign_of, manifest_of, model_of, space_of
from tasks.supervise import weak_rows
from tasks.targets import targets_of
from tasks.train import examples_of, setting_of, with_params

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.pool.schema import Columns
    from tasks.strategies import Candidates, Description, Strategy

MATRIX = "__matrix"
TAKEN, SOURCE = "item_id", "source"
# What the second stage sees is computed from the matrix, so the shortlist carries it.
MOST_BYTES = 2**29


def strategy_of(round_: Round, campaign: Campaign, columns: Columns) -> Strategy:
    """Give the campaign's strategy with what the campaign adds to it, or the cover of a cold start."""
    from tasks.strategies import COLD_START, get
    from tasks.strategies.compose import NEAR, Additions, compose

    choice = campaign.strategy
    cold = round_.model is None and not choice.is_random
    near = choice.duplicates if isinstance(choice.duplicates, float) else None
    if choice.duplicates == "auto" and (columns.text or columns.embedding):
        # Between a few numbers or categories a small angle does not mean the same content.
        near = NEAR
    quotas = choice.quotas
    additions = Additions(
        explore=0.0 if choice.is_random else choice.explore,
        # Predictions alone do not tell one item's content from another's.
        copies=choice.duplicates == "keep" or not columns.features,
        near=near,
        # Without a model there are no predicted classes.
        per_class=1.0 if quotas is None or cold else quotas.per_class,
        per_group=None if quotas is None else quotas.per_group,
    )
    return compose(get(COLD_START) if cold else get(choice.spec), additions)


def generator(campaign: Campaign, round_: Round) -> np.random.Generator:
    """Make the round's generator for choosing: each call begins it anew.

    Scoring and selecting begin from the same seed, so that ties fall the same way in both and the batch is the
    one that a look at the whole pool at once would give.
    """
    from tasks.pool.sampling import purpose_key

    return np.random.default_rng(purpose_key(campaign.seed, f"choice:{round_.number}"))


def shortlist_size(strategy: Strategy, campaign: Campaign, width: int) -> int:
    """Give how many candidates scoring leaves, within what their matrix may take of memory."""
    from tasks.strategies import reach

    wanted = campaign.strategy.shortlist_size or reach(strategy, campaign.batch.size)
    return max(campaign.batch.size, min(wanted, MOST_BYTES // (4 * width)))


def description_of(workplace: Workplace, round_: Round, strategy: Strategy) -> Description:
    """Read feature space and model, and train what else the strategy looks through."""
    from tasks.strategies import Description

    space, model = space_of(workplace, round_), model_of(workplace, round_)
    if model is None:
        return Description(space, None)
    campaign = campaign_of(round_)
    if campaign.predictions is not None:
        return Description(space, model)

    def examples() -> Any:
        assert round_.labels is not None
        labelled = workplace.fetch_table(round_.labels)
        return examples_of(labelled, campaign, space, weak_rows(workplace, round_.measures or {}))

    # Trained again wherever they are needed: labels and seed fix them.
    setting = with_params(setting_of(campaign, space, model.device), (round_.measures or {}).get("search"))
    return targets_of(campaign).describe(strategy, space, model, examples, setting)


@dataclass(frozen=True)
class Known:
    """What is labelled or in flight.

    Parameters
    ----------
    X
        float32 (m, d), as `FeatureSpace.transform` gives it.
    classes
        int64 (m,); -1 for what has no label to choose by.
    sources
        Which strategy chose each, object (m,).
    """

    X: NDArray[np.float32]
    classes: NDArray[np.int64]
    sources: NDArray[Any]


def known_of(workplace: Workplace, round_: Round, seen: pa.Table, taken: pa.Table) -> Known:
    """Join items that are not free with their labels, and add labelled items from outside the pool.

    Audit labels are left out: what measures the model must not steer it. Their items count as cover.

    Parameters
    ----------
    seen
        Ids and matrix of the pool's items that are not free, from the scan.
    taken
        Ids that are not free, and what chose them.
    """
    assert round_.labels is not None
    campaign, id_column = campaign_of(round_), manifest_of(workplace, round_).columns.id
    labels = workplace.fetch_table(round_.labels)
    seen_by_strategies = targets_of(campaign).known(class_codes(labels, campaign))
    codes = dict(zip(labels.column(id_column).to_pylist(), seen_by_strategies.tolist(), strict=True))
    for item, kind in zip(labels.column(id_column).to_pylist(), labels.column(KIND).to_pylist(), strict=True):
        if kind == AUDIT:
            codes[item] = -1
    ids = seen.column(TAKEN).to_pylist()
    X = as_matrix(seen.column(MATRIX))
    outside = labels.filter(usable(labels, learnt_kinds(campaign)))
    inside = set(ids)
    places = [row for row, item in enumerate(outside.column(id_column).to_pylist()) if item not in inside]
    if places:
        extra = outside.take(places)
        X = np.concatenate([X, space_of(workplace, round_).transform(extra)])
        ids += extra.column(id_column).to_pylist()
    sources = dict(zip(taken.column(TAKEN).to_pylist(), taken.column(SOURCE).to_pylist(), strict=True))
    return Known(
        X,
        np.array([codes.get(item, -1) for item in ids], np.int64),
        np.array([sources.get(item, "") for item in ids], object),
    )


def known_classes(workplace: Workplace, round_: Round) -> NDArray[np.int64]:
    """Give the classes of all labels to choose by, in no particular order."""
    assert round_.labels is not None
    campaign, labels = campaign_of(round_), workplace.fetch_table(round_.labels)
    chosen_by = labels.filter(usable(labels, learnt_kinds(campaign)))
    return targets_of(campaign).known(class_codes(chosen_by, campaign))


def candidates_of(
    shortlist: pa.Table, id_column: str, campaign: Campaign, known: Known, description: Description,
    strategy: Strategy,
) -> Candidates:  # fmt: skip
    """Describe the shortlist as the strategy wants it."""
    from tasks.strategies import wants

    group = None if campaign.strategy.quotas is None else campaign.strategy.quotas.group
    return description.candidates(
        np.asarray(shortlist.column(id_column).to_pylist(), dtype=object),
        as_matrix(shortlist.column(MATRIX)),
        wants(strategy),
        groups=None if group is None else _groups(shortlist, group),
        known_X=known.X,
        known_classes=known.classes,
        known_sources=known.sources,
    )


def _groups(table: pa.Table, name: str) -> NDArray[Any]:
    """Read group values; a missing one is a group of its own kind, called empty."""
    values = ["" if value is None else str(value) for value in table.column(name).to_pylist()]
    groups = np.empty(len(values), object)
    groups[:] = values
    return groups
