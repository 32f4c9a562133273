"""Answers become labels, rounds close, withdrawn items are free again."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from infra.database import campaigns, labels, queue, rounds, vendors
from infra.database.labels import Inferred
from infra.workplace import Workplace
from tasks.collect import collect, renew_labels
from tasks.errors import UsageError
from tasks.vendors.http_vendor import Habits, HttpVendor
from tests.integration.database.door import Door

SHARE_HALF = "close: {share: 0.5}\n"
THREE = {"acme": 10, "bolt": 10, "coda": 10}


@pytest.fixture
def workplace(data_settings):
    place = Workplace(data_settings)
    yield place
    place.close()


def by_item(desk, campaign):
    return {label.item_id: label for label in labels.current_labels(desk.engine, campaign.campaign_id)}


def answer_all(desk, name, choose):
    client = desk.client(name)
    tasks = client.lease()
    rows = [{"assignment_id": task["assignment_id"], **choose(task["payload"]["text"])} for task in tasks]
    return [row["result"] for row in client.submit(rows)]


def test_the_majority_of_the_answers(desk, workplace):
    campaign = desk.campaign(vendors=THREE, overlap=3)
    round_ = desk.publish(campaign, ["a", "b", "c", "d"], overlap=3)
    skip, ham, spam = {"answer": "skip"}, {"label": "ham"}, {"label": "spam"}
    answers = {
        "acme": {"a": ham, "b": ham, "c": skip, "d": ham},
        "bolt": {"a": spam, "b": ham, "c": skip, "d": skip},
        "coda": {"a": spam, "b": ham, "c": skip, "d": skip},
    }
    for name, of_item in answers.items():
        assert answer_all(desk, name, of_item.__getitem__) == ["accepted"] * 4
    closed = collect.fn(workplace, round_)
    assert closed.state == "closed"
    found = by_item(desk, campaign)
    assert {item: label.label for item, label in found.items()} == {"a": "spam", "b": "ham", "d": "ham"}
    assert 0.5 < found["a"].confidence < found["b"].confidence < 1.0
    rows = {row["item_id"]: row for row in labels.export(desk.engine, "spam")}
    assert (rows["a"]["vendors"], rows["a"]["n_answers"], rows["a"]["round"]) == ("acme,bolt,coda", 3, 1)
    assert (rows["d"]["vendors"], rows["d"]["n_answers"]) == ("acme", 1)
    # What all skipped has no label, and is not asked again.
    assert sorted(labels.taken_items(desk.engine, campaign.campaign_id)) == ["a", "b", "c", "d"]


def test_collecting_again_changes_nothing(desk, workplace):
    campaign = desk.campaign()
    round_ = desk.publish(campaign, ["a", "b"])
    client = desk.client()
    client.answer(client.lease(1))
    assert collect.fn(workplace, round_).state == "published"
    assert len(by_item(desk, campaign)) == 1
    assert collect.fn(workplace, round_).state == "published"
    client.answer(client.lease(1))
    assert collect.fn(workplace, round_).state == "closed"
    assert collect.fn(workplace, round_).state == "closed"
    assert desk.one("SELECT count(*) FROM labelrounds.labels") == 2


def test_a_surplus_answer_is_no_vote(desk, workplace):
    campaign = desk.campaign(vendors=THREE)
    round_ = desk.publish(campaign, ["a"])
    late, quick = desk.client("acme"), desk.client("bolt")
    held = late.lease()
    desk.lapse(held)
    queue.expire(desk.engine)
    quick.answer(quick.lease(), "ham")
    assert late.answer(held, "spam") == ["surplus"]
    collect.fn(workplace, round_)
    found = by_item(desk, campaign)["a"]
    assert found.label == "ham"
    assert labels.export(desk.engine, "spam")[0]["n_answers"] == 1


def test_a_round_closes_at_its_share(desk, workplace):
    campaign = desk.campaign(more=SHARE_HALF)
    round_ = desk.publish(campaign, 6)
    client = desk.client()
    client.answer(client.lease(2))
    assert collect.fn(workplace, round_).state == "published"
    client.answer(client.lease(1))
    assert collect.fn(workplace, round_).state == "closed"
    assert campaigns.balance(desk.engine, campaign.campaign_id) == campaigns.Balance(3, 30, 0)


def test_a_round_closes_at_its_due_time_and_what_is_missing_is_free_again(desk, workplace):
    campaign = desk.campaign()
    round_ = desk.publish(campaign, ["a", "b", "c"])
    client = desk.client()
    (answered, *_) = tasks = client.lease()
    client.answer([answered])
    desk.let_due(round_)
    assert collect.fn(workplace, round_).state == "closed"
    assert campaigns.balance(desk.engine, campaign.campaign_id) == campaigns.Balance(1, 10, 0)
    assert list(labels.taken_items(desk.engine, campaign.campaign_id)) == [answered["payload"]["text"]]
    left = sorted({"a", "b", "c"} - {answered["payload"]["text"]})
    again = desk.publish(campaign, left)
    # The late answers for the old round change nothing in the new one.
    assert client.answer(tasks[1:], "spam") == ["BATCH_CLOSED", "BATCH_CLOSED"]
    assert collect.fn(workplace, again).state == "published"
    assert client.answer(client.lease(), "ham") == ["accepted", "accepted"]
    assert collect.fn(workplace, again).state == "closed"
    assert {item: label.label for item, label in by_item(desk, campaign).items()} == dict.fromkeys(
        "abc", "ham"
    )


def test_a_round_is_not_closed_over_a_vendor_at_work(desk, workplace):
    """Its open transaction may bring an answer; what it brings is labelled by the next collect."""
    campaign = desk.campaign()
    round_ = desk.publish(campaign, 3)
    client = desk.client()
    tasks = client.lease(1)
    client.connection.autocommit = False
    client.answer(tasks)
    desk.let_due(round_)
    assert collect.fn(workplace, round_).state == "published"
    client.connection.commit()
    assert collect.fn(workplace, round_).state == "closed"
    assert len(by_item(desk, campaign)) == 1


def test_two_collect_at_once(desk, workplace):
    campaign = desk.campaign()
    round_ = desk.publish(campaign, 200)
    client = desk.client()
    client.answer(client.lease(150))
    desk.let_due(round_)
    errors = []

    def run():
        try:
            collect.fn(workplace, round_)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert rounds.find(desk.engine, round_.round_id).state == "closed"
    assert len(by_item(desk, campaign)) == 150


def test_an_audit_label_carries_its_probability(desk, workplace):
    campaign = desk.campaign()
    picks = desk.picks(["a"])
    audit = replace(picks[0], kind="audit", score=None, inclusion_probability=0.125)
    round_ = desk.publish_picks(campaign, [audit])
    client = desk.client()
    client.answer(client.lease())
    collect.fn(workplace, round_)
    found = by_item(desk, campaign)["a"]
    assert (found.kind, found.inclusion_probability) == ("audit", 0.125)


def test_seed_labels_are_stored_once(desk):
    campaign = desk.campaign()
    assert labels.import_seed(desk.engine, campaign.campaign_id, ["a", "b"], ["ham", "spam"]) == 2
    assert labels.import_seed(desk.engine, campaign.campaign_id, ["b", "c"], ["ham", "ham"]) == 1
    assert labels.import_seed(desk.engine, campaign.campaign_id, [], []) == 0
    assert {item: label.label for item, label in by_item(desk, campaign).items()} == {
        "a": "ham",
        "b": "spam",
        "c": "ham",
    }
    with pytest.raises(UsageError, match="seed labels"):
        labels.import_seed(desk.engine, campaign.campaign_id, ["a\x00"], ["ham"])


def test_many_seed_labels(desk):
    campaign = desk.campaign()
    ids = [f"item-{n}" for n in range(100_000)]
    begun = time.monotonic()
    assert labels.import_seed(desk.engine, campaign.campaign_id, ids, ["ham"] * len(ids)) == len(ids)
    assert labels.import_seed(desk.engine, campaign.campaign_id, ids, ["spam"] * len(ids)) == 0
    assert len(labels.taken_items(desk.engine, campaign.campaign_id)) == len(ids)
    assert time.monotonic() - begun < 60


def test_an_item_keeps_the_label_that_it_got_first(desk):
    campaign = desk.campaign()
    round_ = desk.publish(campaign, ["a"])
    labels.import_seed(desk.engine, campaign.campaign_id, ["a"], ["ham"])
    assert (
        labels.insert_labels(
            desk.engine,
            campaign.campaign_id,
            [Inferred("a", 1, "work", "spam", 1.0, (1, 2), round_.round_id)],
            "majority",
        )
        == 0
    )
    assert by_item(desk, campaign)["a"].kind == "seed"


def test_the_simulated_vendor_works_the_queue_off(desk, workplace):
    """Some leases late, the sweep beside, and its connection lost in the middle."""
    campaign = desk.campaign(lease_seconds=1)
    round_ = desk.publish(campaign, 200)
    habits = Habits(error_rate=0.1, late_rate=0.3, late_seconds=1.2, batch=20)
    door = Door(vendors.give_login(desk.engine, "acme"))
    vendor = HttpVendor(door, lambda payload: "ham", habits, np.random.default_rng(1))
    stop = threading.Event()
    worker = threading.Thread(target=vendor.work, args=(stop, 0.05))
    worker.start()
    try:
        end, cut = time.monotonic() + 60, False
        while collect.fn(workplace, round_).state != "closed":
            queue.expire(desk.engine)
            done = desk.states("batch_items", round_).get("complete", 0)
            if done >= 50 and not cut:
                cut = bool(desk.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                    "WHERE usename LIKE 'lr_vendor_%' AND datname = current_database()"))  # fmt: skip
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        stop.set()
        worker.join()
    assert cut
    assert len(by_item(desk, campaign)) == 200
    assert 0 < sum(label.label == "spam" for label in by_item(desk, campaign).values()) < 60


def test_a_correction_is_a_new_version_and_a_skip_withdraws_the_label(desk, workplace):
    campaign = desk.campaign()
    round_ = desk.publish(campaign, ["a", "b"])
    client = desk.client()
    held = {task["payload"]["text"]: task["assignment_id"] for task in client.lease()}
    client.submit([{"assignment_id": one, "label": "ham"} for one in held.values()])
    assert collect.fn(workplace, round_).state == "closed"
    changes = [
        {"client_annotation_id": held["a"], "base_revision": 1, "label": "spam", "reason": "misread"},
        {"client_annotation_id": held["b"], "base_revision": 1, "answer": "skip", "reason": "cannot tell"},
    ]
    assert [row["result"] for row in client.correct(changes)] == ["corrected"] * 2
    opened = rounds.open_round(desk.engine, campaign.campaign_id, campaign.spec, "digest", None)
    early = labels.export(desk.engine, "spam", opened.opened_at)
    assert {row["item_id"]: row["label"] for row in early} == {"a": "ham", "b": "ham"}
    renew_labels.fn(workplace, opened)
    assert {item: label.label for item, label in by_item(desk, campaign).items()} == {"a": "spam"}
    renew_labels.fn(workplace, opened)
    # Once more nothing is new; what was trained on before stays as it was.
    assert desk.run("SELECT item_id, max(version) FROM labelrounds.labels GROUP BY 1 ORDER BY 1") == [
        ("a", 2),
        ("b", 2),
    ]
    assert labels.export(desk.engine, "spam", opened.opened_at) == early


def test_doubt_is_asked_on_until_a_senior_decides(desk, workplace):
    """Two who disagree, then a third, then whoever is senior; as far as the money goes."""
    more = "truth: {max_answers: 3, confidence: 0.999}\n"
    campaign = desk.campaign(vendors=THREE | {"expert": 90}, overlap=2, more=more, senior=("expert",))
    round_ = desk.publish(campaign, ["a"], overlap=2)
    ham, spam = {"a": {"label": "ham"}}, {"a": {"label": "spam"}}
    assert answer_all(desk, "acme", ham.__getitem__) == ["accepted"]
    assert answer_all(desk, "bolt", spam.__getitem__) == ["accepted"]
    assert collect.fn(workplace, round_).state == "published"
    assert desk.client("acme").lease() == desk.client("expert").lease() == []
    assert answer_all(desk, "coda", ham.__getitem__) == ["accepted"]
    assert collect.fn(workplace, round_).state == "published"
    assert answer_all(desk, "expert", spam.__getitem__) == ["accepted"]
    assert collect.fn(workplace, round_).state == "closed"
    assert labels.export(desk.engine, "spam")[0]["n_answers"] == 4
