"""Weak supervision in a round: what the campaign's labeling functions say of the pool, as rows to train on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.features.lists import as_lists, as_matrix
from tasks.labelled import class_codes, rows_of
from tasks.outputs import folder
from tasks.reference import Reference

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.features import FeatureSpace
    from tasks.models import Examples
    from tasks.pool.manifest import Manifest
    from tasks.weak import Runner, Scan

log = logging.getLogger(__name__)

# Below this share of the labels' weight the functions are no longer worth a pass over the pool.
_LEAST_SHARE = 0.01
MATRIX, CLASS, WEIGHT = "matrix", "class", "weight"


def ask_functions(
    workplace: Workplace,
    round_: Round,
    campaign: Campaign,
    manifest: Manifest,
    space: FeatureSpace,
    learnt: pa.Table,
) -> dict[str, Any]:
    """Ask the labeling functions about the whole pool, and keep what they teach.

    Parameters
    ----------
    learnt
        The labelled items that the model learns from; their labels tell how far the functions can be trusted.

    Returns
    -------
    dict
        ``report``, and ``rows`` where the functions teach something; empty without functions, or with so many labels
        that they would have no weight.
    """
    from tasks.weak import weak_weight

    n = learnt.num_rows
    if not campaign.labeling_functions or weak_weight(n) < _LEAST_SHARE * n:
        return {}
    from tasks.weak import fit_label_model, trust_in, weak_examples, weak_report

    n_classes = len(campaign.classes)
    scan, anchor_votes, anchors = _ask(workplace, campaign, manifest, learnt)
    for name in scan.broken:
        log.warning("labeling function %s is disabled: %s", name, scan.failures[name])
    alone = fit_label_model(scan.counts, n_classes)
    trust = trust_in(alone.predict(anchor_votes), anchors)
    model = fit_label_model(scan.counts, n_classes, anchor_votes=anchor_votes, anchor_labels=anchors)
    found = weak_examples(scan, model, n_labels=n, trust=trust)
    items = len(np.unique(found.position))
    report = weak_report(
        scan, alone, campaign.classes, anchor_votes=anchor_votes, anchor_labels=anchors,
        examples=items, weight=float(found.weight.sum()),
    )  # fmt: skip
    kept = {"report": report.to_dict(), "metrics": report.metrics(), "markdown": report.to_markdown()}
    if not items:
        return kept
    rows = _rows(workplace, manifest, space, [scan.ids[place] for place in found.position.tolist()])
    table = _table(rows, found.y, found.weight)
    log.info("labeling functions teach %d items, as much as %.0f labels", items, found.weight.sum())
    return {**kept, "rows": workplace.keep_table(folder(round_), "weak", table).to_json()}


def weak_rows(workplace: Workplace, measures: dict[str, Any]) -> Examples | None:
    """Read the rows that a round's labeling functions teach; None where there are none."""
    from tasks.models import Examples
    from tasks.models.examples import WEAK

    stored = measures.get("weak", {}).get("rows")
    if stored is None:
        return None
    table = workplace.fetch_table(Reference.from_json(stored))
    y, weight = (np.asarray(table.column(name)) for name in (CLASS, WEIGHT))
    return Examples(as_matrix(table.column(MATRIX)), y, weight, np.full(len(y), WEAK))


def _ask(
    workplace: Workplace, campaign: Campaign, manifest: Manifest, learnt: pa.Table
) -> tuple[Scan, Any, Any]:
    """Run the functions over the pool; gives their votes on the labelled items and these labels, too."""
    from tasks.pool.sampling import IdSet
    from tasks.weak import Runner, scan

    key = manifest.columns.id
    labelled = learnt.column(key).combine_chunks()
    seen: list[pa.Table] = []
    with Runner(campaign.labeling_functions, campaign.classes, text=manifest.columns.text) as runner:
        tables = _noting(_chunks(workplace, campaign, manifest), key, labelled, seen)
        found = scan(
            tables,
            runner,
            id=key,
            n_classes=len(campaign.classes),
            seed=campaign.seed,
            exclude=IdSet(labelled),
        )
        votes = found.settle(_votes(runner, key, seen))
    codes = dict(zip(labelled.to_pylist(), class_codes(learnt, campaign).tolist(), strict=True))
    ids = [item for table in seen for item in table.column(key).to_pylist()]
    return found, votes, np.array([codes[item] for item in ids], np.int64)


def _chunks(workplace: Workplace, campaign: Campaign, manifest: Manifest) -> Iterator[pa.Table]:
    from tasks.campaign.weak import rule_columns
    from tasks.pool.read import read_pool

    columns = manifest.columns
    known = set(columns.names)
    wanted = (
        *columns.features,
        *(name for name in rule_columns(campaign.labeling_functions) if name in known),
    )
    for chunk in read_pool(workplace.storage, manifest, names=tuple(dict.fromkeys(wanted))):
        yield chunk.table


def _noting(tables: Iterator[pa.Table], key: str, ids: pa.Array, seen: list[pa.Table]) -> Iterator[pa.Table]:
    """Pass chunks on, and keep the rows of some ids."""
    import pyarrow.compute as pc

    for table in tables:
        some = table.filter(pc.is_in(table.column(key).cast(ids.type), ids))
        if some.num_rows:
            seen.append(some)
        yield table


def _votes(runner: Runner, key: str, tables: list[pa.Table]) -> Any:
    found = [runner.votes(table, table.column(key).to_pylist()) for table in tables]
    return np.concatenate([np.empty((0, len(runner.names)), np.int16), *found])


def _rows(workplace: Workplace, manifest: Manifest, space: FeatureSpace, ids: list[str]) -> Any:
    """Give the matrix of items, in their order; an item may come more than once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array(ids, pa.string())
    rows = rows_of(workplace, manifest, wanted.unique())
    place = pc.index_in(wanted, rows.column(manifest.columns.id).combine_chunks())
    return space.transform(rows)[place.to_numpy(zero_copy_only=False)]


def _table(X: Any, y: Any, weight: Any) -> pa.Table:
    import pyarrow as pa

    return pa.table({MATRIX: as_lists(X), CLASS: y, WEIGHT: weight})
