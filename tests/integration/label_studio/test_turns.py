"""Turns against the real server: what is offered stands there once, what is answered comes back once."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tasks.errors import UsageError, VendorUnreachable
from tasks.vendors.connector import LabelSchema
from tests.integration.label_studio.conftest import Bench
from tests.integration.label_studio.desk import SPAM, Desk
from tests.integration.label_studio.server import TOKEN, LabelStudioServer, free_port


def test_a_campaign_gets_one_project_with_its_tasks_in_order(bench: Bench, desk: Desk) -> None:
    desk.add(["one", "two", "three"])
    assert bench.connector().offer(desk.held) == 3
    assert bench.connector().offer(desk.held) == 0
    project, tasks = bench.project, bench.tasks()
    assert project["sampling"] == "Sequential sampling"
    assert project["show_collab_predictions"] is False
    assert project["expert_instruction"] == "Is this mail wanted?"
    assert [task["data"]["text"] for task in tasks] == ["one", "two", "three"]
    assert [task["data"]["item_id"] for task in tasks] == [offer.item for offer in desk.held]
    assert list(project["parsed_label_config"]["label"]["labels"]) == ["ham", "spam"]


def test_answers_skips_edits_and_deletions_come_back(bench: Bench, desk: Desk, anna: str) -> None:
    desk.add(["one", "two", "three", "four"])
    connector = bench.connector()
    desk.turn(connector)
    one, two, three, _ = (task["id"] for task in bench.tasks())
    first = bench.answer(one, "ham", anna)
    bench.answer(two, "spam", anna, was_cancelled=True)  # a skip of a form that was filled in beforehand
    third = bench.answer(three, "spam", anna)
    desk.turn(connector)
    assert desk.labels() == ["ham", "spam"]
    assert sorted(known.answer for known in desk.known.values()) == ["label", "label", "skip"]
    row = desk.known[f"ls:{bench.project['id']}:{first}"]
    assert row.annotator is not None
    assert row.annotator.startswith("user-")

    bench.edit(first, ["spam"])
    bench.delete(third)
    desk.turn(connector)
    assert desk.known[f"ls:{bench.project['id']}:{first}"].label == "spam"
    assert desk.known[f"ls:{bench.project['id']}:{third}"].answer == "skip"
    assert desk.labels() == ["spam"]
    assert not desk.rejected
    assert not desk.turn(connector).rows

    bench.answer(three, "ham", anna)
    desk.turn(connector)
    assert desk.labels() == ["ham", "spam"]
    assert not desk.rejected


def test_a_lost_cursor_changes_nothing(bench: Bench, desk: Desk, anna: str) -> None:
    desk.add(["one", "two"])
    connector = bench.connector()
    desk.turn(connector)
    one, two = (task["id"] for task in bench.tasks())
    first = bench.answer(one, "ham", anna)
    desk.turn(connector)
    desk.cursor = {}
    bench.delete(first)
    bench.answer(two, "spam", anna)
    desk.turn(connector)
    assert desk.labels() == ["spam"]
    known = dict(desk.known)
    desk.cursor = {}
    desk.turn(connector)
    assert desk.known == known


def test_overlap_wants_distinct_annotators(bench: Bench, desk: Desk, anna: str, ben: str) -> None:
    desk.add(["one"], overlap=2)
    desk.add(["two"])
    connector = bench.connector()
    desk.turn(connector)
    tasks = bench.tasks()
    assert [task["overlap"] for task in tasks] == [2, 1]
    one = tasks[0]["id"]
    bench.answer(one, "ham", anna)
    bench.answer(one, "spam", anna)  # twice by one person: surplus
    desk.turn(connector)
    assert len(desk.known) == 1
    assert [row.label for row in desk.surplus] == ["spam"]
    assert not bench.tasks()[0]["is_labeled"]
    bench.answer(one, "spam", ben)
    desk.turn(connector)
    assert desk.labels() == ["ham", "spam"]
    assert bench.tasks()[0]["is_labeled"]
    bench.answer(one, "spam")  # over the overlap
    desk.turn(connector)
    assert [row.label for row in desk.surplus] == ["spam", "spam"]
    assert not desk.turn(connector).rows


def test_a_further_answer_of_an_answered_item_is_asked_of_somebody_else(
    bench: Bench, desk: Desk, anna: str, ben: str
) -> None:
    (offer,) = desk.add(["one"])
    connector = bench.connector()
    desk.turn(connector)
    task = bench.tasks()[0]["id"]
    bench.answer(task, "ham", anna)
    desk.turn(connector)
    assert bench.next(ben) is None
    desk.lease(offer.item, offer.payload)
    desk.turn(connector)
    assert bench.next(ben) == task
    assert bench.next(anna) is None
    bench.answer(task, "ham", ben)
    desk.turn(connector)
    assert desk.labels() == ["ham", "ham"]
    assert bench.tasks()[0]["is_labeled"]


def test_bad_results_are_refused_once_noted_and_do_not_block_the_task(
    bench: Bench, desk: Desk, anna: str, ben: str
) -> None:
    desk.add(["one", "two", "three", "four"])
    connector = bench.connector()
    desk.turn(connector)
    one, two, three, four = (task["id"] for task in bench.tasks())
    unknown = bench.answer(one, "eggs", anna)
    bench.answer(two, ["ham", "spam"], anna)
    bench.answer(three, None, anna)
    bench.answer(four, None, anna, result=[{**bench.result(["ham"]), "from_name": "other"}])
    desk.turn(connector)
    assert sorted(code for _, code in desk.rejected) == ["BAD_TYPE", "LABEL_NOT_IN_SCHEMA", "MISSING_FIELD"]
    assert [known.answer for known in desk.known.values()] == ["skip"]
    noted = bench.tasks()[0]
    assert noted["data"]["rejected"] == f"LABEL_NOT_IN_SCHEMA label (annotation {unknown})"
    for _ in range(3):
        desk.turn(connector)
    assert len(desk.rejected) == 3
    assert bench.next(ben) in (one, two, four)
    bench.edit(unknown, ["ham"])
    desk.turn(connector)
    assert desk.labels() == ["ham"]
    assert "rejected" not in bench.tasks()[0]["data"]


def test_ground_truth_is_no_answer(bench: Bench, desk: Desk) -> None:
    desk.add(["one"])
    connector = bench.connector()
    desk.turn(connector)
    bench.answer(bench.tasks()[0]["id"], "ham", ground_truth=True)
    assert not desk.turn(connector).rows


def test_what_is_withdrawn_goes_unless_somebody_answered(bench: Bench, desk: Desk, anna: str) -> None:
    lone, answered = desk.add(["one", "two"])
    twice = desk.add(["three"], overlap=2)
    connector = bench.connector()
    desk.turn(connector)
    tasks = {task["data"]["text"]: task for task in bench.tasks()}
    late = bench.answer(tasks["two"]["id"], "ham", anna)
    unwanted = [lone, answered, twice[0]]
    desk.offers = [twice[1]]
    for _ in range(2):
        connector.withdraw(unwanted)
    left = {task["data"]["text"]: task for task in bench.tasks()}
    assert set(left) == {"two", "three"}
    assert left["three"]["overlap"] == 1
    rows = connector.fetch(desk.held, [], {}).rows
    # Too late or not is for the database to say, and it knows the task by the assignment.
    assert [(row.assignment_id, row.client_annotation_id) for row in rows] == [
        (answered.assignment_id, f"ls:{bench.project['id']}:{late}")
    ]


def test_a_deleted_task_is_offered_again_and_its_answers_stay(bench: Bench, desk: Desk, anna: str) -> None:
    desk.add(["one", "two"])
    connector = bench.connector()
    desk.turn(connector)
    one, two = (task["id"] for task in bench.tasks())
    bench.answer(one, "ham", anna)
    desk.turn(connector)
    for task in (one, two):
        assert bench.studio.api("DELETE", f"/api/tasks/{task}/").status_code == 204
    desk.turn(connector)
    desk.cursor = {}
    desk.turn(connector)
    assert [task["data"]["text"] for task in bench.tasks()] == ["two"]
    assert desk.labels() == ["ham"]


def test_a_deleted_project_is_made_anew(bench: Bench, desk: Desk, anna: str) -> None:
    desk.add(["one", "two"])
    connector = bench.connector()
    desk.turn(connector)
    old = bench.project["id"]
    bench.answer(bench.tasks()[0]["id"], "ham", anna)
    desk.turn(connector)
    assert bench.studio.api("DELETE", f"/api/projects/{old}/").status_code == 204
    desk.turn(connector)
    assert bench.project["id"] != old
    assert len(bench.tasks()) == 1
    bench.answer(bench.tasks()[0]["id"], "spam", anna)
    desk.turn(connector)
    assert desk.labels() == ["ham", "spam"]


@pytest.mark.parametrize("classes", [
    ("1", "true", "<b>&amp;</b>", 'say "no"', "new\nline", "$price", "  pad ", "ä,b", "none of these"),
], ids=["odd names"])  # fmt: skip
def test_sets_of_odd_classes_come_back_as_they_were(
    bench: Bench, anna: str, classes: tuple[str, ...]
) -> None:
    desk = Desk(LabelSchema("odd", 1, "multilabel", classes))
    item = {"Betreff (neu)": "x", "label": "y", "item_id": "z", "fields": "w", "n": 3, "<a>": None}
    offers = [desk.lease(f"item-{n}", item) for n in range(3)]
    connector = bench.connector()
    desk.turn(connector)
    tasks = bench.tasks()
    assert [task["data"]["item_id"] for task in tasks] == [offer.item for offer in offers]
    choices = bench.project["parsed_label_config"]["label"]["labels"]
    assert len(set(choices)) == len(classes) + 1
    bench.answer(tasks[0]["id"], choices[:-1], anna)
    bench.answer(tasks[1]["id"], choices[-1:], anna)
    bench.answer(tasks[2]["id"], [choices[0], choices[-1]], anna)
    desk.turn(connector)
    assert {known.label for known in desk.known.values()} == {classes, ()}
    assert [code for _, code in desk.rejected] == ["LABEL_NOT_IN_SCHEMA"]


def test_new_classes_and_columns_reach_the_form(bench: Bench, desk: Desk) -> None:
    desk.add(["one"])
    bench.connector().offer(desk.held)
    desk.schema = replace(
        SPAM, version=2, classes=("ham", "spam", "scam"), instructions="Be <careful>\nplease"
    )
    desk.lease("other", {"subject": "s", "text": "t", "sender": "somebody"})
    bench.connector(predictions="shown", title="A new title").offer(desk.held)
    project = bench.project
    assert project["parsed_label_config"]["label"]["labels"] == ["ham", "spam", "scam"]
    assert "sender" in project["label_config"]
    assert "&lt;careful&gt;<br>please" in project["expert_instruction"]
    assert project["show_collab_predictions"] is True
    assert project["title"] == "A new title"


def test_an_interface_of_their_own_stays_theirs(bench: Bench, desk: Desk, anna: str) -> None:
    desk.add(["one"])
    connector = bench.connector()
    desk.turn(connector)
    theirs = (
        '<View><Text name="body" value="$text"/><Choices name="kind" toName="body"><Choice value="ham"/>'
        '<Choice value="spam"/></Choices></View>'
    )
    path = f"/api/projects/{bench.project['id']}/"
    assert bench.studio.api("PATCH", path, json={"label_config": theirs}).ok
    desk.add(["two"])
    desk.turn(connector)
    assert bench.project["label_config"] == theirs
    for task, choice in zip(bench.tasks(), ("ham", "spam"), strict=True):
        bench.answer(task["id"], choice, anna)
    desk.turn(connector)
    assert desk.labels() == ["ham", "spam"]


def test_presigned_addresses_are_renewed_before_they_lapse(bench: Bench, desk: Desk) -> None:
    def address(day: str) -> str:
        return f"https://s3.example.com/pool/cat.png?X-Amz-Date={day}T000000Z&X-Amz-Expires=3600"

    today = datetime.now(UTC).strftime("%Y%m%d")
    desk.lease("cat", {"picture": "s3://pool/cat.png"}, {"picture": address("20200101")})
    connector = bench.connector()
    connector.offer(desk.held)
    assert '<Image name="picture"' in bench.project["label_config"]
    desk.offers = [replace(desk.offers[0], urls={"picture": address(today)})]
    connector.offer(desk.held)
    assert bench.tasks()[0]["data"]["picture"] == address(today)


def test_a_personal_access_token_is_refreshed(bench: Bench, desk: Desk, studio: LabelStudioServer) -> None:
    made = studio.api("POST", "/api/token/")
    token = made.json()["token"]
    desk.add(["one"])
    connector = bench.connector(token=token)
    assert connector.offer(desk.held) == 1
    connector._client._access = connector._client._access[:-3] + "abc"  # type: ignore[index]
    assert connector.offer(desk.held) == 0


class Broken(requests.Session):
    """Ends at one request: before it is sent, or after the server has done it."""

    def __init__(self, at: int, *, lost_reply: bool) -> None:
        super().__init__()
        self.at, self.lost_reply, self.count = at, lost_reply, 0

    def request(self, *args: Any, **options: Any) -> requests.Response:
        self.count += 1
        if self.count == self.at and not self.lost_reply:
            raise requests.ConnectionError("the cable is out")
        answer = super().request(*args, **options)
        if self.count == self.at:
            raise requests.ReadTimeout("the reply is lost")
        return answer


@pytest.mark.slow
@pytest.mark.parametrize("lost_reply", [False, True], ids=["never sent", "lost reply"])
def test_a_turn_that_ends_at_any_call_is_made_up_for(
    studio: LabelStudioServer, lost_reply: bool, anna: str
) -> None:
    broken = 0
    for at in itertools.count(1):
        bench, desk = Bench(studio, f"kill-{lost_reply}-{at}".lower()), Desk()
        desk.add(["one"], overlap=2)
        desk.add(["two"])
        session = Broken(at, lost_reply=lost_reply)
        offers = desk.held
        try:
            bench.connector(session).offer(offers)
            bench.answer(bench.tasks()[1]["id"], "eggs", anna)
            bench.answer(bench.tasks()[0]["id"], "ham", anna)
            desk.turn(bench.connector(session))
        except VendorUnreachable:
            broken += 1
            session.at = 0
        if not bench_is_answered(bench, desk):
            desk.turn(bench.connector())
            bench.answer(bench.tasks()[1]["id"], "eggs", anna)
            bench.answer(bench.tasks()[0]["id"], "ham", anna)
        for _ in range(2):
            desk.turn(bench.connector())
        tasks = bench.tasks()
        assert [task["data"]["text"] for task in tasks] == ["one", "two"]
        assert [task["overlap"] for task in tasks] == [2, 2]
        assert desk.labels() == ["ham"]
        assert not desk.surplus
        bench.connector().withdraw(offers)
        if session.at:
            break
    assert broken >= 10


def bench_is_answered(bench: Bench, desk: Desk) -> bool:
    told = bench.studio.api("GET", "/api/projects/", params={"page_size": 1000}).json()["results"]
    made = [one for one in told if f"labelrounds:{bench.name}/studio" in one["description"]]
    return bool(made) and any(task["annotations"] for task in bench.tasks())


class Deaf(requests.Session):
    """Loses the reply of one import."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    def request(self, *args: Any, **options: Any) -> requests.Response:
        answer = super().request(*args, **options)
        if str(args[1]).endswith("/import"):
            self.left -= 1
            if self.left == 0:
                raise requests.ReadTimeout("the reply is lost")
        return answer


def test_a_lost_reply_of_an_import_doubles_nothing(bench: Bench, desk: Desk) -> None:
    desk.add([f"mail {n}" for n in range(600)])
    for at in (1, 2):
        with pytest.raises(VendorUnreachable, match="the reply is lost"):
            bench.connector(Deaf(at)).offer(desk.held)
    bench.connector().offer(desk.held)
    assert [task["data"]["item_id"] for task in bench.tasks()] == [offer.item for offer in desk.held]


def test_an_import_that_came_twice_is_cleaned_up(bench: Bench, desk: Desk, anna: str) -> None:
    desk.add(["one", "two"])
    connector = bench.connector()
    connector.offer(desk.held)
    tasks = [{"data": task["data"], "meta": task["meta"]} for task in bench.tasks()]
    bench.studio.api("POST", f"/api/projects/{bench.project['id']}/import", json=tasks)
    assert len(bench.tasks()) == 4
    bench.answer(bench.tasks()[2]["id"], "ham", anna)
    connector.offer(desk.held)
    desk.collect(connector)
    assert desk.labels() == ["ham"]
    assert len(bench.tasks()) <= 3


def test_what_is_wrong_is_said(bench: Bench, desk: Desk, studio: LabelStudioServer) -> None:
    desk.add(["one"])
    with pytest.raises(UsageError, match="Invalid token"):
        bench.connector(token="0" * 40).offer(desk.held)
    nowhere = bench.connector()
    nowhere._client.url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(VendorUnreachable, match="HTTPConnection"):
        nowhere.offer(desk.held)
    assert TOKEN not in repr(nowhere.options)
    elsewhere = bench.connector()
    elsewhere._client.url = f"{studio.url}/user/login"
    with pytest.raises(UsageError):
        elsewhere.offer(desk.held)
