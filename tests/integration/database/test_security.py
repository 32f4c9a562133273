"""What a vendor's login can do: call two functions for itself, and nothing else."""

import uuid

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from infra.database import queue


@pytest.fixture
def vendors(desk):
    desk.publish(desk.campaign(vendors={"acme": 10, "bolt": 10}), 4)
    return desk.client("acme"), desk.client("bolt")


def attempt(client, statement):
    with client.connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS name, n.nspname, p.prosecdef, p.proconfig, p.prosrc, r.rolname, r.rolsuper,
           r.rolcanlogin, r.rolbypassrls,
           EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                   WHERE a.grantee = 0) AS for_all
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
    WHERE n.nspname IN ('vendor', 'labelrounds')"""


def test_the_functions_are_closed(desk):
    functions = desk.run(FUNCTIONS)
    assert {f.name for f in functions if f.nspname == "vendor"} == {
        "vendor.lease(uuid,integer)", "vendor.submit(uuid,jsonb)",
    }  # fmt: skip
    for f in functions:
        assert f.prosecdef or f.nspname == "labelrounds", f.name
        assert "search_path=pg_catalog, pg_temp" in f.proconfig, f.name
        assert (f.rolname, f.rolsuper, f.rolcanlogin, f.rolbypassrls) == (
            "labelrounds_owner",
            False,
            False,
            False,
        )
        assert not f.for_all, f.name
        if f.prosecdef:
            assert "EXECUTE " not in f.prosrc, f.name
            assert "TEMP" not in f.prosrc.upper().replace("ATTEMPT", ""), f.name


def test_the_tables_are_closed(desk, vendors):
    role = make_url(vendors[0].url).username
    for name in (role, "labelrounds_vendor"):
        granted = desk.run(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'labelrounds'::regnamespace "
            "AND ((c.relkind IN ('r', 'v') AND (has_table_privilege(:r, c.oid, "
            "      'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') "
            "      OR has_any_column_privilege(:r, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))) "
            " OR (c.relkind = 'S' AND has_sequence_privilege(:r, c.oid, 'USAGE, SELECT, UPDATE')))",
            r=name,
        )
        assert granted == []
        assert not desk.one("SELECT has_schema_privilege(:r, 'labelrounds', 'USAGE, CREATE')", r=name)
        assert not desk.one("SELECT has_schema_privilege(:r, 'vendor', 'CREATE')", r=name)
        assert not desk.one("SELECT has_schema_privilege(:r, 'public', 'CREATE')", r=name)
        assert not desk.one(
            "SELECT has_database_privilege(:r, current_database(), 'TEMPORARY, CREATE')", r=name
        )
        assert not desk.one("SELECT pg_has_role(:r, 'labelrounds_owner', 'MEMBER')", r=name)
    (flags,) = desk.run(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolconnlimit FROM pg_roles "
        "WHERE rolname = :r", r=role,
    )  # fmt: skip
    assert flags == (False, False, False, False, False, 8)


def test_a_function_of_a_later_migration_is_closed_too(desk, vendors):
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL ROLE labelrounds_owner")
        connection.exec_driver_sql("CREATE FUNCTION vendor.later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    with pytest.raises(errors.InsufficientPrivilege):
        attempt(vendors[0], "SELECT vendor.later()")


REFUSED = (
    "SELECT * FROM labelrounds.tasks",
    "SELECT * FROM labelrounds.balances",
    "SELECT * FROM labelrounds.schema_version",
    "INSERT INTO labelrounds.vendors (name) VALUES ('x')",
    "SELECT nextval('labelrounds.events_seq_seq')",
    "SELECT labelrounds.calling_vendor()",
    "SELECT labelrounds.take_answer(1, gen_random_uuid(), '{}')",
    "SELECT labelrounds.claim(1, gen_random_uuid(), NULL, 5)",
    "CREATE TEMP TABLE t (a int)",
    "CREATE TABLE public.t (a int)",
    "CREATE TABLE vendor.t (a int)",
    "CREATE SCHEMA mine",
    "SET ROLE labelrounds_owner",
    "SET SESSION AUTHORIZATION postgres",
    "ALTER FUNCTION vendor.lease(uuid, int) OWNER TO CURRENT_USER",
    "SELECT lo_create(0)",
    "SELECT pg_advisory_lock(hashtextextended('labelrounds:spam', 0))",
    "SELECT pg_try_advisory_xact_lock(1)",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "SELECT pg_read_file('pg_hba.conf')",
)


def test_a_vendor_is_refused(vendors):
    for statement in REFUSED:
        with pytest.raises(errors.InsufficientPrivilege):
            attempt(vendors[0], statement)


def test_a_vendor_cannot_hide_the_names_that_the_functions_use(desk, vendors):
    """search_path is pinned, so a setting of the caller changes nothing."""
    attempt(vendors[0], "SELECT set_config('search_path', 'public, labelrounds', false)")
    assert len(vendors[0].lease(1)) == 1


def test_another_vendors_assignment_is_as_good_as_none(desk, vendors):
    acme, bolt = vendors
    (task,) = acme.lease(1)
    answers = [
        bolt.submit([{"assignment_id": one, "label": "ham"}])[0]
        for one in (task["assignment_id"], str(uuid.uuid4()))
    ]
    assert answers[0] == answers[1] == {"row": 0, "status": "rejected", "code": "UNKNOWN_ASSIGNMENT"}
    assert acme.answer([task]) == ["accepted"]


def test_another_vendors_request_is_as_good_as_none(desk, vendors):
    acme, bolt = vendors
    request = str(uuid.uuid4())
    first = acme.lease(2, request)
    second = bolt.lease(2, request)
    assert not {t["assignment_id"] for t in first} & {t["assignment_id"] for t in second}


@pytest.mark.parametrize("state", ["suspended", "closed"])
def test_a_vendor_that_is_not_active_is_refused(desk, vendors, state):
    acme, bolt = vendors
    tasks = acme.lease(1)
    desk.run(
        "UPDATE labelrounds.vendors SET state = CAST(:state AS labelrounds.vendor_state) WHERE name = 'acme'",
        state=state,
    )
    for call in (lambda: acme.lease(1), lambda: acme.answer(tasks)):
        with pytest.raises(errors.InsufficientPrivilege, match="no active vendor"):
            call()
    assert len(bolt.lease(1)) == 1


def test_the_operators_own_login_is_no_vendor(desk):
    with pytest.raises(ProgrammingError, match="no active vendor"):
        desk.run("SELECT * FROM vendor.lease(gen_random_uuid())")


def test_a_new_password_ends_the_old_one(desk, vendors):
    old = vendors[0]
    new = queue.give_login(desk.engine, "acme")
    assert make_url(new).username == make_url(old.url).username
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(old.url)
    psycopg2.connect(new).close()


def test_a_login_that_is_gone_is_made_again(desk, vendors):
    """As after restoring the database on another server."""
    role = make_url(vendors[0].url).username
    vendors[0].connection.close()
    desk.run(f"DROP ROLE {role}")
    psycopg2.connect(queue.give_login(desk.engine, "acme")).close()


def test_the_server_never_sees_a_password(desk):
    """What it is sent, and may write to its log, is the verifier."""
    sent = []
    event.listen(desk.engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    password = make_url(queue.give_login(desk.engine, "acme")).password
    assert any("SCRAM-SHA-256$" in statement for statement in sent)
    assert not any(password in statement for statement in sent)


def test_a_forgotten_transaction_is_ended(vendors):
    ((limit,),) = attempt(vendors[0], "SHOW idle_in_transaction_session_timeout")
    assert limit == "1min"
