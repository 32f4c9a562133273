"""The contract over HTTP: what each call answers."""

import json
import uuid
from datetime import datetime, timedelta

import requests

from flows.vendor.conformance import run
from flows.vendor.sandbox import publish
from infra.database import queue, rounds, vendors
from infra.gateway.page import page


def rows_of(tasks, label="ham"):
    return [{"assignment_id": task["assignment_id"], "label": label} for task in tasks]


def test_the_gateway_conforms_to_its_contract_in_every_sandbox(house):
    """The second round of the sandbox is a fresh one, and the vendors of the first stay."""
    for vendor in ("acme", "bolt"):
        publish(house.desk.engine, vendor, 20)
    checks = list(run(house.url, house.vendor("acme").key))
    assert [(check.name, check.sentence) for check in checks if not check.passed] == []
    assert len(checks) == 21
    states = [round_.state for round_ in rounds.rounds_of(house.desk.engine, "sandbox")]
    assert sorted(states) == ["closed", "published"]
    assert [check.name for check in run(house.url, "lr_wrong") if check.passed] == ["wrong_key"]


def test_a_lease_shows_what_the_vendor_needs_and_nothing_else(house):
    house.desk.publish(house.desk.campaign(), ["a"])
    (task,) = house.vendor().lease()["tasks"]
    assert set(task) == {
        "assignment_id", "item", "campaign", "payload", "payload_urls", "payload_urls_expire_at", "schema", "task",
        "classes", "priority", "expires_at", "due_at",
    }  # fmt: skip
    assert task["payload"] == {"text": "a"}


def test_calls_are_repeated_without_harm(house):
    house.desk.publish(house.desk.campaign(), 10)
    acme, request = house.vendor(), str(uuid.uuid4())
    lease = acme.lease(6, request_id=request)
    assert acme.lease(6, request_id=request) == lease
    path = f"/v1/leases/{lease['lease_id']}"
    for call, body in (
        ("/v1/annotations", {"rows": rows_of(lease["tasks"][:3])}),
        (f"{path}/extend", {"ttl_s": 20}),
        (f"{path}/release", {"assignment_ids": [lease["tasks"][3]["assignment_id"]], "reason": "too hard"}),
    ):
        body = {"request_id": str(uuid.uuid4()), **body}
        first, second = (acme.post(call, body) for _ in range(2))
        assert first.status_code == 200, first.text
        assert first.content == second.content
        changes = {"rows": [{}], "ttl_s": 9, "reason": ""}
        changed = next(({key: value} for key, value in changes.items() if key in body), {"reason": ""})
        other = acme.post(call, body | changed)
        assert (other.status_code, other.json()["code"]) == (409, "REQUEST_ID_REUSED")
    (held,) = acme.ask("GET", "/v1/leases?open=1").json()["leases"]
    assert set(held["assignments"]) == {task["assignment_id"] for task in lease["tasks"][4:]}
    assert house.desk.one("SELECT count(*) FROM labelrounds.annotations") == 3


def test_an_empty_queue_says_when_to_come_back(house):
    house.desk.campaign()
    told = house.vendor().lease()
    assert told["tasks"] == []
    assert told["lease_id"] is None
    assert 5 <= told["retry_after_s"] <= 60


def test_late_answers_and_another_vendors(house):
    campaign = house.desk.campaign(vendors={"acme": 10, "bolt": 10})
    house.desk.publish(campaign, 2)
    acme, bolt = house.vendor("acme"), house.vendor("bolt")
    tasks = acme.lease()["tasks"]
    assert bolt.answer(tasks) == ["UNKNOWN_ASSIGNMENT"] * 2
    house.desk.lapse(tasks)
    queue.expire(house.desk.engine)
    (taken,) = bolt.lease(1)["tasks"]
    assert sorted(acme.answer(tasks)) == ["late_accepted", "surplus"]
    assert bolt.answer([taken]) == ["accepted"]
    events = acme.ask("GET", "/v1/events").json()["events"]
    assert "lease.expired" in {event["type"] for event in events}
    assert acme.ask("GET", f"/v1/events?after={events[-1]['seq']}").json() == {"events": []}


def test_a_suspended_vendor_may_not_lease_but_loses_nothing(house):
    house.desk.publish(house.desk.campaign(), 4)
    acme = house.vendor()
    tasks = acme.lease(2)["tasks"]
    vendors.suspend(house.desk.engine, "acme", "gold")
    refused = acme.post("/v1/leases", {"max": 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert acme.answer(tasks) == ["surplus"] * 2
    vendors.suspend(house.desk.engine, "acme", "gone", state="closed")
    assert acme.ask("GET", "/v1/report").status_code == 403


def test_payloads_in_s3_have_addresses_that_can_be_renewed(house, storage, bucket):
    storage.put(f"s3://{bucket}/pictures/1.png", b"\x89PNG")
    picks = house.desk.picks(["a"])
    inner = {
        "text": "a", "image": f"s3://{bucket}/pictures/1.png", "number": 7, "nothing": None,
        "secret": "s3://labelrounds/models/champion", "odd": "s3://", "folder": f"s3://{bucket}/",
    }  # fmt: skip
    picks = [type(pick)(**{**vars(pick), "payload": json.dumps(inner)}) for pick in picks]
    house.desk.publish_picks(house.desk.campaign(lease_seconds=600), picks)
    acme = house.vendor()
    (task,) = acme.lease(ttl_s=300)["tasks"]
    assert set(task["payload_urls"]) == {"image"}
    assert requests.get(task["payload_urls"]["image"], timeout=10).content == b"\x89PNG"
    assert _time(task["payload_urls_expire_at"]) >= _time(task["expires_at"])
    ids = [task["assignment_id"], str(uuid.uuid4())]
    (fresh,) = acme.ask("POST", "/v1/payload_urls", json={"assignment_ids": ids}).json()["payloads"]
    assert fresh["assignment_id"] == ids[0]
    assert requests.get(fresh["payload_urls"]["image"], timeout=10).content == b"\x89PNG"
    acme.answer([task])
    assert acme.ask("POST", "/v1/payload_urls", json={"assignment_ids": ids}).json() == {"payloads": []}


def _time(text):
    return datetime.fromisoformat(text) + timedelta(seconds=1)  # addresses are counted in whole seconds


def test_several_labels(house):
    more = "task: multilabel\n"
    house.desk.publish(house.desk.campaign(more=more), 3)
    acme = house.vendor()
    tasks = acme.lease()["tasks"]
    assert {task["task"] for task in tasks} == {"multilabel"}
    labels = [["spam", "ham"], [], "ham"]
    rows = [row | {"label": label} for row, label in zip(rows_of(tasks), labels, strict=True)]
    assert [row["code"] or row["result"] for row in acme.submit(rows)["rows"]] == [
        "accepted",
        "accepted",
        "BAD_TYPE",
    ]


def test_the_pages(house):
    document = requests.get(f"{house.url}/openapi.json", timeout=10).json()
    shown = requests.get(f"{house.url}/docs", timeout=10)
    assert shown.text == page(document)
    assert "<script" not in shown.text
    assert "cdn" not in shown.text
    for path in document["paths"]:
        assert path in shown.text
    assert "ProblemDocument" in document["components"]["schemas"]
    assert requests.get(house.url, timeout=10).url.endswith("/docs")
