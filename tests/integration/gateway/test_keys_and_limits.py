"""Who is let in, how often, and what is told of trouble."""

import json
import logging
import threading
import time
import uuid

import pytest
import requests
import sqlalchemy as sa

from infra.database import access
from infra.database.engine import connect
from infra.gateway.app import create_app
from tasks.errors import NotFound
from tests.integration.gateway.conftest import Server, Vendor


def test_keys_are_rotated_without_a_gap(house):
    engine = house.desk.engine
    house.desk.campaign()
    first = access.issue_key(engine, "acme")
    second = access.rotate_key(engine, "acme", 30)
    old, new = Vendor(house.url, first.key), Vendor(house.url, second.key)
    assert [one.ask("GET", "/v1/leases").status_code for one in (old, new)] == [200, 200]
    assert [row["state"] for row in access.list_keys(engine, "acme")] == ["replaced", "valid"]
    # A rotation never prolongs the life of what was replaced before.
    third = access.rotate_key(engine, "acme", 3600)
    ends = [row["expires_at"] for row in access.list_keys(engine, "acme")]
    assert ends[0] < ends[1]
    assert ends[2] is None
    house.desk.run("UPDATE labelrounds.api_keys SET expires_at = clock_timestamp() WHERE key_id = 1")
    assert old.ask("GET", "/v1/rejects").status_code == 401
    access.revoke_key(engine, third.key_id)
    assert Vendor(house.url, third.key).ask("GET", "/v1/leases").status_code == 401
    assert new.ask("GET", "/v1/leases").status_code == 200
    assert [row["state"] for row in access.list_keys(engine)] == ["expired", "replaced", "revoked"]
    for wrong in (lambda: access.revoke_key(engine, 3), lambda: access.revoke_key(engine, 99),
                  lambda: access.issue_key(engine, "nobody"), lambda: access.list_keys(engine, "nobody")):  # fmt: skip
        with pytest.raises(NotFound):
            wrong()


def test_only_a_digest_of_a_key_is_stored(house):
    house.desk.campaign()
    key = access.issue_key(house.desk.engine, "acme")
    (row,) = access.list_keys(house.desk.engine)
    assert key.key not in repr(row)
    assert key.key not in repr(key)
    assert row["used_at"] is None
    Vendor(house.url, key.key).ask("GET", "/v1/leases")
    assert access.list_keys(house.desk.engine)[0]["used_at"] is not None
    stored = house.desk.run("SELECT * FROM labelrounds.api_keys")
    assert key.key not in repr(stored)
    log = house.desk.run(
        "SELECT kind, from_state, to_state, detail FROM labelrounds.events WHERE kind = 'key'"
    )
    assert [tuple(row) for row in log] == [("key", None, "issued", key.key[:9])]
    for change in (
        "DELETE FROM labelrounds.api_keys",
        "UPDATE labelrounds.api_keys SET key_sha256 = sha256('x')",
    ):
        with pytest.raises(sa.exc.IntegrityError):
            house.desk.run(change)


@pytest.mark.parametrize(
    "header",
    [{}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer lr_x"}, {"Authorization": "x"},
     {"Authorization": "Basic bHI6eA=="}, {"Authorization": "Bearer " + "x" * 5000}, {"Authorization": "Bearer \xff"}],
)  # fmt: skip
def test_who_has_no_key_learns_nothing(small, header):
    seen = set()
    for path in ("/v1/leases", "/v1/rejects", f"/v1/leases/{uuid.uuid4()}/release", "/v1/annotations"):
        method = "POST" if path.endswith(("release", "annotations")) else "GET"
        reply = requests.request(method, small.url + path, headers=header, data=b"{" * 9, timeout=10)
        assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
        seen.add(reply.content)
    assert len(seen) == 1


def test_who_asks_too_often_waits(house, make_gateway):
    house.desk.campaign()
    server = Server(create_app(make_gateway(per_second=2, burst=5)))
    try:
        acme, other = (Vendor(server.url, access.issue_key(house.desk.engine, "acme").key) for _ in range(2))
        told = [acme.ask("GET", "/v1/leases") for _ in range(8)]
        assert {reply.status_code for reply in told[:5]} == {200}
        assert told[-1].status_code == 429
        assert told[-1].json()["code"] == "RATE_LIMITED"
        assert other.ask("GET", "/v1/leases").status_code == 200
        time.sleep(int(told[-1].headers["Retry-After"]))
        assert acme.ask("GET", "/v1/leases").status_code == 200
    finally:
        server.stop()


def test_errors_are_problem_documents(small):
    calls = {
        404: small.ask("GET", "/v1/nothing"),
        405: small.ask("PUT", "/v1/leases"),
        415: small.ask("POST", "/v1/annotations", data={"a": 1}),
        400: small.post("/v1/leases", {"max": 0, "request_id": "x"}),
        413: small.ask("POST", "/v1/annotations", data=b" " * (5 * 1024 * 1024 + 1),
                       headers={"Content-Type": "application/json"}),
    }  # fmt: skip
    for status, reply in calls.items():
        document = reply.json()
        assert (reply.status_code, document["status"]) == (status, status)
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert {"type", "title", "code", "detail"} <= set(document)
    assert calls[405].headers["Allow"]
    pointers = {error["pointer"] for error in calls[400].json()["errors"]}
    assert pointers == {"/request_id", "/max"}
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    gzip = small.ask("POST", "/v1/leases", data=b"x", headers=packed)
    assert gzip.status_code == 415


class Prober:
    """Asks for what is another vendor's, and for what is not there."""

    def __init__(self, house, number):
        house.desk.publish(house.desk.campaign(vendors={"acme": 10, "bolt": 10}), number)
        self.bolt, self.lease = house.vendor("bolt"), house.vendor("acme").lease()
        self.said, self.times = set(), {"theirs": [], "none": []}

    def probe(self, turn):
        theirs = self.lease["lease_id"], self.lease["tasks"][turn]["assignment_id"]
        pairs = {"theirs": theirs, "none": (str(uuid.uuid4()), str(uuid.uuid4()))}
        for what in sorted(pairs, reverse=bool(turn % 2)):
            lease, assignment = pairs[what]
            begun = time.perf_counter()
            replies = [
                self.bolt.post(f"/v1/leases/{lease}/release", {}),
                self.bolt.post("/v1/annotations", {"rows": [{"assignment_id": assignment, "label": "ham"}]}),
                self.bolt.ask("POST", "/v1/payload_urls", json={"assignment_ids": [assignment]}),
            ]
            self.times[what].append(time.perf_counter() - begun)
            number = f'"submission_id": {replies[1].json()["submission_id"]}'
            text = " ".join(reply.text for reply in replies).replace(lease, "").replace(assignment, "")
            self.said.add(text.replace(number, ""))


def test_not_yours_and_not_there_are_one_answer(house):
    prober = Prober(house, 2)
    for turn in range(2):
        prober.probe(turn)
    assert len(prober.said) == 1
    assert "UNKNOWN_ASSIGNMENT" in prober.said.pop()


@pytest.mark.slow
def test_not_yours_and_not_there_take_one_time(house):
    prober = Prober(house, 100)
    for turn in range(100):
        prober.probe(turn)
    theirs, none = (sum(sorted(some)[:50]) for some in prober.times.values())
    assert 0.8 < theirs / none < 1.25


class TestOutage:
    """Postgres goes away and comes back."""

    def test_a_lost_connection_is_made_anew_unseen(self, house):
        house.desk.publish(house.desk.campaign(), 4)
        acme = house.vendor()
        acme.lease(1)
        house.desk.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'labelrounds-gateway'"
        )
        assert len(acme.lease(1)["tasks"]) == 1

    def test_no_database_is_a_503_with_a_time_to_come_back(self, house, make_gateway):
        gateway = make_gateway()
        gateway.desk.close()
        url = gateway.desk.engine.url.set(port=1)
        gateway.desk.engine = sa.create_engine(url, connect_args={"connect_timeout": 2})
        server = Server(create_app(gateway))
        try:
            house.desk.campaign()
            acme = Vendor(server.url, house.vendor().key)
            for path in ("/v1/leases", "/healthz", "/metrics"):
                reply = acme.ask("GET", path)
                assert (reply.status_code, reply.json()["code"]) == (503, "UNAVAILABLE")
                assert reply.headers["Retry-After"]
                assert "127.0.0.1" not in reply.text
        finally:
            server.stop()

    def test_who_waits_too_long_for_a_lock_comes_again(self, house):
        house.desk.publish(house.desk.campaign(), 2)
        acme = house.vendor()
        role = house.gateway.desk.engine.url.username
        house.desk.run(f"ALTER ROLE {role} SET lock_timeout = '200ms'")
        house.gateway.desk.engine.dispose()
        with connect(house.desk.engine.url.render_as_string(hide_password=False)).begin() as held:
            held.exec_driver_sql("SELECT * FROM labelrounds.vendors FOR UPDATE")
            reply = acme.post("/v1/leases", {"max": 1})
            assert (reply.status_code, reply.headers["Retry-After"]) == (503, "1")
        assert len(acme.lease(1)["tasks"]) == 1

    def test_more_calls_than_connections_wait_for_their_turn(self, house, make_gateway):
        house.desk.publish(house.desk.campaign(vendors={f"v{n}": 1 for n in range(8)}), 200)
        server = Server(create_app(make_gateway(connections=2)))
        told = []

        def work(name):
            vendor = Vendor(server.url, access.issue_key(house.desk.engine, name).key)
            for _ in range(5):
                told.append(vendor.post("/v1/leases", {"max": 2}).status_code)

        threads = [threading.Thread(target=work, args=[f"v{n}"]) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.stop()
        assert told == [200] * 40


def test_the_log_has_no_secrets(house, caplog):
    house.desk.publish(house.desk.campaign(), 2)
    acme = house.vendor()
    bell = access.give_bell(house.desk.engine, "acme")
    with caplog.at_level(logging.INFO, logger="labelrounds.gateway"):
        reply = acme.ask("GET", "/v1/rejects?after=5", headers={"X-Request-Id": "mine-1"})
        acme.ask("GET", "/v1/leases", headers={"X-Request-Id": "not\tgood"})
        requests.post(f"{house.url}/hooks/label-studio/{bell}", timeout=10)
        lines = []
        end = time.monotonic() + 5
        while len(lines) < 3 and time.monotonic() < end:
            lines = [
                json.loads(record.message)
                for record in caplog.records
                if record.name == "labelrounds.gateway"
            ]
    text = json.dumps(lines)
    assert acme.key not in text
    assert bell not in text
    assert "after=5" not in text
    assert (lines[0]["vendor"], lines[0]["status"], lines[0]["request_id"]) == ("acme", 200, "mine-1")
    assert reply.headers["X-Request-Id"] == "mine-1"
    assert "\t" not in lines[1]["request_id"]


def test_a_bell_rings_the_operator(house):
    house.desk.campaign(vendors={"acme": 1, "bolt": 1})
    old = access.give_bell(house.desk.engine, "acme")
    bell = access.give_bell(house.desk.engine, "acme")
    ring = f"{house.url}/hooks/label-studio/"
    for _ in range(3):
        assert (
            requests.post(ring + bell, json={"action": "ANNOTATION_CREATED"}, timeout=10).status_code == 204
        )
    assert access.take_rings(house.desk.engine) == ["acme"]
    assert access.take_rings(house.desk.engine) == []
    for wrong in (old, "x", "%00", "\ud83d\ude00", "ü" * 50):
        reply = requests.post(ring + wrong, timeout=10)
        assert (reply.status_code, reply.json()["code"]) == (404, "NOT_FOUND")
    assert access.take_rings(house.desk.engine) == []


def test_figures_are_for_those_who_may(house, make_gateway):
    house.desk.publish(house.desk.campaign(), 7)
    acme = house.vendor()
    acme.lease(3)
    text = requests.get(f"{house.url}/metrics", timeout=10).text
    assert "labelrounds_tasks_ready 4" in text
    assert "labelrounds_tasks_leased 3" in text
    assert 'route="/v1/leases",status="200"' in text
    assert "acme" not in text
    through_a_proxy = requests.get(f"{house.url}/metrics", headers={"X-Forwarded-For": "8.8.8.8"}, timeout=10)
    assert through_a_proxy.status_code == 403
    server = Server(create_app(make_gateway(metrics_token="s3cret")))
    for header, status in (
        ({}, 401),
        ({"Authorization": "Bearer no"}, 401),
        ({"Authorization": "Bearer s3cret"}, 200),
    ):
        assert requests.get(f"{server.url}/metrics", headers=header, timeout=10).status_code == status
    server.stop()
