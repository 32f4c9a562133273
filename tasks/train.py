"""Train the round's model on the labels so far."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.database import labels as label_store
from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.matrices import cut_texts, feature_space
from tasks.outputs import campaign_of, folder, manifest_of
from tasks.reference import Reference
from tasks.step import step

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.features import FeatureSpace
    from tasks.pool.manifest import Manifest

log = logging.getLogger(__name__)

KIND, LABEL, CONFIDENCE = "__kind", "__label", "__confidence"


@step("train on the labels so far")
def train(workplace: Workplace, round_: Round) -> Round:
    """Fit features and model; with too few labels there is no model, and the batch is chosen by cover.

    Raises
    ------
    DeviceUnavailable
        When the campaign demands `cuda` and it does not work here.
    """
    if round_.state != "opened":
        return round_
    from tasks.models import resolve_device
    from tasks.models import train as train_model
    from tasks.strategies import cold_start_reason

    campaign = campaign_of(round_)
    device = resolve_device(campaign.model.device)
    manifest = manifest_of(workplace, round_)
    space, space_uri = feature_space(workplace, campaign, manifest)
    space_reference = Reference(space_uri, space.digest, len(space.names))
    labelled = labelled_items(workplace, round_, campaign, manifest)
    label_reference = workplace.keep_table(folder(round_), "labels", labelled)
    found = labelled.filter(usable(labelled, ("seed", "work")))
    per_class = np.bincount(class_codes(found, campaign), minlength=len(campaign.classes)).tolist()
    start = campaign.cold_start
    cold = cold_start_reason(per_class, campaign.classes, least=start.min_per_class, until=start.until_labels)
    counts = {
        "labels": labelled.num_rows,
        "trained": found.num_rows,
        "seed": labelled.column(KIND).to_pylist().count("seed"),
        "audit": labelled.column(KIND).to_pylist().count("audit"),
        "cold_start": cold,
        "per_class": per_class,
        "labels_outside_pool": labelled.column("__found").to_pylist().count(False),
    }
    model_reference = None
    if cold is None:
        model = train_model(**trainable(labelled, campaign, space), device=device)
        model_reference = workplace.keep(folder(round_), "model.ubj", model.to_bytes(), found.num_rows)
        log.info("trained on %d labels, on %s", found.num_rows, model.device)
    else:
        log.info("cold start: %s", cold)
    return rounds.store(
        workplace.engine,
        round_,
        "trained",
        labels=label_reference,
        features=space_reference,
        model=model_reference,
        device=device if cold is None else None,
        measures={"counts": counts},
    )


def trainable(labelled: pa.Table, campaign: Campaign, space: FeatureSpace) -> dict[str, Any]:
    """Give what a model of the campaign is trained on and with: the labels that models may see."""
    found = labelled.filter(usable(labelled, ("seed", "work")))
    return {
        "X": space.transform(found),
        "y": class_codes(found, campaign),
        "n_classes": len(campaign.classes),
        "names": space.names,
        "types": space.types,
        "seed": campaign.seed,
        "weight": np.asarray(found.column(CONFIDENCE), dtype=np.float32),
        "params": dict(campaign.model.params),
    }


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
            KIND: pa.array([label.kind for label in known], pa.string()),
            LABEL: pa.array([label.label for label in known], pa.string()),
            CONFIDENCE: pa.array([label.confidence for label in known], pa.float32()),
        }
    )
    return _join(labels, rows, id_column)


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

    return pc.and_(pc.is_in(labelled.column(KIND), pa.array(kinds, pa.string())), labelled.column("__found"))


def class_codes(labelled: pa.Table, campaign: Campaign) -> np.ndarray:
    """Give each label's position in the campaign's class order, int64 (n,)."""
    code = {name: position for position, name in enumerate(campaign.classes)}
    return np.array([code[name] for name in labelled.column(LABEL).to_pylist()], dtype=np.int64)


def _import_seed(workplace: Workplace, round_: Round, campaign: Campaign) -> None:
    if campaign.seed_labels is None:
        return
    from tasks.pool.read import read_labels

    file = campaign.seed_labels
    seed = read_labels(workplace.storage, file.uri, id=file.id, label=file.label, classes=campaign.classes)
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
    return labels.append_column("__found", pc.is_valid(place))
