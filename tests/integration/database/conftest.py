"""A migrated database, campaigns in it, vendors with logins of their own, and the invariants of the queue."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg2
import psycopg2.extras
import pytest
import sqlalchemy as sa

from infra.database import batches, campaigns, queue, rounds
from infra.database.batches import Limits, Pick
from infra.database.campaigns import CampaignRow, Offer
from infra.database.engine import connect, migrate
from infra.database.rounds import Round
from tasks.campaign import parse_campaign

CLASSES = ("ham", "spam")
UNLIMITED = Limits(10**9, None)

# Each finds what breaks one rule of the queue; none may ever give a row.
INVARIANTS = {
    "a task goes from state to state without a gap, so it never has two live assignments": """
        SELECT object_id, from_state, expected FROM (
            SELECT object_id, from_state,
                   lag(to_state, 1, 'ready') OVER (PARTITION BY object_id ORDER BY seq) AS expected
            FROM labelrounds.events WHERE kind = 'task') e
        WHERE from_state IS DISTINCT FROM expected""",
    "every assignment is one event of leasing": """
        SELECT t.task_id, t.attempts, a.n, e.n FROM labelrounds.tasks t
        LEFT JOIN (SELECT task_id, count(*) AS n, max(epoch) AS last FROM labelrounds.assignments GROUP BY 1) a
               USING (task_id)
        LEFT JOIN (SELECT object_id, count(*) AS n FROM labelrounds.events
                   WHERE kind = 'task' AND to_state = 'leased' GROUP BY 1) e ON e.object_id = t.task_id
        WHERE t.attempts <> coalesce(a.n, 0) OR t.attempts <> coalesce(e.n, 0) OR t.attempts <> coalesce(a.last, 0)""",
    "the events end where the rows are": """
        SELECT x.kind, x.id, x.state, e.to_state FROM (
            SELECT 'task' AS kind, task_id AS id, state::text FROM labelrounds.tasks UNION ALL
            SELECT 'item', batch_item_id, state::text FROM labelrounds.batch_items UNION ALL
            SELECT 'round', round_id, state::text FROM labelrounds.rounds) x
        LEFT JOIN (SELECT DISTINCT ON (kind, object_id) kind, object_id, to_state FROM labelrounds.events
                   ORDER BY kind, object_id, seq DESC) e ON e.kind = x.kind AND e.object_id = x.id
        WHERE x.state <> coalesce(e.to_state, CASE x.kind WHEN 'task' THEN 'ready' WHEN 'item' THEN 'open' END)""",
    "a filled task has one counted answer, that of the assignment it names": """
        SELECT t.task_id, t.state, n FROM labelrounds.tasks t
        LEFT JOIN (SELECT task_id, count(*) AS n, min(assignment_id::text) AS by, min(vendor_id) AS vendor
                   FROM labelrounds.annotations WHERE disposition <> 'surplus' GROUP BY 1) a USING (task_id)
        WHERE (t.state = 'filled') <> (coalesce(n, 0) = 1)
           OR (t.state = 'filled' AND (a.by <> t.assignment_id::text OR a.vendor <> t.vendor_id))""",
    "no vendor counts twice on an item": """
        SELECT batch_item_id, vendor_id FROM labelrounds.annotations WHERE disposition <> 'surplus'
        GROUP BY 1, 2 HAVING count(*) > 1""",
    "an answer is its assignment's vendor's": """
        SELECT annotation_id FROM labelrounds.annotations n JOIN labelrounds.assignments a USING (assignment_id)
        WHERE n.vendor_id <> a.vendor_id OR n.task_id <> a.task_id OR n.batch_item_id <> a.batch_item_id""",
    "an item's count and state follow from its tasks": """
        SELECT i.batch_item_id, i.state, i.n_filled, t.* FROM labelrounds.batch_items i
        JOIN (SELECT batch_item_id, count(*) AS n, count(*) FILTER (WHERE state = 'filled') AS filled,
                     count(*) FILTER (WHERE state IN ('ready', 'leased', 'dead')) AS live
              FROM labelrounds.tasks GROUP BY 1) t USING (batch_item_id)
        WHERE i.n_filled <> t.filled OR i.n_need <> t.n
           OR CASE i.state WHEN 'open' THEN t.live = 0
                           WHEN 'complete' THEN t.live > 0 OR t.filled = 0
                           ELSE t.live > 0 OR t.filled > 0 END""",
    "seen holds whoever holds or has answered": """
        SELECT t.batch_item_id, t.vendor_id FROM labelrounds.tasks t
        WHERE t.state IN ('leased', 'filled') AND NOT EXISTS (
            SELECT 1 FROM labelrounds.seen s WHERE s.batch_item_id = t.batch_item_id AND s.vendor_id = t.vendor_id)
        UNION ALL
        SELECT s.batch_item_id, s.vendor_id FROM labelrounds.seen s WHERE NOT EXISTS (
            SELECT 1 FROM labelrounds.tasks t WHERE t.batch_item_id = s.batch_item_id AND t.vendor_id = s.vendor_id
              AND t.state IN ('leased', 'filled', 'cancelled'))""",
    "each task's money is reserved once, and then held, owed or given back": """
        SELECT t.task_id, t.state, l.* FROM labelrounds.tasks t
        LEFT JOIN (SELECT task_id,
                          sum(amount_micro) FILTER (WHERE kind = 'reserve') AS reserve,
                          coalesce(sum(amount_micro) FILTER (WHERE kind = 'settle'), 0) AS settle,
                          coalesce(sum(amount_micro) FILTER (WHERE kind = 'release'), 0) AS release
                   FROM labelrounds.ledger GROUP BY 1) l USING (task_id)
        LEFT JOIN labelrounds.assignments a ON a.assignment_id = t.assignment_id AND t.state = 'filled'
        WHERE l.reserve IS DISTINCT FROM t.price_micro
           OR l.settle <> coalesce(a.price_micro, 0)
           OR l.settle + l.release <> CASE WHEN t.state IN ('filled', 'cancelled') THEN t.price_micro ELSE 0 END""",
    "owed is owed to whoever answered": """
        SELECT entry_id FROM labelrounds.ledger l LEFT JOIN labelrounds.annotations a
          ON a.task_id = l.task_id AND a.vendor_id = l.vendor_id AND a.disposition <> 'surplus'
        WHERE l.kind = 'settle' AND a.annotation_id IS NULL""",
    "no balance is negative": """
        SELECT * FROM labelrounds.balances WHERE held_micro < 0 OR spent_micro < 0""",
    "no vendor holds more than it may": """
        SELECT v.name, count(*) FROM labelrounds.tasks t JOIN labelrounds.vendors v USING (vendor_id)
        WHERE t.state = 'leased' GROUP BY v.vendor_id HAVING count(*) > v.max_open""",
    "no task is leased more often than is allowed": f"""
        SELECT task_id FROM labelrounds.tasks WHERE attempts > {queue.MAX_ATTEMPTS}""",
    "what vendors were told is what is stored": """
        SELECT coalesce(s.vendor_id, k.vendor_id) FROM (
            SELECT s.vendor_id,
                   count(*) FILTER (WHERE r ->> 'status' IN ('accepted', 'late_accepted', 'surplus')) AS kept,
                   count(*) FILTER (WHERE r ->> 'status' = 'rejected') AS refused
            FROM labelrounds.submissions s, jsonb_array_elements(s.response) r GROUP BY 1) s
        FULL JOIN (
            SELECT v.vendor_id,
                   (SELECT count(*) FROM labelrounds.annotations a WHERE a.vendor_id = v.vendor_id) AS kept,
                   (SELECT count(*) FROM labelrounds.rejects r WHERE r.vendor_id = v.vendor_id) AS refused
            FROM labelrounds.vendors v) k USING (vendor_id)
        WHERE coalesce(s.kept, 0) <> k.kept OR coalesce(s.refused, 0) <> k.refused""",
}  # fmt: skip


class Client:
    """A vendor's side: one connection under its own login."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True

    def lease(self, tasks: int = 100, request: str | None = None) -> list[dict[str, Any]]:
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute("SELECT * FROM vendor.lease(%s, %s)", (request or str(uuid.uuid4()), tasks))
            return [dict(row) for row in cursor.fetchall()]

    def submit(self, rows: Sequence[Any], request: str | None = None) -> list[dict[str, Any]]:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT vendor.submit(%s, %s)", (request or str(uuid.uuid4()), json.dumps(rows)))
            return cursor.fetchone()[0]

    def answer(self, tasks: Sequence[Mapping[str, Any]], label: str = "ham") -> list[str]:
        """Hand in the same label for all; give what became of each."""
        rows = [{"assignment_id": task["assignment_id"], "label": label} for task in tasks]
        return [row["code"] or row["status"] for row in self.submit(rows)]


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
        overlap: int = 1, more: str = "",
    ) -> CampaignRow:  # fmt: skip
        """Register a campaign that pays each vendor its price in micro units."""
        vendors = vendors or {"acme": 10}
        text = f"name: {name}\nclasses: [ham, spam]\noverlap: {overlap}\n{more}"
        text += "pool: {uri: s3://pool/spam/, payload: [text]}\nbudget: {labels: 900}\nbatch: {size: 100}\nvendors:\n"
        text += "".join(f"  - {{name: {vendor}, price: 0.1}}\n" for vendor in vendors)
        campaign = parse_campaign(text, name)
        offers = [Offer(vendor, price, lease_seconds) for vendor, price in vendors.items()]
        return campaigns.register(self.engine, name, json.loads(campaign.to_json()), campaign.digest, offers)

    def scored(self, campaign: CampaignRow) -> Round:
        """Open a round and bring it to the state before publishing."""
        round_ = rounds.open_round(self.engine, campaign.campaign_id, campaign.spec, "digest", None)
        round_ = rounds.store(self.engine, round_, "trained")
        return rounds.store(self.engine, round_, "scored")

    def picks(self, ids: Sequence[str]) -> list[Pick]:
        return [
            Pick(one, "work", json.dumps({"text": one}), rank, 0.5, "{}", None, self.rng.getrandbits(48))
            for rank, one in enumerate(ids, 1)
        ]

    def publish(
        self, campaign: CampaignRow, ids: Sequence[str] | int, *, overlap: int = 1, price: int = 10,
        due_seconds: int = 3600, limits: Limits = UNLIMITED,
    ) -> Round:  # fmt: skip
        """Publish the campaign's next round with these items."""
        ids = [f"item-{n:05}" for n in range(ids)] if isinstance(ids, int) else ids
        round_ = self.scored(campaign)
        assert batches.publish(
            self.engine, round_, self.picks(ids), overlap=overlap, price_micro=price,
            due_seconds=due_seconds, limits=limits,
        )  # fmt: skip
        return rounds.find(self.engine, round_.round_id)

    def client(self, name: str = "acme") -> Client:
        client = Client(name, queue.give_login(self.engine, name))
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


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """A fresh, migrated database; whatever a test did, the invariants hold at its end."""
    engine = connect(database_url)
    migrate(engine)
    with engine.begin() as connection:  # a test that waits for a lock in vain fails, and does not hang
        connection.exec_driver_sql(f"ALTER DATABASE {engine.url.database} SET lock_timeout = '30s'")
    engine.dispose()
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
