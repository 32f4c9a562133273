"""The ML backend connected to the real server: all calls that it makes, and what it stores of the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import uvicorn

from infra.ml_backend import NOTHING, Login, make_app
from tasks.vendors.label_studio.form import question_of
from tests.integration.label_studio.conftest import Bench
from tests.integration.label_studio.desk import Desk
from tests.integration.label_studio.server import free_port


class Rule:
    """Takes what says so for spam; its version can be moved on."""

    def __init__(self) -> None:
        self.number, self.calls = 1, 0
        self.fails = False

    def version(self) -> str:
        return f"spam v{self.number}"

    def versions(self) -> list[str]:
        return [f"spam v{n}" for n in range(self.number, 0, -1)]

    def predict(self, tasks: Sequence[Any], label_config: str) -> tuple[str, list[dict[str, Any]]]:
        self.calls += 1
        if self.fails:
            raise ZeroDivisionError
        question = question_of(label_config, ("ham", "spam"))
        assert question is not None
        return self.version(), [self._one(task, question.name, question.to_name) for task in tasks]

    def _one(self, task: Any, name: str, to_name: str) -> dict[str, Any]:
        text = task["data"]["text"]
        if text == "odd":
            return dict(NOTHING)
        choice, score = ("spam", 0.9) if "spam" in text else ("ham", 0.6)
        result = {"from_name": name, "to_name": to_name, "type": "choices", "value": {"choices": [choice]}}
        return {"result": [result], "score": score}


@contextmanager
def serving(app: Any) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def test_new_tasks_get_predictions_that_annotators_do_not_see(bench: Bench, desk: Desk, anna: str) -> None:
    rule = Rule()
    desk.add(["spam 1", "good 1", "odd"])
    with serving(make_app(rule)) as url:
        connector = bench.connector(ml_backend=url)
        connector.offer(desk.held)
        connector.offer(desk.held)
        assert rule.calls == 1
        (backend,) = bench.studio.api("GET", "/api/ml/", params={"project": bench.project["id"]}).json()
        assert (backend["state"], backend["model_version"]) == ("CO", "spam v1")
        found = [task["predictions"] for task in bench.tasks()]
        assert [[(one["score"], one["model_version"]) for one in some] for some in found] == [
            [(0.9, "spam v1")], [(0.6, "spam v1")], [(0.0, "spam v1")]
        ]  # fmt: skip
        next_one = bench.studio.api("GET", f"/api/projects/{bench.project['id']}/next/", token=anna).json()
        assert next_one["predictions"] == []
        told = bench.studio.api("GET", f"/api/ml/{backend['id']}/versions").json()
        assert told["versions"] == ["spam v1"]
        # A skip of a form that was filled in beforehand, and an honest answer.
        desk.collect(connector)
        one, two, _ = (task["id"] for task in bench.tasks())
        bench.answer(one, "spam", anna, was_cancelled=True)
        bench.answer(two, "ham", anna)
        desk.collect(connector)
        assert sorted(known.answer for known in desk.known.values()) == ["label", "skip"]


def test_shown_predictions_are_of_the_newest_model(bench: Bench, desk: Desk, anna: str) -> None:
    rule = Rule()
    desk.add(["spam 1"])
    with serving(make_app(rule)) as url:
        bench.connector(ml_backend=url, predictions="shown").offer(desk.held)
        rule.number = 2
        told = bench.studio.api("GET", f"/api/projects/{bench.project['id']}/next/", token=anna).json()
        assert {one["model_version"] for one in told["predictions"]} >= {"spam v2"}


def test_a_failing_model_costs_no_label(bench: Bench, desk: Desk) -> None:
    rule = Rule()
    rule.fails = True
    desk.add(["spam 1"])
    with serving(make_app(rule)) as url:
        assert bench.connector(ml_backend=url).offer(desk.held) == 1
        predictions = bench.tasks()[0]["predictions"]
        assert [one["result"] for one in predictions] in ([], [[]])
    # And one that is away does not either.
    desk.add(["two"])
    assert bench.connector(ml_backend=url).offer(desk.held) == 1
    other = f"http://127.0.0.1:{free_port()}"
    assert bench.connector(ml_backend=other).offer(desk.held) == 0


def test_the_server_logs_in(bench: Bench, desk: Desk) -> None:
    desk.add(["spam 1"])
    rule = Rule()
    with serving(make_app(rule, Login("studio", "pass:word"))) as url:
        bench.connector(ml_backend=url).offer(desk.held)
        assert not rule.calls
        bench.connector(ml_backend=url, login="studio:pass:word").offer(desk.held)
        (backend,) = bench.studio.api("GET", "/api/ml/", params={"project": bench.project["id"]}).json()
        assert (backend["state"], backend["model_version"]) == ("CO", "spam v1")
        desk.add(["good 1"])
        bench.connector(ml_backend=url, login="studio:pass:word").offer(desk.held)
        assert [one["score"] for one in bench.tasks()[1]["predictions"]] == [0.6]
        wrong = requests.post(f"{url}/predict", json={"tasks": []}, auth=("studio", "password"), timeout=10)
        assert wrong.status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"tasks": 3}'])
def test_a_strange_request_is_refused(body: bytes) -> None:
    from starlette.testclient import TestClient

    client = TestClient(make_app(Rule()))
    assert client.post("/predict", content=body).status_code == 400
    assert client.post("/webhook", content=body).status_code == 200
    assert client.get("/health").json()["status"] == "UP"
    odd = client.post("/predict", json={"tasks": [None, {"data": 3}], "label_config": "<View/>"})
    assert odd.status_code == 200
    assert [one["result"] for one in odd.json()["results"]] == [[], []]
