"""What the gateway's login, a reporter and an auditor can do, and nothing else."""

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy.engine import make_url

from infra.database import access

GROUPS = ("labelrounds_gateway", "labelrounds_report", "labelrounds_auditor")

FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS name, n.nspname, p.prosecdef, p.proconfig, p.prosrc, r.rolname, r.rolsuper,
           r.rolcanlogin, r.rolbypassrls,
           EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                   WHERE a.grantee = 0) AS for_all
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles r ON r.oid = p.proowner
    WHERE n.nspname IN ('gateway', 'vendor', 'labelrounds', 'report')"""


def test_the_functions_are_closed(desk):
    functions = desk.run(FUNCTIONS)
    assert {f.name.partition("(")[0] for f in functions if f.nspname == "gateway"} == {
        "gateway.authenticate", "gateway.ring", "gateway.take_deliveries", "gateway.settle_delivery", "gateway.let_go",
        "gateway.figures",
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
        assert "EXECUTE " not in f.prosrc, f.name


def readable(desk, role):
    """Relations of ours that a role may do anything with, and what."""
    rows = desk.run(
        "SELECT c.oid::regclass::text AS name, string_agg(p.kind, ' ' ORDER BY p.kind) AS kinds FROM pg_class c, "
        "unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) p (kind) "
        "WHERE c.relnamespace::regnamespace::text IN ('labelrounds', 'report', 'vendor', 'gateway') "
        "AND c.relkind IN ('r', 'v') AND (has_table_privilege(:r, c.oid, p.kind) "
        "OR p.kind IN ('SELECT', 'INSERT', 'UPDATE') AND has_any_column_privilege(:r, c.oid, p.kind)) GROUP BY 1",
        r=role,
    )
    return {row.name: row.kinds for row in rows}


def callable_by(desk, role):
    return {
        row.name
        for row in desk.run(
            "SELECT p.oid::regproc::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE n.nspname IN ('gateway', 'vendor', 'labelrounds', 'report') "
            "AND has_function_privilege(:r, p.oid, 'EXECUTE') AND has_schema_privilege(:r, n.oid, 'USAGE')",
            r=role,
        )
    }


def test_each_role_has_what_it_needs(desk):
    login = make_url(access.gateway_login(desk.engine)).username
    views = {f"report.{name}": "SELECT" for name in ("campaigns", "rounds", "vendors", "deliveries")}
    wanted = {
        login: {}, "labelrounds_gateway": {}, "labelrounds_report": views,
        "labelrounds_auditor": {"labelrounds.events": "SELECT", "labelrounds.rejects": "SELECT"},
        "labelrounds_vendor": {},
    }  # fmt: skip
    door = {f.name.partition("(")[0] for f in desk.run(FUNCTIONS) if f.nspname in ("gateway", "vendor")}
    vendor_door = {name for name in door if name.startswith("vendor.")}
    calls = {login: door, "labelrounds_gateway": door, "labelrounds_vendor": vendor_door}
    for role, tables in wanted.items():
        assert readable(desk, role) == tables
        assert callable_by(desk, role) == calls.get(role, set())
        for schema in ("labelrounds", "report", "vendor", "gateway", "public"):
            assert not desk.one("SELECT has_schema_privilege(:r, :s, 'CREATE')", r=role, s=schema)
        assert not desk.one(
            "SELECT has_database_privilege(:r, current_database(), 'TEMPORARY, CREATE')", r=role
        )
        assert not desk.one("SELECT pg_has_role(:r, 'labelrounds_owner', 'MEMBER')", r=role)
        assert not desk.run(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'labelrounds'::regnamespace "
            "AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(:r, c.oid, 'USAGE, SELECT, UPDATE') END", r=role,
        )  # fmt: skip
    query = """SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolcanlogin,
                      rolconnlimit FROM pg_roles WHERE rolname = ANY (:r)"""
    flags = {row.rolname: tuple(row)[1:] for row in desk.run(query, r=[login, *GROUPS])}
    assert flags[login] == (False,) * 5 + (True, access.CONNECTIONS)
    assert {flags[group] for group in GROUPS} == {(False,) * 6 + (-1,)}


REFUSED = (
    "SELECT * FROM labelrounds.api_keys",
    "SELECT * FROM labelrounds.webhooks",
    "SELECT * FROM labelrounds.gateway_logins",
    "SELECT * FROM report.vendors",
    "INSERT INTO labelrounds.gateway_logins VALUES ('x')",
    "SELECT labelrounds.caller()",
    "SELECT labelrounds.log_key()",
    "CREATE TEMP TABLE t (a int)",
    "CREATE TABLE gateway.t (a int)",
    "SET ROLE labelrounds_owner",
    "ALTER FUNCTION gateway.figures() OWNER TO CURRENT_USER",
    "SELECT lo_create(0)",
    "SELECT pg_advisory_lock(1)",
)


def test_the_gateways_own_login_is_refused_all_else(desk):
    desk.publish(desk.campaign(vendors={"acme": 10, "bolt": 10}), 2)
    key = access.issue_key(desk.engine, "acme").key
    url = make_url(access.gateway_login(desk.engine)).set(drivername="postgresql")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    try:
        cursor = connection.cursor()
        for statement in REFUSED:
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(statement)
            connection.rollback()
        # For whom it speaks lasts one transaction: a pooled connection never speaks for the one before.
        cursor.execute("SELECT name, state FROM gateway.authenticate(%s)", [access.digest(key)])
        assert cursor.fetchall() == [("acme", "active")]
        cursor.execute("SELECT vendor.leases()")
        connection.commit()
        for statement in ("SELECT vendor.leases()", "SELECT vendor.lease(gen_random_uuid())"):
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(statement)
            connection.rollback()
        # An unknown key takes back what an earlier one of the transaction said.
        cursor.execute("SELECT * FROM gateway.authenticate(%s)", [access.digest(key)])
        cursor.execute("SELECT * FROM gateway.authenticate(%s)", [access.digest("wrong")])
        assert cursor.fetchall() == []
        with pytest.raises(errors.InsufficientPrivilege):
            cursor.execute("SELECT vendor.leases()")
    finally:
        connection.close()


def test_a_vendors_own_login_cannot_speak_for_another(desk):
    desk.publish(desk.campaign(vendors={"acme": 10, "bolt": 10}), 4)
    acme, bolt = desk.client("acme"), desk.client("bolt")
    bolt.lease(2)
    cursor = acme.connection.cursor()
    with pytest.raises(errors.InsufficientPrivilege):
        cursor.execute("SELECT gateway.authenticate('x')")
    for number in (1, 2):
        cursor.execute("SELECT set_config('labelrounds.vendor_id', %s, false)", [str(number)])
        assert acme.call("leases") == {"leases": []}


def test_timeouts_keep_a_hanging_gateway_from_holding_rows(desk):
    url = make_url(access.gateway_login(desk.engine)).set(drivername="postgresql")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    found = {}
    with connection.cursor() as cursor:
        for name in access.TIMEOUTS:
            cursor.execute(f"SHOW {name}")
            found[name] = cursor.fetchone()[0]
    connection.close()
    assert found == access.TIMEOUTS


def test_the_server_never_sees_the_password(desk):
    from sqlalchemy import event

    sent = []
    event.listen(desk.engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    first = make_url(access.gateway_login(desk.engine))
    second = make_url(access.gateway_login(desk.engine))
    assert first.username == second.username
    assert first.password != second.password
    assert not any(str(second.password) in statement for statement in sent)


def test_views_show_what_is_there(desk):
    desk.publish(desk.campaign(), 3)
    client = desk.client()
    client.answer(client.lease(2))
    assert [
        (row.campaign, row.rounds, row.spent_micro) for row in desk.run("SELECT * FROM report.campaigns")
    ] == [("spam", 1, 20)]
    (row,) = desk.run("SELECT * FROM report.rounds")
    assert (row.state, row.items, row.items_complete) == ("published", 3, 2)
    (row,) = desk.run("SELECT * FROM report.vendors")
    assert (row.vendor, row.leased, row.answers, row.late, row.rejected) == ("acme", 0, 2, 0, 0)
    assert desk.run("SELECT * FROM report.deliveries") == []
