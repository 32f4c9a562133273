"""Items whose label is known, mixed into every vendor's work to measure it."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from infra.database import labels as label_store
from infra.database.batches import Pick, Seat
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.outputs import manifest_of
from tasks.vendors.routing import Worker

log = logging.getLogger(__name__)


def gold_picks(
    workplace: Workplace, round_: Round, campaign: Campaign, workers: Sequence[Worker], tasks: int
) -> list[Pick]:
    """Choose gold items for a batch: for each vendor those that it saw least often, in the order of a hash.

    Parameters
    ----------
    workers
        The vendors of the batch; seniors are not measured.
    tasks
        Of the batch without gold.
    """
    measured = [one for one in workers if not one.senior]
    if campaign.gold is None or not measured:
        return []
    known = known_labels(workplace, campaign)
    seen = label_store.gold_asked(workplace.engine, round_.campaign_id)
    wanted: dict[str, list[Worker]] = {}
    for worker in measured:
        part = worker.share if worker.share is not None else 1 / len(measured)
        count = max(1, round(campaign.gold.share * part * tasks))
        keys = _keys(list(known), campaign, f"gold:{round_.number}:{worker.vendor_id}")
        order = sorted((seen.get((worker.vendor_id, item), 0), keys[item], item) for item in known)
        for _, _, item in order[:count]:
            wanted.setdefault(item, []).append(worker)
    payloads = _payloads(workplace, round_, campaign, list(wanted))
    missing = wanted.keys() - payloads.keys()
    if missing:
        log.warning("%d gold items are not in the pool: left out", len(missing))
    keys = _keys(list(wanted), campaign, f"gold:{round_.number}")
    return [
        Pick(
            item_id=item,
            kind="gold",
            payload=payloads[item],
            rank=rank,
            score=None,
            reason=json.dumps({"gold": "its label is known"}),
            inclusion_probability=None,
            pick_key=keys[item] >> 16,
            seats=tuple(Seat(one.price_micro, (one.vendor_id,), (one.vendor_id,)) for one in wanted[item]),
            priority=keys[item] % 10,
            expected=known[item],
        )
        for rank, item in enumerate((one for one in wanted if one in payloads), start=1)
    ]


def known_labels(workplace: Workplace, campaign: Campaign) -> dict[str, str]:
    """Read the labels of gold items: of the gold file, else the seed labels."""
    from tasks.pool.read import read_labels

    gold, file = campaign.gold, campaign.seed_labels
    assert gold is not None
    if gold.uri is not None:
        uri, id_column, label = gold.uri, gold.id, gold.label
    else:
        assert file is not None
        uri, id_column, label = file.uri, file.id, file.label
    table = read_labels(
        workplace.storage, uri, id=id_column, label=label, classes=campaign.classes, task=campaign.task
    )
    found = dict(zip(table.column(id_column).to_pylist(), table.column(label).to_pylist(), strict=True))
    if not found:
        raise UsageError(f"campaign {campaign.name}: {uri} holds no gold label")
    return found


def _keys(items: list[str], campaign: Campaign, purpose: str) -> dict[str, int]:
    from tasks.pool.sampling import hash_ids, purpose_key

    hashed = hash_ids(items, purpose_key(campaign.seed, purpose))
    return {item: int(key) for item, key in zip(items, hashed, strict=True)}


def _payloads(workplace: Workplace, round_: Round, campaign: Campaign, items: list[str]) -> dict[str, str]:
    """Read what vendors are shown of items, from the pool."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from tasks.pool.read import read_pool
    from tasks.select import as_payload

    manifest = manifest_of(workplace, round_)
    wanted, id_column = pa.array(items, pa.string()), manifest.columns.id
    found: dict[str, str] = {}
    for chunk in read_pool(workplace.storage, manifest, names=campaign.pool.payload):
        table = chunk.table.filter(pc.is_in(chunk.table.column(id_column), wanted))
        for row in table.to_pylist():
            found[row[id_column]] = as_payload({name: row[name] for name in campaign.pool.payload})
        if len(found) == len(items):
            break
    return found
