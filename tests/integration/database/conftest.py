"""A migrated database, campaigns in it, vendors with logins of their own, and the invariants of the queue."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from flows.bench.invariants import INVARIANTS
from infra.database import batches, campaigns, rounds, vendors
from infra.database.batches import Limits, Pick, Schema, Seat
from infra.database.campaigns import CampaignRow, Offer
from infra.database.engine import connect, migrate
from infra.database.rounds import Round
from infra.stack import StackState
from tasks.campaign import parse_campaign

CLASSES = ("ham", "spam")
UNLIMITED = Limits(10**9, None)


class Client:
    """A vendor's side: one connection under its own login."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the vendors' door."""
        places = ", ".join("%s::uuid[]" if isinstance(one, list) else "%s" for one in arguments)
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT vendor.{function}({places})", arguments)
            return cursor.fetchone()[0]

    def lease(self, tasks: int = 100, request: str | None = None) -> list[dict[str, Any]]:
        return self.call("lease", request or str(uuid.uuid4()), tasks)["tasks"]

    def submit(self, rows: Sequence[Any], request: str | None = None) -> list[dict[str, Any]]:
        return self.call("submit", request or str(uuid.uuid4()), json.dumps(rows))["rows"]

    def correct(self, rows: Sequence[Any], request: str | None = None) -> list[dict[str, Any]]:
        return self.call("correct", request or str(uuid.uuid4()), json.dumps(rows))["rows"]

    def answer(self, tasks: Sequence[Mapping[str, Any]], label: str = "ham") -> list[str]:
        """Hand in the same label for all; give what became of each."""
        rows = [{"assignment_id": task["assignment_id"], "label": label} for task in tasks]
        return [row["code"] or row["result"] for row in self.submit(rows)]


class Desk:
    """The operator's side of one database."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.clients: list[Client] = []
        self.rng = random.Random(0)

    def run(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return list(result) if result.returns_rows else []

    def one(self, statement: str, **values: Any) -> Any:
        ((value,),) = self.run(statement, **values)
        return value

    def campaign(
        self, name: str = "spam", *, vendors: Mapping[str, int] | None = None, lease_seconds: int = 60,
        overlap: int = 1, more: str = "", senior: Sequence[str] = (),
    ) -> CampaignRow:  # fmt: skip
        """Register a campaign that pays each vendor its price in micro units."""
        vendors = vendors or {"acme": 10}
        text = f"name: {name}\nclasses: [ham, spam]\noverlap: {overlap}\n{more}"
        text += "pool: {uri: s3://pool/spam/, payload: [text]}\nbudget: {labels: 900}\nbatch: {size: 100}\nvendors:\n"
        for vendor in vendors:
            text += f"  - {{name: {vendor}, price: 0.1, senior: {str(vendor in senior).lower()}}}\n"
        campaign = parse_campaign(text, name)
        offers = [Offer(vendor, price, lease_seconds) for vendor, price in vendors.items()]
        return campaigns.register(self.engine, name, json.loads(campaign.to_json()), campaign.digest, offers)

    def scored(self, campaign: CampaignRow) -> Round:
        """Open a round and bring it to the state before publishing."""
        round_ = rounds.open_round(self.engine, campaign.campaign_id, campaign.spec, "digest", None)
        round_ = rounds.store(self.engine, round_, "trained")
        return rounds.store(self.engine, round_, "scored")

    def picks(self, ids: Sequence[str], seats: Sequence[Seat] = (Seat(10),)) -> list[Pick]:
        return [
            Pick(
                one,
                "work",
                json.dumps({"text": one}),
                rank,
                0.5,
                "{}",
                None,
                self.rng.getrandbits(48),
                tuple(seats),
            )
            for rank, one in enumerate(ids, 1)
        ]

    def publish(
        self, campaign: CampaignRow, ids: Sequence[str] | int, *, overlap: int = 1, price: int = 10,
        due_seconds: int = 3600, limits: Limits = UNLIMITED, exclusive: bool = True,
    ) -> Round:  # fmt: skip
        """Publish the campaign's next round with these items."""
        ids = [f"item-{n:05}" for n in range(ids)] if isinstance(ids, int) else ids
        return self.publish_picks(
            campaign,
            self.picks(ids, [Seat(price)] * overlap),
            due_seconds=due_seconds,
            limits=limits,
            exclusive=exclusive,
        )

    def publish_picks(
        self, campaign: CampaignRow, picks: Sequence[Pick], *, due_seconds: int = 3600, limits: Limits = UNLIMITED,
        exclusive: bool = True, instructions: str = "",
    ) -> Round:  # fmt: skip
        round_ = self.scored(campaign)
        schema = Schema(
            campaign.spec.get("task", "classification"), tuple(campaign.spec["classes"]), instructions
        )
        assert batches.publish(
            self.engine,
            round_,
            picks,
            schema=schema,
            exclusive=exclusive,
            due_seconds=due_seconds,
            limits=limits,
        )
        return rounds.find(self.engine, round_.round_id)

    def vendor_id(self, name: str) -> int:
        return int(self.one("SELECT vendor_id FROM labelrounds.vendors WHERE name = :name", name=name))

    def until(self, query: str, seconds: float = 20) -> None:
        """Wait until the query gives something."""
        end = time.monotonic() + seconds
        while not self.one(query):
            assert time.monotonic() < end, f"waited in vain: {query}"
            time.sleep(0.01)

    def client(self, name: str = "acme") -> Client:
        client = Client(name, vendors.give_login(self.engine, name))
        self.clients.append(client)
        return client

    def lapse(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Let the deadline of these leased tasks pass."""
        self.run(
            "UPDATE labelrounds.tasks SET expires_at = clock_timestamp() - interval '1 second' "
            "WHERE state = 'leased' AND assignment_id = ANY (CAST(:ids AS uuid[]))",
            ids=[str(task["assignment_id"]) for task in tasks],
        )

    def let_due(self, round_: Round) -> None:
        """Let the round's due time pass."""
        self.run(
            "UPDATE labelrounds.rounds SET due_at = clock_timestamp() - interval '1 second' WHERE round_id = :id",
            id=round_.round_id,
        )

    def states(self, table: str, round_: Round) -> dict[str, int]:
        rows = self.run(
            f"SELECT state::text, count(*) FROM labelrounds.{table} WHERE round_id = :id GROUP BY 1",
            id=round_.round_id,
        )
        return dict(map(tuple, rows))

    def check(self) -> None:
        """Fail when a rule of the queue is broken."""
        broken = {rule: rows[:5] for rule, query in INVARIANTS.items() if (rows := self.run(query))}
        assert broken == {}

    def close(self) -> None:
        for client in self.clients:
            client.connection.close()
        self.engine.dispose()


@pytest.fixture(scope="session")
def migrated(data_stack: StackState) -> Iterator[str]:
    """The name of a migrated database to copy, which is faster than to migrate."""
    server, _, _ = data_stack.settings["database_url"].rpartition("/")
    name = f"template_{uuid.uuid4().hex[:12]}"
    admin = connect(f"{server}/postgres")
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        migrate(engine := connect(f"{server}/{name}"))
        engine.dispose()
        yield name
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def database_url(request: pytest.FixtureRequest, data_stack: StackState) -> Iterator[str]:
    """The address of a fresh database, migrated for those who have a desk in it.

    What a database grants is not copied: modules that look at grants say MIGRATED_HERE, and begin with an empty one.
    """
    server, _, _ = data_stack.settings["database_url"].rpartition("/")
    name = f"test_{uuid.uuid4().hex[:12]}"
    copied = "desk" in request.fixturenames and not getattr(request.module, "MIGRATED_HERE", False)
    template = f"TEMPLATE {request.getfixturevalue('migrated')}" if copied else ""
    admin = connect(f"{server}/postgres")
    with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} {template}")
        # A test that waits for a lock in vain fails, and does not hang.
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET lock_timeout = '30s'")
        yield f"{server}/{name}"
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """A fresh, migrated database; whatever a test did, the invariants hold at its end."""
    engine = connect(database_url)
    migrate(engine)
    desk = Desk(engine)
    yield desk
    desk.check()
    desk.close()


@pytest.fixture
def other_desk(database_url: str) -> Iterator[Desk]:
    """The same database over other connections, as another process has it."""
    desk = Desk(connect(database_url))
    yield desk
    desk.close()
