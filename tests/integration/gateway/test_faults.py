"""Lost replies, killed gateways, killed vendors: nothing is lost, nothing is done twice."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import requests

from infra.database import access, queue
from infra.gateway.app import create_app
from infra.stack.processes import free_port
from tasks.vendors.http_client import GatewayClient, Patience, Refused
from tasks.vendors.http_vendor import Habits, HttpVendor
from tests.integration.gateway.conftest import Server
from tests.integration.gateway.proxy import LossyProxy

ROOT = Path(__file__).parents[3]
HASTE = Patience(tries=60, timeout_seconds=10, first_wait_seconds=0.02)


def truth(payload):
    return "spam" if int(payload["text"][-1]) % 3 == 0 else "ham"


def vendor_of(url, desk, name, habits, seed=0, journal=None):
    client = GatewayClient(url, access.issue_key(desk.engine, name).key, HASTE, random.Random(seed))
    return HttpVendor(client, truth, habits, np.random.default_rng(seed), journal)


def work_until_done(desk, round_, vendors, items, seconds=60):
    """Let vendors work side by side, and the sweep beside them."""
    stop = threading.Event()
    threads = [threading.Thread(target=vendor.work, args=(stop, 0.05)) for vendor in vendors]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    try:
        while desk.states("batch_items", round_) != {"complete": items}:
            queue.expire(desk.engine)
            assert time.monotonic() < end, desk.states("tasks", round_)
            time.sleep(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_lost_replies_cost_nothing(house):
    """T5: a tenth of all replies is lost after the call was done."""
    items = 150
    round_ = house.desk.publish(house.desk.campaign(vendors={"acme": 1, "bolt": 1}), items, overlap=2)
    proxy = LossyProxy(int(house.url.rpartition(":")[2]), 0.1, seed=1)
    habits = Habits(error_rate=0.1, duplicate_rate=0.3, batch=20)
    vendors = [
        vendor_of(proxy.url, house.desk, name, habits, seed) for seed, name in enumerate(("acme", "bolt"))
    ]
    work_until_done(house.desk, round_, vendors, items)
    proxy.close()
    assert proxy.lost >= 2
    for vendor in vendors:
        assert vendor.tally.rows["accepted"] + vendor.tally.rows["late_accepted"] == items
    assert house.desk.one("SELECT count(*) FROM labelrounds.annotations") == 2 * items
    assert (
        house.desk.one("SELECT count(*) FROM labelrounds.assignments") == 2 * items
    )  # no lease was taken twice


@pytest.mark.slow
def test_a_vendor_with_every_bad_habit_does_no_harm(house):
    items = 120
    campaign = house.desk.campaign(vendors={"acme": 1, "bolt": 1}, lease_seconds=2)
    round_ = house.desk.publish(campaign, items)
    bad = Habits(error_rate=0.3, class_error_rates={"ham": 1.0}, late_rate=0.2, late_seconds=2.2, drop_rate=0.2,
                 duplicate_rate=0.5, skip_rate=0.1, batch=15, seed=4)  # fmt: skip
    good = Habits(error_rate=0.0, batch=15)
    vendors = [
        vendor_of(house.url, house.desk, "acme", bad, 4),
        vendor_of(house.url, house.desk, "bolt", good, 5),
    ]
    work_until_done(house.desk, round_, vendors, items)
    rows = house.desk.run(
        "SELECT v.name, i.payload, a.answer, a.label FROM labelrounds.annotations a JOIN labelrounds.vendors v USING "
        "(vendor_id) JOIN labelrounds.batch_items i USING (batch_item_id)"
    )
    assert all(truth(row.payload) == row.label for row in rows if row.name == "bolt")
    labels = [(truth(row.payload), row.label) for row in rows if row.name == "acme" and row.answer == "label"]
    assert all(told == "spam" for true, told in labels if true == "ham")
    assert vendors[0].tally.leases > vendors[0].tally.dropped


class Process:
    """A gateway as its own process on a fixed port, which can be killed and started again."""

    def __init__(self, login, data_stack, folder):
        self.port, self.log = free_port(), (folder / "gateway.log").open("ab")
        self.url = f"http://127.0.0.1:{self.port}"
        names = ("s3_endpoint_url", "s3_access_key_id", "s3_secret_access_key")
        settings = {f"LABELROUNDS_{name.upper()}": data_stack.settings[name] for name in names}
        own = {
            "LABELROUNDS_GATEWAY_DATABASE_URL": login, "LABELROUNDS_HOME": str(folder),
            "LABELROUNDS_GATEWAY_REQUESTS_PER_SECOND": "10000", "LABELROUNDS_GATEWAY_BURST": "10000",
        }  # fmt: skip
        self.environment = os.environ | settings | own
        self.start()

    def start(self):
        argv = [sys.executable, "-m", "infra.gateway", "--port", str(self.port)]
        self.process = subprocess.Popen(
            argv, cwd=ROOT, env=self.environment, stdout=self.log, stderr=self.log
        )

    def wait(self):
        end = time.monotonic() + 60
        while True:
            try:
                requests.get(f"{self.url}/healthz", timeout=5).raise_for_status()
            except requests.RequestException:
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) is not None
        self.log.close()


@pytest.fixture
def process(login, data_stack, tmp_path):
    one = Process(login, data_stack, tmp_path)
    one.wait()
    yield one
    one.end()


def call(url, key, path, body, deadline):
    """Send one call until there is a reply."""
    while True:
        try:
            reply = requests.post(
                url + path, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=10
            )
            if reply.status_code < 500:
                return reply
        except requests.RequestException:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


def storm(desk, process, kills, seconds_between, seed):
    """Kill the gateway again and again under calls; give what was asked and answered."""
    keys = {name: access.issue_key(desk.engine, name).key for name in ("acme", "bolt")}
    journal, stop, failures = [], threading.Event(), []
    deadline = time.monotonic() + 60 + kills * (seconds_between + 10)

    def work(name):
        try:
            while not stop.is_set():
                lease = {"request_id": str(uuid.uuid4()), "max": 7}
                reply = call(process.url, keys[name], "/v1/leases", lease, deadline)
                journal.append((name, "/v1/leases", lease, reply))
                rows = [
                    {"assignment_id": task["assignment_id"], "label": "ham"} for task in reply.json()["tasks"]
                ]
                if rows:
                    body = {"request_id": str(uuid.uuid4()), "rows": [*rows, {"label": "odd"}]}
                    reply = call(process.url, keys[name], "/v1/annotations", body, deadline)
                    journal.append((name, "/v1/annotations", body, reply))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[name]) for name in keys]
    for thread in threads:
        thread.start()
    rng = random.Random(seed)
    for _ in range(kills):
        time.sleep(seconds_between * rng.random())
        process.kill()
        process.start()
        process.wait()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    return keys, journal


def check_storm(desk, process, kills, seconds_between):
    campaign = desk.campaign(vendors={"acme": 1, "bolt": 1})
    desk.publish(campaign, 4000, overlap=2)
    keys, journal = storm(desk, process, kills, seconds_between, seed=7)
    assert len(journal) > 2 * kills
    handed_in = 0
    for name, path, body, reply in journal:
        assert reply.status_code == 200
        again = call(process.url, keys[name], path, body, time.monotonic() + 30)
        if path == "/v1/annotations":
            assert again.content == reply.content
            told = reply.json()
            assert (told["accepted"], told["rejected"]) == (len(body["rows"]) - 1, 1)
            handed_in += told["accepted"]
        elif reply.json()["tasks"]:
            ids = [[task["assignment_id"] for task in one.json()["tasks"]] for one in (reply, again)]
            assert ids[0] == ids[1]
    assert desk.one("SELECT count(*) FROM labelrounds.annotations") == handed_in
    return len(journal)


@pytest.mark.slow
def test_a_killed_gateway_loses_nothing_and_repeats_its_answers(desk, process):
    """T3: whenever it died, the same call gives the same bytes."""
    check_storm(desk, process, kills=2, seconds_between=1.0)


@pytest.mark.slow
def test_thirty_killed_gateways(desk, process, record_testsuite_property):
    record_testsuite_property("gateway_kills", f"30 kills, {check_storm(desk, process, 30, 1.5)} calls")


def test_two_gateways_are_one(house, make_gateway):
    """The same request sent to both at once is answered alike, and a round is done by both."""
    items = 100
    round_ = house.desk.publish(house.desk.campaign(vendors={"acme": 1, "bolt": 1}), items, overlap=2)
    other = Server(create_app(make_gateway()))
    key = access.issue_key(house.desk.engine, "acme").key
    body, told = {"request_id": str(uuid.uuid4()), "max": 40}, []

    def ask(url):
        headers = {"Authorization": f"Bearer {key}"}
        told.append(requests.post(f"{url}/v1/leases", json=body, headers=headers, timeout=30))

    for _ in range(3):
        threads = [threading.Thread(target=ask, args=[url]) for url in (house.url, other.url)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({reply.content for reply in told}) == 1
    rows = [{"assignment_id": task["assignment_id"], "label": "ham"} for task in told[0].json()["tasks"]]
    GatewayClient(other.url, key).submit(rows)
    vendors = [
        vendor_of(url, house.desk, name, Habits(batch=10, duplicate_rate=0.5), n)
        for n, (url, name) in enumerate([(house.url, "acme"), (other.url, "bolt"), (other.url, "acme")])
    ]
    work_until_done(house.desk, round_, vendors, items)
    other.stop()
    assert house.desk.one("SELECT count(*) FROM labelrounds.annotations") == 2 * items


VENDOR = """
import sys, random, threading
from pathlib import Path
import numpy as np
from tasks.vendors.http_client import GatewayClient
from tasks.vendors.http_vendor import Habits, HttpVendor
url, key, journal, seed = sys.argv[1:]
client = GatewayClient(url, key, rng=random.Random(int(seed)))
habits = Habits(error_rate=0.0, batch=10, duplicate_rate=0.2, seconds_per_task=0.003)
vendor = HttpVendor(client, lambda payload: "ham", habits, np.random.default_rng(int(seed)), Path(journal))
print("begun", flush=True)
vendor.work(threading.Event(), 0.05)
"""


@pytest.mark.slow
def test_a_killed_vendor_goes_on_where_it_was(house, tmp_path):
    """No task of a killed vendor waits for its lease to lapse: the lease is an hour long here."""
    items = 250
    round_ = house.desk.publish(house.desk.campaign(lease_seconds=3600), items)
    key, rng, kills = access.issue_key(house.desk.engine, "acme").key, random.Random(2), 0
    end = time.monotonic() + 90
    while house.desk.states("batch_items", round_) != {"complete": items}:
        argv = [sys.executable, "-c", VENDOR, house.url, key, str(tmp_path / "journal"), str(kills)]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE)
        process.stdout.readline()
        wait = 0.1 + 0.4 * rng.random() if kills < 4 else 60
        until = time.monotonic() + wait
        while time.monotonic() < until and house.desk.states("batch_items", round_) != {"complete": items}:
            time.sleep(0.02)
        process.kill()
        process.wait()
        process.stdout.close()
        kills += 1
        assert time.monotonic() < end
    assert kills >= 3
    assert house.desk.one("SELECT count(*) FROM labelrounds.assignments") == items
    assert house.desk.one("SELECT count(*) FROM labelrounds.annotations") == items


def test_a_client_gives_up_on_what_trying_cannot_cure(house):
    house.desk.campaign()
    slept = []
    with pytest.raises(Refused, match="401 UNAUTHORIZED"):
        GatewayClient(house.url, "lr_wrong", sleep=slept.append).lease(1)
    key = access.issue_key(house.desk.engine, "acme").key
    client = GatewayClient(house.url, key, sleep=slept.append)
    with pytest.raises(Refused, match="404 NOT_FOUND"):
        client.call("GET", "/v1/schema/spam/77")
    assert slept == []
    client.close()
    assert json.loads(json.dumps(client.lease(1)))["tasks"] == []
