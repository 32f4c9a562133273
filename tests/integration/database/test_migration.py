"""A database that an older version made and used moves on with all that is in it; one of a newer version is refused."""

import json
import uuid

import psycopg2
import psycopg2.extras
import pytest
from sqlalchemy.engine import make_url

from infra.database import campaigns, labels, operations, queue, rounds, vendors
from infra.database.batches import Limits
from infra.database.campaigns import Offer
from infra.database.engine import MIGRATIONS, migrate
from tasks.errors import SettingsError

# What the older versions' statements wrote, as they wrote it.
ROUND = """
INSERT INTO labelrounds.campaigns (name, spec, spec_digest) VALUES (:name, CAST(:spec AS jsonb), 'd');
INSERT INTO labelrounds.campaign_vendors (campaign_id, vendor_id, price_micro, lease)
SELECT c.campaign_id, v.vendor_id, 10, interval '1 hour' FROM labelrounds.campaigns c, labelrounds.vendors v
WHERE c.name = :name;
INSERT INTO labelrounds.rounds (campaign_id, number, spec, spec_digest)
SELECT campaign_id, 1, spec, 'd' FROM labelrounds.campaigns WHERE name = :name;
UPDATE labelrounds.rounds r SET state = 'trained' FROM labelrounds.campaigns c
WHERE c.campaign_id = r.campaign_id AND c.name = :name;
UPDATE labelrounds.rounds r SET state = 'scored' FROM labelrounds.campaigns c
WHERE c.campaign_id = r.campaign_id AND c.name = :name;
UPDATE labelrounds.rounds r
SET state = 'published', published_at = clock_timestamp(), due_at = clock_timestamp() + interval '1 day'
FROM labelrounds.campaigns c WHERE c.campaign_id = r.campaign_id AND c.name = :name;
INSERT INTO labelrounds.batch_items (round_id, campaign_id, item_id, kind, payload, rank, reason, n_need)
SELECT r.round_id, r.campaign_id, 'i' || n, CASE n WHEN 1 THEN 'audit'::labelrounds.item_kind ELSE 'work' END,
       jsonb_build_object('text', 'i' || n), n, '{}', 2
FROM labelrounds.rounds r JOIN labelrounds.campaigns c USING (campaign_id), generate_series(1, 6) n
WHERE c.name = :name;
INSERT INTO labelrounds.tasks (batch_item_id, task_no, round_id, campaign_id, pick_key, price_micro)
SELECT i.batch_item_id, n, i.round_id, i.campaign_id, (n::bigint << 48) + i.rank, 10
FROM labelrounds.batch_items i JOIN labelrounds.campaigns c USING (campaign_id), generate_series(1, 2) n
WHERE c.name = :name;
INSERT INTO labelrounds.ledger (campaign_id, round_id, task_id, kind, amount_micro)
SELECT t.campaign_id, t.round_id, t.task_id, 'reserve', t.price_micro
FROM labelrounds.tasks t JOIN labelrounds.campaigns c USING (campaign_id) WHERE c.name = :name;
INSERT INTO labelrounds.labels (campaign_id, item_id, version, kind, label, confidence, n_answers, method)
SELECT campaign_id, 'seeded', 1, 'seed', 'ham', 1, 0, 'seed file' FROM labelrounds.campaigns WHERE name = :name
"""


def upgrade(engine, version):
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS labelrounds")
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def downgrade(engine, version):
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, version)


def counts(desk):
    """Rows by table, of the tables that the oldest version has."""
    tables = ("annotations", "assignments", "batch_items", "campaign_vendors", "campaigns", "events", "labels",
              "leases", "ledger", "rejects", "rounds", "seen", "submissions", "tasks", "vendors")  # fmt: skip
    return {table: desk.one(f"SELECT count(*) FROM labelrounds.{table}") for table in tables}


def old_login(desk, name):
    """A vendor with a login of its own, as the older versions made it."""
    role = f"lr_vendor_{uuid.uuid4().hex[:12]}"
    desk.run(
        f"INSERT INTO labelrounds.vendors (name, db_role) VALUES ('{name}', '{role}'); "
        f"CREATE ROLE {role} LOGIN PASSWORD 'x' IN ROLE labelrounds_vendor"
    )
    url = make_url(desk.engine.url).set(drivername="postgresql", username=role, password="x")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    connection.autocommit = True
    return connection


def old_call(connection, function, *arguments):
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute(f"SELECT * FROM vendor.{function}(%s, %s)", arguments)
        return [dict(row) for row in cursor.fetchall()]


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_a_used_database_moves_on_with_all_that_is_in_it(other_desk, version):
    """Leases that are out are answered as if nothing had happened; labels, money and events are what they were."""
    desk = other_desk
    upgrade(desk.engine, version)
    acme, bolt = old_login(desk, "acme"), old_login(desk, "bolt")
    for name in ("spam", "eggs"):
        spec = {"name": name, "classes": ["ham", "spam"]} | (
            {"task": "classification"} if name == "spam" else {}
        )
        for statement in ROUND.split(";\n"):
            desk.run(
                statement, **{"name": name} | ({"spec": json.dumps(spec)} if ":spec" in statement else {})
            )
    # Of each campaign: answered, skipped, leased, lapsed, rejected; each request once more.
    request, answers = str(uuid.uuid4()), str(uuid.uuid4())
    held = old_call(acme, "lease", request, 8)
    rows = [
        {"assignment_id": held[0]["assignment_id"], "label": "ham", "annotator": "jo"},
        {"assignment_id": held[1]["assignment_id"], "answer": "skip"},
        {"assignment_id": held[2]["assignment_id"], "label": "nonsense"},
    ]
    told = old_call(acme, "submit", answers, json.dumps(rows))[0]["submit"]
    assert [row["status"] for row in told] == ["accepted", "accepted", "rejected"]
    lapsed = old_call(bolt, "lease", str(uuid.uuid4()), 2)
    desk.run("UPDATE labelrounds.tasks SET expires_at = clock_timestamp() - interval '1 s' WHERE state = 'leased' "
             "AND vendor_id = (SELECT vendor_id FROM labelrounds.vendors WHERE name = 'bolt')")  # fmt: skip
    before = counts(desk)
    assert all(before.values()), before
    money = desk.run("SELECT * FROM labelrounds.balances ORDER BY 1")

    migrate(desk.engine)
    migrate(desk.engine)
    assert counts(desk) == before
    assert desk.run("SELECT * FROM labelrounds.balances ORDER BY 1") == money

    # The same logins, over the same connections, go on.
    def call(connection, function, *arguments):
        with connection.cursor() as cursor:
            places = ", ".join(["%s"] * len(arguments))
            cursor.execute(f"SELECT vendor.{function}({places})", arguments)
            return cursor.fetchone()[0]

    def judged(connection, tasks, label="ham"):
        body = json.dumps([{"assignment_id": task["assignment_id"], "label": label} for task in tasks])
        return [
            row["code"] or row["result"]
            for row in call(connection, "submit", str(uuid.uuid4()), body)["rows"]
        ]

    again = call(acme, "lease", request, 8)
    assert {task["assignment_id"] for task in again["tasks"]} == {task["assignment_id"] for task in held}
    assert {task["assignment_id"]: task["payload"] for task in again["tasks"]} == {
        task["assignment_id"]: task["payload"] for task in held
    }
    assert {task["schema"]["version"] for task in again["tasks"]} == {1}
    assert {task["task"] for task in again["tasks"]} == {"classification"}
    assert call(acme, "submit", answers, json.dumps(rows)) == told
    assert judged(acme, held[:1]) == ["duplicate"]
    assert judged(acme, held[2:4]) == ["accepted", "accepted"]
    assert judged(bolt, lapsed[:1]) == ["late_accepted"]
    assert queue.expire(desk.engine) == {"ready": 1, "dead": 0}
    assert call(acme, "leases")["leases"][0]["assignments"] == sorted(
        task["assignment_id"] for task in held[4:]
    )
    corrected = call(acme, "correct", str(uuid.uuid4()), json.dumps(
        [{"client_annotation_id": held[0]["assignment_id"], "base_revision": 1, "label": "spam"}]))  # fmt: skip
    assert corrected["corrected"] == 1
    (reject,) = call(acme, "rejects")["rejects"]
    assert reject["raw"] == rows[2]
    assert call(acme, "label_schema", "eggs", 1)["classes"] == ["ham", "spam"]

    for name in ("spam", "eggs"):
        campaign = campaigns.find(desk.engine, name)
        assert operations.show(desk.engine, campaign.campaign_id)[0]
        assert [one.item_id for one in labels.current_labels(desk.engine, campaign.campaign_id)] == ["seeded"]
        (round_id,) = desk.run("SELECT round_id FROM labelrounds.rounds WHERE campaign_id = :id",
                               id=campaign.campaign_id)[0]  # fmt: skip
        round_ = rounds.find(desk.engine, round_id)
        desk.let_due(round_)
        assert queue.withdraw_overdue(desk.engine, round_, 1.0)
        rounds.store(desk.engine, round_, "closed")
        offers = [Offer("acme", 10, 60), Offer("bolt", 10, 60)]
        campaign = campaigns.register(
            desk.engine, name, campaign.spec | {"task": "classification"}, "d2", offers
        )
        desk.publish(campaign, ["new"], limits=Limits(10**6, None))
    left = {task["payload"]["text"] for task in call(bolt, "lease", str(uuid.uuid4()), 10)["tasks"]}
    assert left == {"new"}
    acme.close()
    bolt.close()
    assert vendors.find_vendor(desk.engine, "acme").state == "active"
    role = desk.one("SELECT db_role FROM labelrounds.vendors WHERE name = 'acme'")
    url = vendors.give_login(desk.engine, "acme")
    assert make_url(url).username == role


def test_what_was_leased_before_prices_had_currencies_is_paid_as_it_was(other_desk):
    """What is offered has terms at the rate 1; what is out keeps its price, and nothing is paid twice."""
    desk = other_desk
    upgrade(desk.engine, "0004")
    acme = old_login(desk, "acme")
    spec = {"name": "spam", "classes": ["ham", "spam"], "budget": {"labels": 9, "currency": "EUR"}}
    for statement in ROUND.split(";\n"):
        desk.run(statement, **{"name": "spam"} | ({"spec": json.dumps(spec)} if ":spec" in statement else {}))
    desk.run("INSERT INTO labelrounds.label_schemas (campaign_id, version, task, classes) "
             "VALUES (1, 1, 'classification', '[\"ham\", \"spam\"]')")  # fmt: skip
    desk.run("UPDATE labelrounds.rounds SET schema_version = 1")

    def call(function, *arguments):
        with acme.cursor() as cursor:
            cursor.execute(f"SELECT vendor.{function}({', '.join(['%s'] * len(arguments))})", arguments)
            return cursor.fetchone()[0]

    def answer(tasks):
        rows = [{"assignment_id": task["assignment_id"], "label": "ham"} for task in tasks]
        return [row["result"] for row in call("submit", str(uuid.uuid4()), json.dumps(rows))["rows"]]

    held = call("lease", str(uuid.uuid4()), 4)["tasks"]
    assert answer(held[:1]) == ["accepted"]
    before, money = counts(desk), desk.run("SELECT * FROM labelrounds.balances")
    migrate(desk.engine)
    assert counts(desk) == before
    assert desk.run("SELECT * FROM labelrounds.balances") == money
    assert desk.run("SELECT own_micro, currency, rate, price_micro FROM labelrounds.terms") == [
        (10, "EUR", 1, 10)
    ]
    assert desk.one("SELECT count(terms_id) FROM labelrounds.assignments") == 0
    assert campaigns.find(desk.engine, "spam").resume_until is None
    assert answer(held[:3]) == ["duplicate", "accepted", "accepted"]
    assert answer(call("lease", str(uuid.uuid4()), 2)["tasks"]) == ["accepted"] * 2
    assert desk.one("SELECT count(terms_id) FROM labelrounds.assignments") == 2
    assert call("report")["earnings"] == {"EUR": 5e-05}
    assert campaigns.find(desk.engine, "spam").spent_micro == 50
    acme.close()


def test_a_failed_migration_leaves_the_old_version(other_desk):
    """Something stands in the way of the last statement: nothing is half done, and taking it away is enough."""
    desk = other_desk
    upgrade(desk.engine, "0002")
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE labelrounds_owner")
        connection.exec_driver_sql("CREATE FUNCTION vendor.report(since timestamptz, until timestamptz) RETURNS int "
                                   "LANGUAGE sql AS 'SELECT 1'")  # fmt: skip
    before = desk.run(
        "SELECT oid, relname FROM pg_class WHERE relnamespace = 'labelrounds'::regnamespace ORDER BY 1"
    )
    with pytest.raises(SettingsError, match="cannot be migrated"):
        migrate(desk.engine)
    assert desk.one("SELECT version_num FROM labelrounds.schema_version") == "0002"
    after = desk.run(
        "SELECT oid, relname FROM pg_class WHERE relnamespace = 'labelrounds'::regnamespace ORDER BY 1"
    )
    assert before == after
    desk.run("DROP FUNCTION vendor.report(timestamptz, timestamptz)")
    migrate(desk.engine)


def test_there_is_no_way_back(desk):
    """A downgrade would throw away what vendors sent: alembic is refused, cleanly."""
    newest = desk.one("SELECT version_num FROM labelrounds.schema_version")
    before = desk.run("SELECT oid FROM pg_class WHERE relnamespace = 'labelrounds'::regnamespace ORDER BY 1")
    for target in ("0002", "base"):
        with pytest.raises(AttributeError, match="downgrade"):
            downgrade(desk.engine, target)
    assert desk.one("SELECT version_num FROM labelrounds.schema_version") == newest
    assert before == desk.run(
        "SELECT oid FROM pg_class WHERE relnamespace = 'labelrounds'::regnamespace ORDER BY 1"
    )


def test_a_schema_of_a_newer_version_is_left_alone(desk):
    desk.run("UPDATE labelrounds.schema_version SET version_num = '9999'")
    with pytest.raises(SettingsError, match="9999"):
        migrate(desk.engine)
