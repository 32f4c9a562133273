"""A small campaign to crash: pool, file, vendor, and everything that it left behind as plain values."""

from __future__ import annotations

import io
import json
import re
import time
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
import yaml

from infra.database import campaigns, engine, rounds, vendors
from infra.settings import Settings
from infra.storage import Storage
from tests.end_to_end.user import answer

CLASSES = ("ham", "spam")
PRICE_MICRO = 50_000
BATCH, AUDIT = 20, 2
SEEDS = 24
SPEED = "rows_per_second"
CHANGING_TAGS = ("mlflow.note.content", "mlflow.parentRunId", "mlflow.user", "manifest", "labelrounds.key")


def emails(rows: int, seed: int) -> pa.Table:
    """Make e-mails that a model can learn: id, text, numbers, a category, label; some values are missing."""
    rng = np.random.default_rng(seed)
    words = [np.array([f"{kind}{n}" for n in range(60)]) for kind in ("common", "calm", "shout")]
    spam = rng.random(rows) < 0.4
    texts = [
        " ".join([*rng.choice(words[0], 12), *rng.choice(words[1 + one], 2), *rng.choice(words[2 - one], 1)])
        for one in spam
    ]
    length = rng.normal(100 + 40 * spam, 40)
    return pa.table(
        {
            "id": [f"mail-{seed}-{row:04d}" for row in range(rows)],
            "text": texts,
            "length": pa.array(length, pa.float64(), mask=rng.random(rows) < 0.05),
            "channel": rng.choice(["web", "app", "list"], rows),
            "label": np.array(CLASSES)[spam.astype(int)],
        }
    )


def parquet(table: pa.Table) -> bytes:
    """Write a table as Parquet."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@dataclass(frozen=True)
class World:
    """Where campaigns live, and what their items really are.

    Parameters
    ----------
    bucket
        For pools, hold-out and seed labels.
    folder
        For campaign files.
    """

    settings: Settings
    storage: Storage
    bucket: str
    folder: Path

    @cached_property
    def pool(self) -> pa.Table:
        return emails(400, seed=1)

    @cached_property
    def truth(self) -> dict[str, str]:
        """Class of each text."""
        return dict(zip(self.pool["text"].to_pylist(), self.pool["label"].to_pylist(), strict=True))

    @cached_property
    def engine(self) -> sa.Engine:
        return engine.connect(self.settings.database_url)

    @cached_property
    def client(self) -> Any:
        from mlflow.tracking import MlflowClient

        uri = self.settings.mlflow_tracking_uri
        return MlflowClient(tracking_uri=uri, registry_uri=uri)

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to find this world."""
        return {
            "LABELROUNDS_HOME": str(self.settings.home),
            "LABELROUNDS_DATABASE_URL": self.settings.database_url,
            "LABELROUNDS_ARTIFACT_BUCKET": self.settings.artifact_bucket,
        }

    def campaign(self, name: str, *, seeds: bool = True, **keys: Any) -> Path:
        """Upload a pool of the campaign's own and write its file; `keys` replace or add to what it says.

        The pools have the same content, so all campaigns choose the same items; but their features are fitted
        and stored for each anew, which are writes as well.
        """
        pool = f"s3://{self.bucket}/{name}/pool"
        for part in range(2):
            table = self.pool.drop_columns(["label"]).slice(part * 200, 200)
            self.storage.put(f"{pool}/part-{part}.parquet", parquet(table))
        self.storage.put(f"s3://{self.bucket}/holdout.parquet", parquet(emails(100, seed=2)))
        self.storage.put(f"s3://{self.bucket}/seed.parquet", parquet(self.pool.slice(0, SEEDS)))
        document = {
            "name": name,
            "classes": list(CLASSES),
            "pool": {
                "uri": pool,
                "columns": {"text": ["text"], "numeric": ["length"], "categorical": ["channel"]},
                "payload": ["text"],
            },
            "holdout": {"uri": f"s3://{self.bucket}/holdout.parquet"},
            "budget": {"labels": 3 * BATCH, "money": 10.0},
            "batch": {"size": BATCH, "audit_share": AUDIT / BATCH},
            "model": {"kind": "linear", "device": "cpu"},
            "forecast": "rounds",
            "vendors": [{"name": f"{name}-vendor", "price": PRICE_MICRO / 1e6}],
            "seed": 5,
        }
        if seeds:
            document["seed_labels"] = {"uri": f"s3://{self.bucket}/seed.parquet"}
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document | keys))
        return path

    def answer_all(self, name: str) -> int:
        """Have the campaign's vendor answer everything, rightly; gives how many tasks it got."""
        url = vendors.give_login(self.engine, f"{name}-vendor")
        return answer(url, lambda payload: self.truth[payload["text"]])

    def wait_until_free(self, name: str) -> None:
        """Wait until Postgres has noticed that a killed process is gone."""
        for _ in range(500):
            with engine.transaction(self.engine) as connection:
                if not rounds.is_driven(connection, name):
                    return
            time.sleep(0.01)
        raise TimeoutError(f"campaign {name} is still held")

    def state(self, name: str) -> str | None:
        """State of the campaign's newest round."""
        found = self.rows(
            "SELECT CAST(r.state AS text) AS state FROM labelrounds.rounds r JOIN labelrounds.campaigns c "
            "USING (campaign_id) WHERE c.name = :name ORDER BY number DESC LIMIT 1",
            name=name,
        )
        return found[0][0] if found else None

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with engine.transaction(self.engine) as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]

    def traces(self, name: str) -> dict[str, Any]:
        """Everything that the campaign left behind, without ids and times: two campaigns can be compared."""
        found = {**self._in_database(name), **self._in_s3(name), **self._in_mlflow(name)}
        return dict(json.loads(json.dumps(found, default=str).replace(name, "THIS")))

    def _in_database(self, name: str) -> dict[str, Any]:
        of_campaign = "JOIN labelrounds.campaigns c USING (campaign_id) WHERE c.name = :name"

        def ask(columns: str, tables: str, order: str = "1, 2, 3") -> list[tuple[Any, ...]]:
            query = f"SELECT {columns} FROM labelrounds.{tables} {of_campaign} ORDER BY {order}"
            return self.rows(query, name=name)

        known = campaigns.find(self.engine, name)
        rounds_ = rounds.rounds_of(self.engine, name)
        return {
            "campaign": (known.stop_reason, known.spent_micro, known.held_micro),
            "rounds": [
                (one.number, one.state, one.reason, one.device, one.model_version, one.tracked_at is not None)
                for one in rounds_
            ],
            "outputs": [
                [
                    None if reference is None else (reference.sha256, reference.rows)
                    for reference in (
                        one.labels,
                        one.features,
                        one.model,
                        one.shortlist,
                        one.audit,
                        one.batch,
                    )
                ]
                for one in rounds_
            ],
            "measures": [_comparable(one.measures) for one in rounds_],
            "round events": ask(
                "r.number, e.from_state, e.to_state, e.detail",
                "rounds r JOIN labelrounds.events e ON e.kind = 'round' AND e.object_id = r.round_id",
                order="e.seq",
            ),
            "items": ask(
                "r.number, CAST(i.kind AS text), i.rank, i.item_id, i.score, i.reason, i.inclusion_probability, "
                "CAST(i.state AS text), i.n_need, i.n_filled, i.payload",
                "batch_items i JOIN labelrounds.rounds r USING (round_id, campaign_id)",
            ),
            "tasks": ask(
                "i.item_id, t.task_no, t.pick_key, CAST(t.state AS text), t.price_micro, t.attempts",
                "tasks t JOIN labelrounds.batch_items i USING (batch_item_id, campaign_id)",
            ),
            "ledger": ask(
                "i.item_id, CAST(l.kind AS text), l.amount_micro",
                "ledger l JOIN labelrounds.tasks t USING (task_id, campaign_id) "
                "JOIN labelrounds.batch_items i USING (batch_item_id, campaign_id)",
            ),
            "labels": ask("l.item_id, l.version, l.label, CAST(l.kind AS text), l.confidence", "labels l"),
        }

    def _in_s3(self, name: str) -> dict[str, Any]:
        below = f"s3://{self.settings.artifact_bucket}/campaigns/{name}/"
        keys = [found.uri.removeprefix(below) for found in self.storage.list(below)]
        # A manifest's digest is the campaign's own, as it names the objects of the campaign's own pool.
        return {"objects": sorted(re.sub(r"manifest-\w+", "manifest", key) for key in keys)}

    def _in_mlflow(self, name: str) -> dict[str, Any]:
        experiment = self.client.get_experiment_by_name(name)
        runs = self.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
        models = self.client.search_logged_models([experiment.experiment_id])
        versions = self.client.search_model_versions(f"name = '{name}'")
        aliases = self.client.get_registered_model(name).aliases if versions else {}
        numbers = {run.info.run_id: run.data.tags["labelrounds.round"] for run in runs}
        return {
            "runs": sorted(_told(run, self._artifacts(run.info.run_id)) for run in runs),
            "metrics": self._metrics(runs),
            "logged models": sorted((numbers[one.source_run_id], str(one.status)) for one in models),
            "versions": sorted((one.version, numbers[one.run_id], one.status) for one in versions),
            "aliases": aliases,
        }

    def _metrics(self, runs: list[Any]) -> list[tuple[Any, ...]]:
        """Read every point of every metric, from MLflow's own table: its API gives one metric a call."""
        ids = {run.info.run_id: run.data.tags["labelrounds.round"] for run in runs}
        server = self.settings.database_url.rpartition("/")[0]
        tracking = engine.connect(f"{server}/mlflow")
        with closing_engine(tracking), engine.transaction(tracking) as connection:
            query = sa.text("SELECT run_uuid, key, step, value FROM metrics WHERE run_uuid = ANY (:ids)")
            found = connection.execute(query, {"ids": list(ids)}).all()
        return sorted(
            # How fast a model is differs from one time to the next.
            (ids[run], key, step, 0.0 if key.endswith(SPEED) else round(value, 9))
            for run, key, step, value in found
        )

    def _artifacts(self, run_id: str, folder: str | None = None) -> list[str]:
        found = []
        for entry in self.client.list_artifacts(run_id, folder):
            found += self._artifacts(run_id, entry.path) if entry.is_dir else [entry.path]
        return found


def _comparable(measured: Any) -> Any:
    """Leave out how fast models were, and the digest of a manifest, which names the bucket."""
    if isinstance(measured, dict):
        return {
            name: _comparable(value) for name, value in measured.items() if name not in (SPEED, "fitted_on")
        }
    return measured


def closing_engine(one: sa.Engine) -> Any:
    """Give the connections back at the end of a block."""
    return closing(_Disposed(one))


class _Disposed:
    def __init__(self, one: sa.Engine) -> None:
        self.close = one.dispose


def _told(run: Any, artifacts: list[str]) -> tuple[Any, ...]:
    """Give what one run shows; of tags that hold ids and addresses only the name."""
    tags = {name: "" if name in CHANGING_TAGS else value for name, value in run.data.tags.items()}
    params = {name: value for name, value in run.data.params.items() if name != "pool"}
    inputs = [] if run.inputs is None else run.inputs.dataset_inputs
    datasets = sorted(one.dataset.name.rpartition("-")[2] for one in inputs)
    outputs = 0 if run.outputs is None else len(run.outputs.model_outputs)
    return (
        int(run.data.tags["labelrounds.round"]), run.info.status, sorted(tags.items()), sorted(params.items()),
        datasets, outputs, sorted(artifacts),
    )  # fmt: skip


def differences(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    """Say in which parts two campaigns' traces differ, and where first."""
    return [
        f"{part}: {difference}"
        for part in sorted(left.keys() | right.keys())
        for difference in _different(left.get(part), right.get(part))
    ]


def _different(one: Any, other: Any, place: str = "") -> list[str]:
    """Say where two nested values differ, and how."""
    if one == other:
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted(one.keys() | other.keys(), key=str)
        return [
            found for name in names for found in _different(one.get(name), other.get(name), f"{place}.{name}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for at, pair in pairs for found in _different(*pair, f"{place}[{at}]")]
    return [f"{place}: {str(one)[:300]} != {str(other)[:300]}"]
