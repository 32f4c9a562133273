"""The labels so far, joined with the items that they belong to."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from infra.database import labels as label_store
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.audit import draw_of, kept_in_window
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.matrices import cut_texts
from tasks.targets import Codes, targets_of

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.pool.manifest import Manifest

log = logging.getLogger(__name__)

KIND, LABEL, CONFIDENCE, FOUND = "__kind", "__label", "__confidence", "__found"
AUDIT, RELEASED = "audit", "released"
"""Kinds of labels that measure, and that measured until a newer audit window replaced them."""


def learnt_kinds(campaign: Campaign) -> tuple[str, ...]:
    """Give the kinds of labels that models may see; with cross-fitting those that measure are among them."""
    kinds = ("seed", "work", RELEASED)
    return (*kinds, AUDIT) if campaign.audit.train == "crossfit" else kinds


def labelled_items(workplace: Workplace, round_: Round, campaign: Campaign, manifest: Manifest) -> pa.Table:
    """Join the labels with their items: from the pool, else from the seed file.

    Returns
    -------
    pa.Table
        The id column, the feature columns (null where the item was found nowhere), and label, kind, confidence.
    """
    import pyarrow as pa

    _import_seed(workplace, round_, campaign)
    known = label_store.current_labels(workplace.engine, round_.campaign_id)
    id_column = manifest.columns.id
    wanted = pa.array([label.item_id for label in known], pa.string())
    rows = rows_of(workplace, manifest, wanted)
    missing = _without(wanted, rows.column(id_column))
    if campaign.seed_labels is not None and len(missing):
        rows = pa.concat_tables([rows, _rows_of_seed_file(workplace, campaign, manifest, missing)])
    labels = pa.table(
        {
            id_column: wanted,
            KIND: pa.array(kinds_of(workplace, round_, campaign, known), pa.string()),
            LABEL: pa.array([label.label for label in known], pa.string()),
            CONFIDENCE: pa.array([label.weight for label in known], pa.float32()),
        }
    )
    return _join(labels, rows, id_column)


def kinds_of(
    workplace: Workplace, round_: Round, campaign: Campaign, known: Sequence[label_store.Label]
) -> list[str]:
    """Give what each label is for: an audit label that a newer window replaced is free to be learnt from."""
    kinds = [label.kind for label in known]
    if campaign.audit.train != "window":
        return kinds
    audited = {label.item_id for label in known if label.kind == AUDIT}
    rows = label_store.audit_draws(workplace.engine, round_.campaign_id)
    draws = {item: draw_of(row) for item, row in rows.items() if item in audited}
    window = kept_in_window(draws, campaign.audit.window)
    return [
        RELEASED
        if label.kind == AUDIT and label.item_id in draws and label.item_id not in window
        else label.kind
        for label in known
    ]


def rows_of(workplace: Workplace, manifest: Manifest, ids: pa.Array) -> pa.Table:
    """Read the feature columns of some items from the pool, in the pool's order."""
    import pyarrow as pa

    from tasks.pool.read import read_pool

    id_column = manifest.columns.id
    schema = manifest.columns.schema((id_column, *manifest.columns.features))
    if not len(ids):
        return schema.empty_table()
    chunks = [
        cut_texts(_only(chunk.table, id_column, ids), manifest.columns)
        for chunk in read_pool(workplace.storage, manifest, names=manifest.columns.features)
    ]
    return pa.concat_tables([schema.empty_table(), *chunks]).combine_chunks()


def usable(labelled: pa.Table, kinds: tuple[str, ...]) -> pa.Array:
    """Mark the labels of these kinds whose items were found."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.and_(pc.is_in(labelled.column(KIND), pa.array(kinds, pa.string())), labelled.column(FOUND))


def class_codes(labelled: pa.Table, campaign: Campaign) -> Codes:
    """Give labels as numbers in the campaign's class order: int64 (n,), or int8 (n, n_classes) of sets."""
    return targets_of(campaign).codes(labelled.column(LABEL).to_pylist())


def _import_seed(workplace: Workplace, round_: Round, campaign: Campaign) -> None:
    if campaign.seed_labels is None:
        return
    from tasks.pool.read import read_labels

    file = campaign.seed_labels
    seed = read_labels(
        workplace.storage,
        file.uri,
        id=file.id,
        label=file.label,
        classes=campaign.classes,
        task=campaign.task,
    )
    ids = seed.column(file.id).to_pylist()
    new = label_store.import_seed(
        workplace.engine, round_.campaign_id, ids, seed.column(file.label).to_pylist()
    )
    if new:
        log.info("%d seed labels imported", new)


def _rows_of_seed_file(
    workplace: Workplace, campaign: Campaign, manifest: Manifest, ids: pa.Array
) -> pa.Table:
    """Read items that only the seed file has; none when it lacks the pool's columns."""
    from tasks.pool.read import read_table

    file, columns = campaign.seed_labels, manifest.columns
    assert file is not None
    schema = columns.schema((columns.id, *columns.features))
    try:
        table = read_table(workplace.storage, file.uri, id=file.id, columns=columns)
    except UsageError as error:
        log.warning("seed labels of %d items outside the pool are not trained on: %s", len(ids), error)
        return schema.empty_table()
    table = table.rename_columns([columns.id, *table.column_names[1:]])
    return _only(table.select(schema.names), columns.id, ids).cast(schema)


def _only(table: pa.Table, id_column: str, ids: pa.Array) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.is_in(table.column(id_column), ids))


def _without(ids: pa.Array, taken: pa.ChunkedArray) -> pa.Array:
    import pyarrow.compute as pc

    return ids.filter(pc.invert(pc.is_in(ids, taken.combine_chunks())))


def _join(labels: pa.Table, rows: pa.Table, id_column: str) -> pa.Table:
    """Left join in the labels' order; Arrow's own join cannot carry list columns."""
    import pyarrow.compute as pc

    place = pc.index_in(labels.column(id_column), rows.column(id_column).combine_chunks())
    for name in rows.column_names:
        if name != id_column:
            labels = labels.append_column(name, rows.column(name).take(place))
    return labels.append_column(FOUND, pc.is_valid(place))
