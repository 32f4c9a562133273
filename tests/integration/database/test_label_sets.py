"""Campaigns whose labels are sets: from the vendor's answer to the label, beside campaigns of one class."""

import json
import threading
import time
import uuid

import numpy as np
import psycopg2
import psycopg2.extras
import pytest

from infra.database import campaigns, labels, queue, rounds
from infra.database.campaigns import Offer
from infra.database.engine import MIGRATIONS, migrate
from infra.database.labels import Belief
from tasks.errors import UsageError
from tasks.truth import majority_of_sets
from tasks.truth.labelset import indicators, text_of, texts_of
from tasks.vendors.simulated import Habits, SimulatedVendor

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
    }
    offers = [Offer(vendor, price, lease_seconds) for vendor, price in vendors.items()]
    return campaigns.register(desk.engine, name, spec, "digest", offers)


def believe(desk, round_):
    """Make labels of the answers, as `tasks.collect` does where a label is one class."""
    answers = labels.unlabelled_answers(desk.engine, round_)
    items = sorted({answer.batch_item_id for answer in answers})
    vote = majority_of_sets(
        np.array([items.index(answer.batch_item_id) for answer in answers]),
        indicators([answer.label for answer in answers], TOPICS),
    )
    first = {answer.batch_item_id: answer for answer in reversed(answers)}
    beliefs = [
        Belief(first[item].item_id, first[item].kind, text, float(sure),
               tuple(one.annotation_id for one in answers if one.batch_item_id == item))
        for item, text, sure in zip(items, texts_of(vote.labels, TOPICS), vote.confidence, strict=True)
    ]  # fmt: skip
    return labels.insert_labels(desk.engine, round_, beliefs, "majority of each class")


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
    assert [row["code"] or row["status"] for row in got] == [
        "accepted", "duplicate", "ALREADY_ANSWERED", "accepted", "accepted", "accepted", "UNKNOWN_CLASS",
        "UNKNOWN_CLASS", "UNKNOWN_CLASS", "NOT_A_LIST", "NOT_A_LIST", "NOT_A_LIST", "NOT_A_LIST", "NOT_A_LIST",
        "LABEL_MISSING", "LABEL_MISSING", "UNKNOWN_ANSWER",
    ]  # fmt: skip
    stored = desk.run("SELECT assignment_id::text, label FROM labelrounds.annotations")
    assert dict(map(tuple, stored)) == {
        a: '["politics","sport"]', b: "[]", c: None, d: '["7","say \\"no\\""]',
    }  # fmt: skip
    kept = dict(desk.run("SELECT row_no, raw FROM labelrounds.rejects"))
    assert kept == {n: rows[n] for n, row in enumerate(got) if row["status"] == "rejected"}


def test_a_list_is_no_answer_where_a_label_is_one_class(desk):
    desk.publish(desk.campaign(), 1)
    client = desk.client()
    (task,) = client.lease()
    rows = [
        {"assignment_id": task["assignment_id"], "label": one} for one in (["ham"], [], {"ham": 1}, "ham")
    ]
    assert [row["code"] or row["status"] for row in client.submit(rows)] == [
        "NOT_ONE_CLASS", "NOT_ONE_CLASS", "UNKNOWN_CLASS", "accepted",
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
        assert [row["status"] for row in client.submit(rows)] == ["accepted"] * 3
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
    beliefs = [Belief("x", "work", '["a"]', 1.0, (1,)), Belief("y", "work", "b", 1.0, (2,))]
    labels.insert_labels(desk.engine, round_, beliefs, "majority")
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
    vendor = SimulatedVendor(
        queue.give_login(desk.engine, "acme"), lambda payload: truth[payload["text"]], tuple(TOPICS),
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
    assert vendor.label({"text": "item-00002"}) == vendor.label({"text": "item-00002"})


def test_a_database_of_the_first_version_moves_on_under_its_vendors(other_desk):
    """Leases that are out are answered as if nothing had happened, and the same request gives the same lease."""
    from alembic import command
    from alembic.config import Config

    desk = other_desk
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA labelrounds")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    desk.publish(desk.campaign(), 3)
    client, request = desk.client(), str(uuid.uuid4())
    before = client.lease(2, request)
    assert "task" not in before[0]
    migrate(desk.engine)
    assert client.answer(before[:1]) == ["accepted"]
    again = client.lease(2, request)
    assert [{**row, "task": "classification"} for row in before] == again
    assert list(again[0])[: len(before[0])] == list(before[0])  # who reads by place reads on
    assert client.answer(again[1:]) == ["accepted"]
    with client.connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("SELECT labelrounds.label_set('[]', '[]')")
    rounds.store(desk.engine, rounds.find(desk.engine, 1), "closed")
    desk.publish(sets_campaign(desk), ["later"])
    (task,) = [task for task in client.lease() if task["task"] == "multilabel"]
    rows = [{"assignment_id": task["assignment_id"], "label": ["sport"]}]
    assert [row["status"] for row in client.submit(rows)] == ["accepted"]
    desk.check()
