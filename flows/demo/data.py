"""The demo's data: SpamAssassin's e-mails as a pool in S3, a held-out test part and seed labels."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.storage import Storage

if TYPE_CHECKING:
    import pyarrow as pa

HERE = Path(__file__).parents[2] / "infra" / "campaigns" / "demo"
BUCKET = "labelrounds-demo"
POOL = f"s3://{BUCKET}/emails/pool/"
HOLDOUT = f"s3://{BUCKET}/emails/holdout.parquet"
SEED = f"s3://{BUCKET}/emails/seed.csv"
OBJECTS = 6
TEST_SHARE = 0.2
SEED_LABELS = 100
SPLIT_KEY, SEED_KEY = 1, 2


@dataclass(frozen=True)
class Emails:
    """The e-mails, split.

    Parameters
    ----------
    pool, holdout, seed
        Tables with id, subject, text, label; `seed` is part of `pool`.
    """

    pool: pa.Table
    holdout: pa.Table
    seed: pa.Table

    def truth(self) -> dict[tuple[str, str], str]:
        """Give the class of each e-mail by what a vendor sees of it."""
        return {(row["subject"], row["text"]): row["label"] for row in self.pool.to_pylist()}


def read_emails() -> Emails:
    """Split the shipped e-mails: always the same way, and copies of one text always on the same side."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from tasks.pool.sampling import hash_ids

    table = pq.read_table(HERE / "spamassassin.parquet")
    by_text = hash_ids(table.column("text").to_pylist(), SPLIT_KEY)
    held_out = by_text < TEST_SHARE * 2**64
    pool, holdout = table.filter(~held_out), table.filter(held_out)
    order = hash_ids(pool.column("id").to_pylist(), SEED_KEY).argsort(kind="stable")
    seed = pool.take(order[:SEED_LABELS])
    assert set(pc.unique(seed.column("label")).to_pylist()) == {"ham", "spam"}
    return Emails(pool, holdout, seed)


def upload(storage: Storage, emails: Emails) -> None:
    """Put pool, hold-out and seed labels into S3; what lies there already stays."""
    import pyarrow.csv as csv

    storage.ensure_bucket(BUCKET)
    pool = emails.pool.drop_columns(["label"])
    size = -(-pool.num_rows // OBJECTS)
    for number in range(OBJECTS):
        storage.put_once(f"{POOL}part-{number}.parquet", _parquet(pool.slice(number * size, size)))
    storage.put_once(HOLDOUT, _parquet(emails.holdout))
    sink = io.BytesIO()
    csv.write_csv(emails.seed.select(["id", "label"]), sink)
    storage.put_once(SEED, sink.getvalue())


def campaign_file(path: Path, **values: Any) -> Path:
    """Write one arm's campaign file from the shipped template."""
    template = (HERE / "emails.yaml").read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.format(pool=POOL, holdout=HOLDOUT, seed=SEED, **values), encoding="utf-8")
    return path


def answerer(truth: Mapping[tuple[str, str], str]) -> Any:
    """Make the function with which the simulated vendor knows the right class of a payload."""

    def answer(payload: Mapping[str, Any]) -> str:
        return truth[payload["subject"], payload["text"]]

    return answer


def _parquet(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
