"""Migrations, statements, state tables."""

import subprocess
import sys
from itertools import permutations
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from infra.database import vendors
from infra.database.engine import MIGRATIONS, connect, migrate
from infra.database.statements import SQL, statements
from tasks.errors import ServiceUnavailable, SettingsError

MIGRATED_HERE = True
ROOT = Path(__file__).parents[3]
NEWEST = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))
MIGRATE = "import sys; from infra.database.engine import connect, migrate; migrate(connect(sys.argv[1]))"


def in_processes(urls):
    """Migrate from as many processes at once; give what they said."""
    processes = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, url], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for url in urls
    ]
    return [(process.communicate()[1], process.returncode) for process in processes]


@pytest.fixture
def second_url(database_url, data_stack):
    """Another empty database of the same server."""
    url = f"{database_url}_b"
    admin = sa.create_engine(data_stack.settings["database_url"], isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {make_url(url).database}")
    yield url
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")
    admin.dispose()


def test_migrating_twice_changes_nothing(desk):
    before = desk.run(
        "SELECT xmin::text, oid FROM pg_class WHERE relnamespace = 'labelrounds'::regnamespace ORDER BY 2"
    )
    migrate(desk.engine)
    after = desk.run(
        "SELECT xmin::text, oid FROM pg_class WHERE relnamespace = 'labelrounds'::regnamespace ORDER BY 2"
    )
    assert before == after
    assert desk.one("SELECT version_num FROM labelrounds.schema_version") == NEWEST


def test_processes_that_migrate_at_once(database_url, second_url):
    assert in_processes([database_url, database_url, second_url, second_url]) == [("", 0)] * 4
    for url in (database_url, second_url):
        engine = connect(url)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM labelrounds.rounds").scalar_one() == 0
        engine.dispose()


def test_a_vendor_of_one_database_is_none_in_the_other(desk, second_url):
    desk.publish(desk.campaign(), 1)
    migrate(other := connect(second_url))
    client = desk.client()
    assert len(client.lease()) == 1
    elsewhere = make_url(client.url).set(database=make_url(second_url).database)
    with (
        psycopg2.connect(elsewhere.render_as_string(hide_password=False)) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege, match="no active vendor"),
    ):
        cursor.execute("SELECT * FROM vendor.lease(gen_random_uuid())")
    connection.close()
    own = vendors.give_login(other, "acme")
    assert make_url(own).username != make_url(client.url).username
    psycopg2.connect(own).close()
    psycopg2.connect(client.url).close()
    other.dispose()


def plain_login(data_stack, url, attributes):
    """A login that is no superuser, and owns the database."""
    name = make_url(url).database
    admin = sa.create_engine(data_stack.settings["database_url"], isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE owner_{name} LOGIN {attributes} PASSWORD 'x'")
        connection.exec_driver_sql(f"ALTER DATABASE {name} OWNER TO owner_{name}")
        if connection.exec_driver_sql("SELECT to_regrole('labelrounds_owner')").scalar_one():
            connection.exec_driver_sql(
                f"GRANT labelrounds_owner, labelrounds_vendor TO owner_{name} WITH ADMIN OPTION"
            )
    admin.dispose()
    return make_url(url).set(username=f"owner_{name}", password="x").render_as_string(hide_password=False)


def forget_login(data_stack, url):
    name = make_url(url).database
    admin = sa.create_engine(data_stack.settings["database_url"], isolation_level="AUTOCOMMIT")
    inside = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with inside.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} OWNER TO postgres")
        for role in connection.exec_driver_sql(
            f"SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid "
            f"JOIN pg_roles g ON g.oid = m.member WHERE g.rolname = 'owner_{name}' AND r.rolname LIKE 'lr_vendor_%%'"
        ).scalars():
            connection.exec_driver_sql(f"DROP ROLE {role}")
        connection.exec_driver_sql(f"REASSIGN OWNED BY owner_{name} TO postgres")
        connection.exec_driver_sql(f"DROP OWNED BY owner_{name}")
    inside.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP ROLE owner_{name}")
    admin.dispose()


def test_a_login_that_is_no_superuser(data_stack, database_url):
    """It owns its database and has CREATEROLE: that is enough for all that we do."""
    engine = connect(plain_login(data_stack, database_url, "CREATEROLE"))
    try:
        migrate(engine)
        migrate(engine)
        url = vendors.give_login(engine, "acme")
        again = vendors.give_login(engine, "acme")
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(url)
        psycopg2.connect(again).close()
        assert [vendor["name"] for vendor in vendors.list_vendors(engine)] == ["acme"]
        with engine.connect() as connection:
            connection.exec_driver_sql("SET ROLE labelrounds_owner")
            with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
                connection.exec_driver_sql("CREATE SCHEMA more")
    finally:
        engine.dispose()
        forget_login(data_stack, database_url)


def test_a_login_without_the_right_is_told_what_is_missing(data_stack, desk, second_url):
    engine = connect(plain_login(data_stack, second_url, "NOCREATEROLE"))
    try:
        migrate(engine)
        with pytest.raises(SettingsError, match="CREATEROLE"):
            vendors.give_login(engine, "acme")
        assert vendors.list_vendors(engine) == []
    finally:
        engine.dispose()
        forget_login(data_stack, second_url)


def test_a_server_that_is_not_there():
    with pytest.raises(ServiceUnavailable, match=r"127\.0\.0\.1:1/"):
        migrate(connect("postgresql+psycopg2://x:secret@127.0.0.1:1/x"))


VALUES = {
    "campaign_id": 1, "round_id": 1, "seconds": 5.5, "overlap": 2, "price_micro": 10, "at_most": 5, "max_attempts": 3,
    "name": "spam", "spec": "{}", "digest": "d", "reason": "r", "experiment_id": "1", "run_id": "2", "key": "k",
    "lease_seconds": 60, "names": ["a"], "db_role": "x", "role": "x", "state": "opened", "new_state": "trained",
    "flow_run_id": None, "device": "cpu", "model_version": None, "method": "majority", "items": [1], "tasks": [1],
    **dict.fromkeys(("manifest", "labels", "features", "model", "measures", "shortlist", "audit", "batch"), "{}"),
    "item_ids": ["a"], "kinds": ["work"], "payloads": ["{}"], "ranks": [1], "scores": [None], "reasons": ["{}"],
    "probabilities": [0.5], "pick_keys": [2**47], "confidences": [0.5], "inputs": ["{1,2}"], "vendor_id": 1,
    "needs": [1], "priorities": [0], "exclusive": True, "everything": False, "refund": True, "kind": "task.cancelled",
}  # fmt: skip


def test_postgres_can_plan_every_statement(desk):
    for path in sorted(SQL.glob("*.sql")):
        for name, statement in statements(path.stem).items():
            # What is not named has a type by its cast or its column, and may be null.
            known = VALUES | ({"state": None} if path.stem != "rounds" else {})
            values = {key: known.get(key) for key in statement.compile().params}
            if name in ("insert_labels", "insert_seed"):
                values["labels"] = ["ham"]
            with desk.engine.begin() as connection:
                assert connection.execute(sa.text(f"EXPLAIN {statement.text}"), values).all(), name


STATES = {
    "round": ("rounds", "round_id", "round_state"),
    "item": ("batch_items", "batch_item_id", "item_state"),
    "task": ("tasks", "task_id", "task_state"),
    "vendor": ("vendors", "vendor_id", "vendor_state"),
}


@pytest.mark.parametrize("kind", STATES)
def test_only_the_moves_of_the_table_are_possible(desk, kind):
    """All pairs of states: allowed and logged, or refused."""
    desk.publish(desk.campaign(), ["a"])
    client = desk.client()
    client.lease()
    table, key, enum = STATES[kind]
    (ident,) = desk.run(f"SELECT min({key}) FROM labelrounds.{table}")[0]
    allowed = set(
        desk.run("SELECT from_state, to_state FROM labelrounds.transitions WHERE kind = :kind", kind=kind)
    )
    states = [state for (state,) in desk.run(f"SELECT unnest(enum_range(NULL::labelrounds.{enum}))::text")]
    assert {state for move in allowed for state in move} == set(states)
    # Columns that must fit the state are kept out of the way: the moves are what is tried here.
    desk.run("ALTER TABLE labelrounds.tasks DROP CONSTRAINT tasks_check, DROP CONSTRAINT tasks_check1")
    for before, after in permutations(states, 2):
        with desk.engine.connect() as connection, connection.begin() as attempt:
            connection.exec_driver_sql(f"ALTER TABLE labelrounds.{table} DISABLE TRIGGER USER")
            move = f"UPDATE labelrounds.{table} SET state = %s WHERE {key} = %s"
            connection.exec_driver_sql(move, (before, ident))
            connection.exec_driver_sql(f"ALTER TABLE labelrounds.{table} ENABLE TRIGGER USER")
            if (before, after) in allowed:
                connection.exec_driver_sql(move, (after, ident))
                event = connection.exec_driver_sql(
                    "SELECT kind, object_id, from_state, to_state FROM labelrounds.events ORDER BY seq DESC LIMIT 1"
                ).one()
                assert event == (kind, ident, before, after)
            else:
                with pytest.raises(sa.exc.IntegrityError, match=f"cannot go from {before} to {after}"):
                    connection.exec_driver_sql(move, (after, ident))
            attempt.rollback()


TABLES_THAT_GROW = (
    "leases", "assignments", "submissions", "annotations", "rejects", "labels", "ledger", "events", "label_schemas",
    "gold", "refusals", "outbox",
)  # fmt: skip


@pytest.mark.parametrize("change", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_what_happened_cannot_be_changed(desk, change):
    for table in TABLES_THAT_GROW:
        column = desk.one(
            "SELECT attname FROM pg_attribute "
            "WHERE attrelid = CAST(:t AS regclass) AND attnum > 0 AND attidentity = '' LIMIT 1",
            t=f"labelrounds.{table}",
        )
        with pytest.raises(sa.exc.IntegrityError, match="append-only"):
            desk.run(change.format(f"labelrounds.{table}", column, column))


def test_the_actor_of_an_event_is_the_login(desk):
    desk.publish(desk.campaign(), 1)
    client = desk.client()
    client.lease()
    role = make_url(client.url).username
    assert desk.run("SELECT actor, from_state, to_state FROM labelrounds.events WHERE kind = 'task'") == [
        (role, "ready", "leased")
    ]
