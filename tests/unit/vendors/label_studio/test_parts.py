"""Small parts: webhooks, presigned addresses, cursors, predictions, and the client's errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import NotFound, UsageError, VendorUnreachable
from tasks.vendors.label_studio.client import Client
from tasks.vendors.label_studio.form import Form, Question, question_of
from tasks.vendors.label_studio.guesses import guess, row_of
from tasks.vendors.label_studio.links import lapses_soon
from tasks.vendors.label_studio.poll import Cursor
from tasks.vendors.label_studio.webhook import Hint, WrongSecret, read_event


def event(**more: Any) -> bytes:
    return json.dumps({"action": "ANNOTATION_CREATED", "project": {"id": 4, "token": "x"}, **more}).encode()


def test_a_webhook_says_which_project_to_look_at() -> None:
    headers = {"x-labelrounds-secret": "s3cret"}
    assert read_event(event(), headers, "s3cret") == Hint(4, "ANNOTATION_CREATED")
    assert read_event(b'{"action": "TASKS_DELETED"}', headers, "s3cret") == Hint(None, "TASKS_DELETED")


@pytest.mark.parametrize("headers", [{}, {"X-Labelrounds-Secret": ""}, {"X-Labelrounds-Secret": "é"}])
def test_who_does_not_know_the_secret_is_not_heard(headers: dict[str, str]) -> None:
    for secret in ("s3cret", ""):
        with pytest.raises(WrongSecret):
            read_event(event(), headers, secret)


@given(st.binary(max_size=40) | st.just(b'{"action": 1, "project": []}') | st.just(b"[" * 100_000))
def test_no_body_is_too_strange(body: bytes) -> None:
    try:
        hint = read_event(body, {"X-Labelrounds-Secret": "s"}, "s")
    except UsageError:
        return
    assert hint.project is None or isinstance(hint.project, int)


def test_presigned_addresses_lapse_at_half_their_life() -> None:
    address = "https://s3/x?X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600"
    assert not lapses_soon(address, datetime(2026, 1, 1, 0, 29, tzinfo=UTC))
    assert lapses_soon(address, datetime(2026, 1, 1, 0, 31, tzinfo=UTC))
    for other in ("https://s3/x", "", "https://s3/x?X-Amz-Date=y&X-Amz-Expires=z", address + "9" * 30):
        assert not lapses_soon(other, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_cursor_reads_back_and_is_of_one_project() -> None:
    cursor = Cursor(
        3, "2026-01-01T00:02:00.000000Z", 2, {"ls:3:1": ["a", "b", 4]}, (4,), ("multilabel", ("x", "y"))
    )
    told = json.loads(json.dumps(cursor.to_json()))
    assert Cursor.read(told, 3) == cursor
    assert Cursor.read(told, 4) == Cursor(4)
    assert cursor.border == "2026-01-01T00:00:00.000000Z"
    assert not cursor.is_full
    assert Cursor(3).is_full


def test_predictions_are_scored_by_how_sure_they_are() -> None:
    one = question_of(Form("classification", ("a", "b"), 1).to_xml(), ("a", "b"))
    several = question_of(Form("multilabel", ("a", "b"), 1).to_xml(), ("a", "b"))
    assert one is not None
    assert several is not None
    found = guess(np.array([0.25, 0.75], np.float32), "classification", ("a", "b"), one)
    assert found is not None
    assert found["score"] == 0.75
    assert found["result"][0]["value"] == {"choices": ["b"]}
    found = guess(np.array([0.25, 0.125], np.float32), "multilabel", ("a", "b"), several)
    assert found is not None
    assert found["score"] == 0.75
    assert found["result"][0]["value"] == {"choices": ["none of these"]}
    assert guess(np.array([np.nan, 1], np.float32), "classification", ("a", "b"), one) is None
    # A project of somebody else that does not offer the class.
    theirs = Question("kind", "text", ("a",))
    assert guess(np.array([0.25, 0.75], np.float32), "classification", ("a", "b"), theirs) is None


@given(st.dictionaries(st.text(max_size=5), st.text(min_size=1, max_size=5), max_size=4))
def test_a_model_gets_the_payload_back_that_a_task_was_made_of(payload: dict[str, str]) -> None:
    for kind in ("text", "table"):
        form = Form("classification", ("a", "b"), 1, dict.fromkeys(payload, kind))
        expected = payload or None
        assert row_of({"data": form.data(payload, {})}, list(payload)) == expected
    assert row_of({"data": payload}, list(payload)) == (payload or None) or set(payload) & {"fields"}


@pytest.mark.parametrize("task", [None, 3, {}, {"data": 1}, {"data": {"other": 1}}, {"data": {"fields": 3}}])
def test_a_task_without_the_columns_is_no_row(task: Any) -> None:
    assert row_of(task, ["subject"]) is None


class Canned(requests.Session):
    """Answers with what it is given, in order."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__()
        self.answers, self.sent = list(answers), []

    def request(self, *args: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append((args, options["headers"]))
        status, text = self.answers.pop(0)
        answer = requests.Response()
        answer.status_code, answer._content = status, text.encode()
        return answer


@pytest.mark.parametrize(("status", "error"), [
    (500, VendorUnreachable), (502, VendorUnreachable), (429, VendorUnreachable), (404, NotFound), (400, UsageError),
    (403, UsageError), (302, UsageError),
])  # fmt: skip
def test_errors_say_whether_trying_again_helps(status: int, error: type[Exception]) -> None:
    client = Client("http://x", "t", Canned((status, '{"detail": "because"}')))
    with pytest.raises(error, match="because" if status != 302 else "points to"):
        client.call("GET", "/api/")


def test_a_personal_token_is_exchanged_and_refreshed_when_access_ran_out() -> None:
    session = Canned((200, '{"access": "one"}'), (401, "{}"), (200, '{"access": "two"}'), (200, "[1]"))
    assert Client("http://x", "a.b.c", session).call("GET", "/api/") == [1]
    assert [headers.get("Authorization") for _, headers in session.sent] == [
        None,
        "Bearer one",
        None,
        "Bearer two",
    ]


def test_another_page_than_label_studio_s_is_recognised() -> None:
    with pytest.raises(UsageError, match="option url"):
        Client("http://x", "t", Canned((200, "<html>"))).call("GET", "/api/")
