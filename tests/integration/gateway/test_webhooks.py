"""Webhooks out: at least once, one id an event, in order, signed, for a day, whatever the receiver does."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue

import pytest

from infra.database import access, webhooks
from infra.gateway.app import create_app
from infra.gateway.webhooks import dispatcher
from tasks.errors import NotFound, UsageError
from tests.integration.gateway.conftest import Server


class Receiver:
    """An HTTP server that answers as it is told: a status, or `hang`, `reset`, `drip`, `redirect`."""

    def __init__(self):
        self.moods, self.got = [], SimpleQueue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.put((dict(self.headers), body))
                mood = receiver.moods.pop(0) if receiver.moods else 204
                if mood == "hang":
                    time.sleep(3)
                elif mood == "reset":
                    self.connection.close()
                elif mood == "drip":
                    for _ in range(30):
                        self.wfile.write(b"H")
                        time.sleep(0.1)
                elif mood == "redirect":
                    self.send_response(302)
                    self.send_header("Location", "http://127.0.0.1:1/")
                    self.end_headers()
                else:
                    self.send_response(mood)
                    self.end_headers()

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # connections that are cut are what is tested

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def all(self):
        found = []
        while True:
            try:
                found.append(self.got.get_nowait())
            except Empty:
                return found

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Clock:
    """A day in a moment."""

    def __init__(self):
        self.now = datetime.now(UTC) + timedelta(seconds=60)  # events are of the database's own time

    def __call__(self):
        return self.now

    def forward(self, seconds):
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sender(make_gateway, clock):
    """A dispatcher that makes a turn when it is told, by a clock of its own."""
    return make_gateway(clock=clock, dispatch=True).dispatcher


def tell(desk, number, kind="task.cancelled", vendor=1):
    desk.run(
        "INSERT INTO labelrounds.outbox (vendor_id, kind, body) SELECT :v, :k, jsonb_build_object('n', n) "
        "FROM generate_series(1, :number) n ORDER BY n", v=vendor, k=kind, number=number,
    )  # fmt: skip


def numbers(got):
    return [json.loads(body)["data"]["n"] for _, body in got]


def verify(secret, headers, body):
    """As a receiver does it, by the standard's page."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(
        hmac.new(base64.b64decode(secret[6:]), signed, hashlib.sha256).digest()
    ).decode()
    return f"v1,{wanted}" in headers["webhook-signature"].split(" ")


def states(desk):
    return Counter(row.state for row in desk.run("SELECT state::text AS state FROM labelrounds.deliveries"))


def test_events_come_in_order_signed_by_both_secrets(desk, sender, receiver):
    desk.campaign(vendors={"acme": 1, "bolt": 1})
    hook = webhooks.add_webhook(desk.engine, "acme", receiver.url, ["task.cancelled"], private=True)
    newer = webhooks.rotate_secret(desk.engine, hook.webhook_id)
    tell(desk, 3)
    tell(desk, 2, kind="lease.expired")
    tell(desk, 2, vendor=2)
    tell(desk, 1, vendor=None)
    assert sender.turn() == 3
    assert sender.turn() == 0
    got = receiver.all()
    assert numbers(got) == [1, 2, 3]
    for headers, body in got:
        assert verify(hook.secret, headers, body)
        assert verify(newer.secret, headers, body)
        assert not verify(hook.secret, headers, body + b" ")
    events = desk.run(
        "SELECT seq, id::text AS id FROM labelrounds.outbox WHERE kind = 'task.cancelled' ORDER BY seq LIMIT 3"
    )
    assert [headers["webhook-id"] for headers, _ in got] == [event.id for event in events]
    last = webhooks.rotate_secret(desk.engine, hook.webhook_id)  # the first one is dead now
    webhooks.redeliver(desk.engine, hook.webhook_id, seq=events[0].seq)
    sender.turn()
    ((headers, body),) = receiver.all()
    assert [verify(one.secret, headers, body) for one in (hook, newer, last)] == [False, True, True]


SLOW = [pytest.param(mood, marks=pytest.mark.slow) for mood in (404, 429, "hang", "redirect")]


@pytest.mark.parametrize("mood", [500, "reset", "drip", *SLOW])
def test_what_fails_is_sent_again_with_the_same_id_and_body(desk, sender, receiver, clock, mood):
    desk.campaign()
    webhooks.add_webhook(desk.engine, "acme", receiver.url, private=True)
    tell(desk, 2)
    receiver.moods = [mood, mood]
    begun = time.monotonic()
    assert sender.turn() == 1
    assert sender.turn() == 0  # the second event waits for the first
    clock.forward(3600)
    assert sender.turn() == 1
    assert time.monotonic() - begun < 8
    clock.forward(3600)
    assert sender.turn() == 2
    got = receiver.all()
    assert numbers(got) == [1, 1, 1, 2]
    assert len({(headers["webhook-id"], body) for headers, body in got[:3]}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in got[:3]}) == 3
    assert states(desk) == {"sent": 2}
    assert [row["tries"] for row in webhooks.list_deliveries(desk.engine, 1)] == [1, 3]


def test_after_a_day_an_event_is_dead_and_can_be_delivered_again(desk, sender, receiver, clock):
    desk.campaign()
    webhooks.add_webhook(desk.engine, "acme", receiver.url, private=True)
    tell(desk, 2)
    receiver.moods = [500] * 1000
    begun, tries = clock.now, 0
    while states(desk) != {"dead": 2}:
        tries += sender.turn()
        clock.forward(400)
        assert clock.now - begun < timedelta(hours=26)
    assert clock.now - begun > timedelta(hours=23.9)
    # The second gets its own try when the first is given up, not a day of its own.
    assert 20 <= tries <= 150
    assert {row["last_error"] for row in webhooks.list_deliveries(desk.engine, 1, "dead")} == {"HTTP 500"}
    (row,) = webhooks.list_webhooks(desk.engine)
    assert (row["state"], row["dead"], row["pending"]) == ("active", 2, 0)
    receiver.all()
    receiver.moods = []
    assert webhooks.redeliver(desk.engine, 1) == 2
    clock.forward(60)
    assert sender.turn() == 2
    assert numbers(receiver.all()) == [1, 2]
    log = desk.run(
        "SELECT from_state, to_state, detail FROM labelrounds.events WHERE kind = 'delivery' ORDER BY seq"
    )
    assert [tuple(row)[:2] for row in log] == [("pending", "dead")] * 2 + [("dead", "pending")] * 2


def test_gone_disables(desk, sender, receiver, clock):
    desk.campaign()
    webhooks.add_webhook(desk.engine, "acme", receiver.url, private=True)
    tell(desk, 3)
    receiver.moods = [410]
    assert sender.turn() == 1
    tell(desk, 1)
    clock.forward(90_000)
    assert sender.turn() == 0
    assert states(desk) == {"dead": 3}
    (row,) = webhooks.list_webhooks(desk.engine)
    assert (row["state"], row["reason"]) == ("disabled", "HTTP 410")
    webhooks.enable_webhook(desk.engine, 1)
    tell(desk, 1)
    assert sender.turn() == 1
    webhooks.remove_webhook(desk.engine, 1)
    for lost in (webhooks.remove_webhook, webhooks.enable_webhook, webhooks.rotate_secret):
        with pytest.raises(NotFound):
            lost(desk.engine, 1)


def test_a_sender_that_died_is_followed_by_another(desk, make_gateway, receiver, clock):
    """Also one that is only slow: then its word does not count, and the receiver gets the event twice at most."""
    desk.campaign()
    webhooks.add_webhook(desk.engine, "acme", receiver.url, private=True)
    tell(desk, 2)
    one, two = (make_gateway(clock=clock, dispatch=True) for _ in range(2))
    held = one.desk.rows("take_deliveries", {"holder": "00000000-0000-0000-0000-000000000001", "hold": 60, "at_most": 5,
                                             "moment": clock()})  # fmt: skip
    assert len(held) == 2
    assert two.dispatcher.turn() == 0
    clock.forward(dispatcher.HOLD_SECONDS + 1)
    assert two.dispatcher.turn() == 2
    assert not one.dispatcher._try("00000000-0000-0000-0000-000000000001", held[0])
    got = receiver.all()
    assert numbers(got) == [1, 2, 1]
    assert got[0][0]["webhook-id"] == got[2][0]["webhook-id"]
    assert states(desk) == {"sent": 2}


def test_an_event_and_its_delivery_are_one_transaction(desk, receiver):
    desk.campaign()
    webhooks.add_webhook(desk.engine, "acme", receiver.url, private=True)
    with desk.engine.connect() as connection:
        connection.exec_driver_sql(
            "INSERT INTO labelrounds.outbox (vendor_id, kind, body) VALUES (1, 'a', '{}')"
        )
        connection.rollback()
    assert states(desk) == {}
    tell(desk, 1)
    assert states(desk) == {"pending": 1}


def test_what_a_lower_number_may_still_come_before_is_not_sent_yet(desk, sender, receiver):
    """A transaction that began earlier and commits later has the lower number."""
    desk.campaign()
    webhooks.add_webhook(desk.engine, "acme", receiver.url, private=True)
    with desk.engine.connect() as earlier:
        earlier.exec_driver_sql(
            "INSERT INTO labelrounds.outbox (vendor_id, kind, body) VALUES (1, 'task.cancelled', '{\"n\": 1}')"
        )
        desk.run(
            "INSERT INTO labelrounds.outbox (vendor_id, kind, body) VALUES (1, 'task.cancelled', '{\"n\": 2}')"
        )
        assert sender.turn() == 0
        earlier.commit()
    assert sender.turn() == 2
    assert numbers(receiver.all()) == [1, 2]


def test_gateways_side_by_side_send_each_event_once_and_in_order(desk, make_gateway, receiver, login):
    """With real threads and the real clock; a label that is refused is told."""
    desk.publish(desk.campaign(vendors={"acme": 1, "bolt": 1}), 4)
    receivers = [receiver, Receiver()]
    for vendor, one in zip(("acme", "bolt"), receivers, strict=True):
        webhooks.add_webhook(desk.engine, vendor, one.url, private=True)
    servers = [Server(create_app(make_gateway(dispatch=True))) for _ in range(2)]
    for _ in range(10):
        tell(desk, 5)
        tell(desk, 5, vendor=2)
    key = access.issue_key(desk.engine, "acme").key
    import requests

    reply = requests.post(
        f"{servers[0].url}/v1/annotations", headers={"Authorization": f"Bearer {key}"}, timeout=10,
        json={"request_id": "00000000-0000-4000-8000-000000000001", "rows": [{"label": "ham"}]},
    )  # fmt: skip
    assert reply.json()["rejected"] == 1
    end = time.monotonic() + 30
    while set(states(desk)) != {"sent"}:
        assert time.monotonic() < end, states(desk)
        time.sleep(0.05)
    for server in servers:
        server.stop()
    expected = ({"task.cancelled": 50, "annotation.rejected": 1}, {"task.cancelled": 50})
    for one, kinds in zip(receivers, expected, strict=True):
        bodies = [json.loads(body) for _, body in one.all()]
        sequence = [body["seq"] for body in bodies]
        assert sequence == sorted(set(sequence))
        assert Counter(body["type"] for body in bodies) == kinds
    receivers[1].close()


def test_wrong_webhooks_are_refused(desk):
    desk.campaign()
    for wrong in (
        lambda: webhooks.add_webhook(desk.engine, "acme", "http://a.example/"),
        lambda: webhooks.add_webhook(desk.engine, "acme", "https://a.example/", ["round.closed"]),
        lambda: webhooks.add_webhook(desk.engine, None, "https://a.example/", ["task.cancelled"]),
    ):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(NotFound):
        webhooks.add_webhook(desk.engine, "nobody", "https://a.example/")
    assert webhooks.list_webhooks(desk.engine) == []
