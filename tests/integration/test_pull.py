"""A pool whose columns change between the rounds of one campaign."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.database import campaigns, rounds
from infra.database.campaigns import CampaignRow, Offer
from infra.database.rounds import Round
from infra.settings import Settings
from infra.storage import Storage
from infra.workplace import Workplace
from tasks.campaign.load import parse_campaign
from tasks.errors import PoolChanged
from tasks.outputs import manifest_of
from tasks.pull import columns_so_far, pull
from tasks.reference import Reference

FILE = """
name: spam
classes: [ham, spam]
pool: {{uri: s3://{bucket}/pool/, payload: [text]{more}}}
budget: {{labels: 100}}
batch: {{size: 10}}
vendors:
  - {{name: acme, price: 0}}
"""
ITEMS = pa.table(
    {
        "id": [f"item-{i}" for i in range(60)],
        "text": [f"some words of item {i}" for i in range(60)],
        "n": [i / 7 for i in range(60)],
    }
)


@pytest.fixture
def workplace(data_settings: Settings) -> Iterator[Workplace]:
    place = Workplace(data_settings)
    place.prepare()
    yield place
    place.close()


def put(storage: Storage, bucket: str, table: pa.Table) -> None:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    storage.put(f"s3://{bucket}/pool/a.parquet", sink.getvalue())


def register(workplace: Workplace, bucket: str, more: str = "") -> CampaignRow:
    campaign = parse_campaign(FILE.format(bucket=bucket, more=more), "spam.yaml")
    spec = json.loads(campaign.to_json())
    return campaigns.register(workplace.engine, "spam", spec, campaign.digest, [Offer("acme", 0, 60)])


def open_round(workplace: Workplace, campaign: CampaignRow) -> Round:
    return rounds.open_round(workplace.engine, campaign.campaign_id, campaign.spec, "digest", None)


def finish(workplace: Workplace, round_: Round) -> None:
    """Let a round have learned from its columns, and end."""
    trained = rounds.store(
        workplace.engine, round_, "trained", features=Reference("s3://features/space.npz", "0" * 64, 3)
    )
    rounds.end(workplace.engine, trained, "failed", "the test is done with it")


def test_later_rounds_keep_the_columns_of_the_first(
    workplace: Workplace, storage: Storage, bucket: str
) -> None:
    put(storage, bucket, ITEMS)
    campaign = register(workplace, bucket)
    first = pull.fn(workplace, open_round(workplace, campaign))
    assert manifest_of(workplace, first).columns.features == ("text", "n")
    assert columns_so_far(workplace, "spam") is None  # nothing was learned yet
    finish(workplace, first)

    put(storage, bucket, ITEMS.append_column("new", pa.array([i / 3 for i in range(60)])))
    second = pull.fn(workplace, open_round(workplace, campaign))
    manifest = manifest_of(workplace, second)
    assert manifest.columns == columns_so_far(workplace, "spam", before=second.number)
    assert "'new'" in manifest.notes[0]
    finish(workplace, second)

    put(storage, bucket, ITEMS.drop_columns(["n"]))
    third = open_round(workplace, campaign)
    with pytest.raises(PoolChanged, match=r"column 'n' \(numeric\), which the last round learned from"):
        pull.fn(workplace, third)
    rounds.end(workplace.engine, third, "failed", "the column is gone")

    named = register(workplace, bucket, ", columns: {text: [text]}")
    fourth = pull.fn(workplace, open_round(workplace, named))
    manifest = manifest_of(workplace, fourth)
    assert manifest.columns.features == ("text",)
    assert manifest.notes == ("learned from before, and not now: 'n'",)
