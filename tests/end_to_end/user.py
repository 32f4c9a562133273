"""What a user does: puts data into S3, writes a campaign file, types commands, and has vendors answer."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from infra.storage import Storage
from tests.end_to_end.crashes.command import Ended, Nursery

Label = Callable[[Mapping[str, Any]], str | list[str] | None]


@dataclass(frozen=True)
class User:
    """One user with a database, a bucket and a directory of their own.

    Parameters
    ----------
    commands
        Where commands run, each in a process of its own.
    """

    commands: Nursery
    database_url: str
    storage: Storage
    bucket: str
    folder: Path

    def type(self, *words: str, code: int = 0, **environment: str) -> Ended:
        """Run ``labelrounds`` and check how it ends."""
        ended = self.commands.run(*words, LABELROUNDS_DATABASE_URL=self.database_url, **environment)
        assert ended.code == code, f"{words}: exit code {ended.code}\n{ended.out}\n{ended.err}"
        return ended

    def ask(self, *words: str, code: int = 0) -> Any:
        """Run ``labelrounds ... --json``; stdout has to be one JSON document."""
        return self.type(*words, "--json", code=code).document

    def uri(self, key: str) -> str:
        """Give the address of a key in the user's bucket."""
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, data: bytes | str | pa.Table) -> str:
        """Upload bytes, text, or a table as Parquet."""
        if isinstance(data, pa.Table):
            sink = io.BytesIO()
            pq.write_table(data, sink)
            data = sink.getvalue()
        self.storage.put(self.uri(key), data.encode() if isinstance(data, str) else data)
        return self.uri(key)

    def campaign(self, name: str, **keys: Any) -> str:
        """Write a campaign file; `keys` replace or add to those of a small campaign."""
        document = {
            "name": name,
            "classes": ["a", "b"],
            "pool": {"uri": self.uri("pool/"), "payload": ["id"]},
            "budget": {"labels": 1000},
            "batch": {"size": 20},
            "vendors": [{"name": "acme", "price": "0.10"}],
        } | keys
        if "predictions" not in keys:
            # What most tests are about needs no comparison of models.
            document.setdefault("model", {"kind": "xgboost", "params": {"num_boost_round": 40}})
        # Nor smaller models to forecast by; `test_measuring.py` has them.
        document.setdefault("forecast", "rounds")
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return str(path)

    def hire(self, name: str = "acme") -> str:
        """Register a vendor; gives its database login."""
        return self.type("vendor", "add", name, "--sql").out.strip()

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Look into the database."""
        return query_rows(self.database_url, query, values)

    def batch(self, number: int) -> list[dict[str, Any]]:
        """Give a round's items, in order of kind and rank."""
        return self.rows(
            "SELECT CAST(kind AS text), rank, item_id, score FROM labelrounds.batch_items "
            "JOIN labelrounds.rounds USING (round_id) WHERE number = %s ORDER BY kind, rank",
            number,
        )

    def measures(self) -> dict[int, dict[str, Any]]:
        """Give what each round measured, by its number."""
        found = self.rows("SELECT number, measures FROM labelrounds.rounds ORDER BY number")
        return {row["number"]: row["measures"] for row in found}

    def states(self) -> list[str]:
        """Give the states of all rounds, in order."""
        found = self.rows("SELECT CAST(state AS text) AS state FROM labelrounds.rounds ORDER BY round_id")
        return [row["state"] for row in found]

    def money(self) -> dict[str, int]:
        """Give what the ledger holds of each kind of entry, in micro units."""
        query = "SELECT CAST(kind AS text), sum(amount_micro) AS sum FROM labelrounds.ledger GROUP BY kind"
        return {row["kind"]: int(row["sum"]) for row in self.rows(query)}


def answer(url: str, label: Label, *, at_most: int = 1000) -> int:
    """Lease once and hand in; gives the accepted answers.

    `label` gives the class of a payload, or the list of its classes; None skips.
    """
    tasks = lease(url, at_most)
    if not tasks:
        return 0
    rows = []
    for task in tasks:
        told = label(task["payload"])
        said = {"answer": "skip"} if told is None else {"label": told}
        rows.append({"assignment_id": str(task["assignment_id"]), **said})
    query = "SELECT vendor.submit(%s, %s) AS result"
    (given,) = query_rows(url, query, (str(uuid.uuid4()), json.dumps(rows)))
    return int(given["result"]["accepted"])


def lease(url: str, at_most: int = 1000) -> list[dict[str, Any]]:
    """Take tasks as the vendor with this login."""
    query = "SELECT vendor.lease(%s, %s) AS given"
    (row,) = query_rows(url, query, (str(uuid.uuid4()), at_most))
    tasks: list[dict[str, Any]] = row["given"]["tasks"]
    return tasks


def query_rows(url: str, query: str, values: Iterable[Any]) -> list[dict[str, Any]]:
    """Run one statement in a transaction of its own."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(query, tuple(values))
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []
