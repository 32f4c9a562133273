"""What a vendor's login can do: call the functions of its door for itself, and nothing else."""

import uuid

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from infra.database import vendors as vendor_store

MIGRATED_HERE = True


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
        "vendor.lease(uuid,integer,integer,text)", "vendor.extend(uuid,uuid,integer)",
        "vendor.release(uuid,uuid,uuid[],text)", "vendor.submit(uuid,jsonb)", "vendor.correct(uuid,jsonb)",
        "vendor.leases()", "vendor.payloads(uuid[])", "vendor.rejects(bigint,integer)", "vendor.events(bigint,integer)",
        "vendor.label_schema(text,integer)",
        "vendor.report(timestamp with time zone,timestamp with time zone)",
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
    "SELECT * FROM labelrounds.gold",
    "SELECT * FROM labelrounds.outbox",
    "SELECT * FROM labelrounds.current_annotations",
    "INSERT INTO labelrounds.gateway_logins VALUES (current_user)",
    "SELECT labelrounds.calling_vendor(true)",
    "SELECT labelrounds.claim(1, gen_random_uuid(), 1, 0, 5, now())",
    "SELECT labelrounds.give_back('{1}')",
    "SELECT labelrounds.vendor_figures(2, '-infinity', 'infinity')",
    "SELECT gateway.authenticate('\\x00')",
    "CREATE TEMP TABLE t (a int)",
    "CREATE TABLE public.t (a int)",
    "CREATE TABLE vendor.t (a int)",
    "CREATE SCHEMA mine",
    "SET ROLE labelrounds_owner",
    "SET SESSION AUTHORIZATION postgres",
    "ALTER FUNCTION vendor.lease(uuid, int, int, text) OWNER TO CURRENT_USER",
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
    for one in (task["assignment_id"], str(uuid.uuid4())):
        (answer,) = bolt.submit([{"assignment_id": one, "label": "ham"}])
        assert answer == {
            "row": 0, "id": one, "assignment_id": one, "result": "rejected", "code": "UNKNOWN_ASSIGNMENT",
            "field": "assignment_id", "annotation_id": None, "revision": None,
        }  # fmt: skip
    assert acme.answer([task]) == ["accepted"]


def test_another_vendors_request_is_as_good_as_none(desk, vendors):
    acme, bolt = vendors
    request = str(uuid.uuid4())
    first = acme.lease(2, request)
    second = bolt.lease(2, request)
    assert not {t["assignment_id"] for t in first} & {t["assignment_id"] for t in second}


def test_a_closed_vendor_is_refused_whatever_it_calls(desk, vendors):
    acme, bolt = vendors
    tasks = acme.lease(1)
    lease = acme.call("leases")["leases"][0]["lease_id"]
    assert vendor_store.suspend(desk.engine, "acme", "the contract is over", state="closed")
    some = str(uuid.uuid4())
    calls = [
        ("lease", some, 1), ("extend", some, lease, 5), ("release", some, lease), ("submit", some, "[{}]"),
        ("correct", some, "[{}]"), ("leases",), ("payloads", [tasks[0]["assignment_id"]]), ("rejects",), ("events",),
        ("label_schema", "spam", 1), ("report",),
    ]  # fmt: skip
    for function, *arguments in calls:
        casts = {"payloads": "::uuid[]"}.get(function, "")
        places = ", ".join(f"%s{casts}" for _ in arguments)
        with (
            acme.connection.cursor() as cursor,
            pytest.raises(errors.InsufficientPrivilege, match="no active vendor"),
        ):
            cursor.execute(f"SELECT vendor.{function}({places})", arguments)
    assert len(bolt.lease(4)) == 4


def test_a_suspended_vendor_may_not_lease_but_hand_in_and_look(desk, vendors):
    acme, _ = vendors
    tasks = acme.lease(1)
    assert vendor_store.suspend(desk.engine, "acme", "errs too often")
    with pytest.raises(errors.InsufficientPrivilege, match="no active vendor"):
        acme.lease(1)
    assert acme.answer(tasks) == ["surplus"]
    assert acme.call("leases") == {"leases": []}
    assert acme.call("events")["events"][-1]["type"] == "vendor.suspended"


def test_a_vendor_cannot_speak_for_another(desk, vendors):
    """The setting counts for a gateway's login only."""
    acme, bolt = vendors
    (task,) = acme.lease(1)
    attempt(bolt, "SELECT set_config('labelrounds.vendor_id', '1', false)")
    assert bolt.call("leases") == {"leases": []}
    assert bolt.answer([task]) == ["UNKNOWN_ASSIGNMENT"]
    assert bolt.call("payloads", [task["assignment_id"]]) == []


def test_a_gateways_login_speaks_for_whom_it_names(desk, vendors):
    acme, bolt = vendors
    (task,) = acme.lease(1)
    desk.run("INSERT INTO labelrounds.gateway_logins VALUES (:role)", role=make_url(bolt.url).username)
    with pytest.raises(errors.InsufficientPrivilege, match="no active vendor"):
        bolt.call("leases")
    attempt(
        bolt,
        "SELECT set_config('labelrounds.vendor_id', vendor_id, false) FROM (VALUES ('1')) AS v (vendor_id)",
    )
    assert bolt.answer([task]) == ["accepted"]


def test_the_operators_own_login_is_no_vendor(desk):
    with pytest.raises(ProgrammingError, match="no active vendor"):
        desk.run("SELECT * FROM vendor.lease(gen_random_uuid())")


def test_a_new_password_ends_the_old_one(desk, vendors):
    old = vendors[0]
    new = vendor_store.give_login(desk.engine, "acme")
    assert make_url(new).username == make_url(old.url).username
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(old.url)
    psycopg2.connect(new).close()


def test_a_login_that_is_gone_is_made_again(desk, vendors):
    """As after restoring the database on another server."""
    role = make_url(vendors[0].url).username
    vendors[0].connection.close()
    desk.run(f"DROP ROLE {role}")
    psycopg2.connect(vendor_store.give_login(desk.engine, "acme")).close()


def test_the_server_never_sees_a_password(desk):
    """What it is sent, and may write to its log, is the verifier."""
    sent = []
    event.listen(desk.engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    password = make_url(vendor_store.give_login(desk.engine, "acme")).password
    assert any("SCRAM-SHA-256$" in statement for statement in sent)
    assert not any(password in statement for statement in sent)


def test_a_forgotten_transaction_is_ended(vendors):
    ((limit,),) = attempt(vendors[0], "SHOW idle_in_transaction_session_timeout")
    assert limit == "1min"
