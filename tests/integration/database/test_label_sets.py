"""Campaigns whose labels are sets: from the vendor's answer to the label, beside campaigns of one class."""

import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from infra.database import campaigns, labels, vendors
from infra.database.campaigns import Offer
from infra.database.labels import Inferred
from tasks.beliefs import believe as infer
from tasks.beliefs import make_labels
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.truth.labelset import indicators, text_of
from tasks.vendors.http_vendor import Habits, HttpVendor
from tests.integration.database.door import Door

TOPICS = ["politics", "sport", "7", 'say "no"']
THREE = {"acme": 10, "bolt": 10, "coda": 10}


def sets_campaign(desk, name="news", *, vendors=None, task="multilabel", classes=TOPICS, lease_seconds=60):
    """Register a campaign of which an item has any number of classes."""
    vendors = vendors or {"acme": 10}
    spec = {
        **desk.campaign(f"{name}-model", vendors=vendors).spec,
        "name": name,
        "task": task,
        "classes": classes,
        # Its confidence can be told beforehand.
        "truth": {"method": "majority"},
    }
    offers = [Offer(vendor, price, lease_seconds) for vendor, price in vendors.items()]
    return campaigns.register(desk.engine, name, spec, "digest", offers)


def believe(desk, round_):
    """Make labels of the answers, as `tasks.collect` does."""
    place, campaign = SimpleNamespace(engine=desk.engine), Campaign.model_validate(round_.spec)
    return make_labels(place, round_, campaign, infer(place, round_.campaign_id, campaign))


def test_a_lease_says_what_kind_of_answer_is_wanted(desk):
    desk.publish(sets_campaign(desk), ["a"])
    desk.publish(desk.campaign(), ["b"])
    found = {task["campaign"]: (task["task"], task["classes"]) for task in desk.client().lease()}
    assert found == {"news": ("multilabel", TOPICS), "spam": ("classification", ["ham", "spam"])}


def test_an_old_campaign_file_is_classification(desk):
    campaign = desk.campaign()
    spec = {key: value for key, value in campaign.spec.items() if key != "task"}
    desk.publish(campaigns.register(desk.engine, "spam", spec, "digest", [Offer("acme", 10, 60)]), ["a"])
    client = desk.client()
    (task,) = client.lease()
    assert task["task"] == "classification"
    assert client.answer([task]) == ["accepted"]


def test_each_row_is_judged_alone(desk):
    desk.publish(sets_campaign(desk), 8)
    client = desk.client()
    a, b, c, d, e, f, g, h = (str(task["assignment_id"]) for task in client.lease())
    rows = [
        {"assignment_id": a, "label": ["sport", "politics", "sport"]},
        {"assignment_id": a, "label": ["politics", "sport"]},
        {"assignment_id": a, "label": ["politics"]},
        {"assignment_id": b, "label": []},
        {"assignment_id": c, "answer": "skip"},
        {"assignment_id": d, "label": [7, 'say "no"']},
        {"assignment_id": e, "label": ["sport", "eggs"]},
        {"assignment_id": e, "label": ["sport", None]},
        {"assignment_id": e, "label": [["sport"]]},
        {"assignment_id": e, "label": "sport"},
        {"assignment_id": f, "label": '["sport"]'},
        {"assignment_id": f, "label": {"sport": 1}},
        {"assignment_id": f, "label": 7},
        {"assignment_id": f, "label": True},
        {"assignment_id": g},
        {"assignment_id": g, "label": None},
        {"assignment_id": h, "answer": "maybe", "label": []},
    ]
    got = client.submit(rows)
    assert [row["code"] or row["result"] for row in got] == [
        "accepted", "duplicate", "CONFLICT", "accepted", "accepted", "accepted", "LABEL_NOT_IN_SCHEMA",
        "LABEL_NOT_IN_SCHEMA", "LABEL_NOT_IN_SCHEMA", "BAD_TYPE", "BAD_TYPE", "BAD_TYPE", "BAD_TYPE", "BAD_TYPE",
        "MISSING_FIELD", "MISSING_FIELD", "BAD_TYPE",
    ]  # fmt: skip
    stored = desk.run("SELECT assignment_id::text, label FROM labelrounds.annotations")
    assert dict(map(tuple, stored)) == {
        a: '["politics","sport"]', b: "[]", c: None, d: '["7","say \\"no\\""]',
    }  # fmt: skip
    kept = dict(desk.run("SELECT row_no, raw FROM labelrounds.rejects"))
    assert kept == {n: rows[n] for n, row in enumerate(got) if row["result"] == "rejected"}


def test_a_list_of_one_is_that_class_where_a_label_is_one_class(desk):
    desk.publish(desk.campaign(), 1)
    client = desk.client()
    (task,) = client.lease()
    rows = [
        {"assignment_id": task["assignment_id"], "label": one}
        for one in ([], ["ham", "spam"], {"ham": 1}, ["eggs"], ["ham"], "ham")
    ]
    assert [row["code"] or row["result"] for row in client.submit(rows)] == [
        "BAD_TYPE", "BAD_TYPE", "LABEL_NOT_IN_SCHEMA", "BAD_TYPE", "accepted", "duplicate",
    ]  # fmt: skip


STRANGE = [
    "a", "b c", " ", "[]", '["a"]', ",", '"', "\\", "\\u0041", "/", "'", "ä", "\u202e\U0001f600", "\u2028", "\x7f",
    *(chr(code) for code in range(1, 32)),
]  # fmt: skip


def test_the_queue_and_we_write_a_set_alike(desk):
    for _ in range(100):
        classes = desk.rng.sample(STRANGE, desk.rng.randint(1, len(STRANGE)))
        given = desk.rng.choices(classes, k=desk.rng.randint(0, 8))
        written = desk.one(
            "SELECT labelrounds.label_set(CAST(:classes AS jsonb), CAST(:given AS jsonb))",
            classes=json.dumps(classes), given=json.dumps(given),
        )  # fmt: skip
        assert written == text_of(given, classes)


def test_a_label_is_what_most_vendors_named(desk):
    campaign = sets_campaign(desk, vendors=THREE)
    round_ = desk.publish(campaign, ["x", "y", "z"], overlap=3)
    answers = {
        "acme": {"x": ["politics", "sport"], "y": [], "z": ["7"]},
        "bolt": {"x": ["sport"], "y": [], "z": None},
        "coda": {"x": ["7"], "y": [], "z": None},
    }
    for name, of_item in answers.items():
        client = desk.client(name)
        rows = []
        for task in client.lease():
            given = of_item[task["payload"]["text"]]
            told = {"answer": "skip"} if given is None else {"label": given}
            rows.append({"assignment_id": task["assignment_id"], **told})
        assert [row["result"] for row in client.submit(rows)] == ["accepted"] * 3
    assert believe(desk, round_) == 3
    found = {
        one.item_id: (one.label, one.confidence)
        for one in labels.current_labels(desk.engine, campaign.campaign_id)
    }
    assert found == {
        "x": ('["sport"]', pytest.approx(2 / 3)), "y": ("[]", 1.0), "z": ('["7"]', 1.0),
    }  # fmt: skip
    exported = {row["item_id"]: row for row in labels.export(desk.engine, "news")}
    assert exported["x"]["label"] == '["sport"]'
    assert exported["x"]["vendors"] == "acme,bolt,coda"
    assert campaigns.labels_by_round(desk.engine, campaign.campaign_id) == [(1, "7", 1), (1, "sport", 1)]


def test_labels_of_one_class_are_counted_as_they_are(desk):
    """Also a class that looks like a list."""
    campaign = sets_campaign(desk, task="classification", classes=['["a"]', "b"])
    round_ = desk.publish(campaign, ["x", "y"])
    beliefs = [
        Inferred("x", 1, "work", '["a"]', 1.0, (1,), round_.round_id),
        Inferred("y", 1, "work", "b", 1.0, (2,), round_.round_id),
    ]
    labels.insert_labels(desk.engine, round_.campaign_id, beliefs, "majority")
    assert campaigns.labels_by_round(desk.engine, campaign.campaign_id) == [(1, '["a"]', 1), (1, "b", 1)]


def test_the_task_is_fixed_once_a_round_was_opened(desk):
    sets_campaign(desk)
    desk.publish(sets_campaign(desk, task="classification"), 1)
    with pytest.raises(UsageError, match="task in earlier rounds: classification; now: multilabel"):
        sets_campaign(desk)
    with pytest.raises(UsageError, match="classes in earlier rounds"):
        sets_campaign(desk, task="classification", classes=["politics", "sport"])


def test_the_simulated_vendor_answers_sets(desk):
    campaign = sets_campaign(desk)
    round_ = desk.publish(campaign, 300)
    truth = {f"item-{n:05}": frozenset(TOPICS[: n % 3]) for n in range(300)}
    vendor = HttpVendor(
        Door(vendors.give_login(desk.engine, "acme")), lambda payload: truth[payload["text"]],
        Habits(error_rate=0.1, batch=60), np.random.default_rng(0),
    )  # fmt: skip
    stop = threading.Event()
    worker = threading.Thread(target=vendor.work, args=(stop, 0.05))
    worker.start()
    try:
        end = time.monotonic() + 60
        while desk.states("batch_items", round_).get("complete") != 300:
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        stop.set()
        worker.join()
    assert vendor.tally.rows == {"accepted": 300}
    assert believe(desk, round_) == 300
    stored = labels.current_labels(desk.engine, campaign.campaign_id)
    said = indicators([one.label for one in stored], TOPICS)
    right = indicators([text_of(truth[one.item_id], TOPICS) for one in stored], TOPICS)
    assert 0.07 < np.mean(said != right) < 0.13
    # Both ways: named what is not there, left out what is.
    assert 0 < np.mean(said[right == 1] == 0) < 0.2
    assert 0 < np.mean(said[right == 0] == 1) < 0.2
    task = {"assignment_id": "", "payload": {"text": "item-00002"}, "classes": TOPICS}
    assert vendor.row(task) == vendor.row(task)
