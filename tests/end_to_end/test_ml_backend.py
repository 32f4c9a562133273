"""A campaign's champion behind Label Studio's ML backend interface: from a real round to predictions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from flows.ml_backend import Champion
from infra.ml_backend import make_app
from infra.settings import load_settings
from infra.workplace import Workplace
from tasks.errors import NotFound
from tasks.vendors.label_studio.form import Form
from tests.end_to_end.user import User

CONFIG = Form("classification", ("ham", "spam"), 1, {"subject": "text", "size": "table"}).to_xml()
THEIRS = (
    '<View><Text name="t" value="$subject"/><Choices name="kind" toName="t"><Choice value="spam"/>'
    '<Choice value="ham"/></Choices></View>'
)


def mails() -> pa.Table:
    numbers = range(120)
    words = [("win money now", "meeting at noon")[n % 2] for n in numbers]
    return pa.table({
        "id": [f"m{n}" for n in numbers],
        "subject": [f"{word} {n % 7}" for n, word in zip(numbers, words, strict=True)],
        "size": [float(n % 2 * 50 + n % 5) for n in numbers],
    })  # fmt: skip


@pytest.fixture
def place(user: User, stack_home: Path) -> Iterator[Workplace]:
    opened = Workplace(load_settings(home=stack_home, database_url=user.database_url))
    yield opened
    opened.close()


def predict(client: TestClient, tasks: list[Any], config: str = CONFIG) -> list[dict[str, Any]]:
    answer = client.post(
        "/predict", json={"tasks": tasks, "label_config": config, "project": "1.5", "params": {}}
    )
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert len(results) == len(tasks)
    return list(results)


def choices(results: list[dict[str, Any]]) -> list[str | None]:
    return [one["result"][0]["value"]["choices"][0] if one["result"] else None for one in results]


def test_the_champion_predicts_and_a_new_one_takes_over(user: User, place: Workplace) -> None:
    user.put("pool/mails.parquet", mails())
    seeds = "\n".join(["id,label", *(f"m{n},{'spam' if n % 2 == 0 else 'ham'}" for n in range(40))])
    name = f"champion-{user.bucket[-8:]}"
    file = user.campaign(
        name,
        classes=["ham", "spam"],
        pool={
            "uri": user.uri("pool/"),
            "columns": {"text": ["subject"], "numeric": ["size"]},
            "payload": ["subject"],
        },
        seed_labels={"uri": user.put("seed.csv", seeds)},
    )
    assert user.ask("round", file)["result"] == "published"
    champion = Champion(place, name)
    client = TestClient(make_app(champion))
    assert client.post("/setup", json={"project": "1.5", "access_token": "x"}).json() == {
        "model_version": f"{name} v1"
    }
    tasks: list[Any] = [
        {"id": 1, "data": {"subject": "win money now 3", "fields": {"size": "2"}}},
        {"id": 2, "data": {"subject": "meeting at noon 1", "fields": {"size": 51}}},
        {"id": 3, "data": {"subject": "meeting at noon 4"}},  # a column that it lacks counts as missing
        {"id": 4, "data": {"nothing": "of ours"}},
        {"id": 5, "data": {"subject": 7, "size": "not a number"}},
        None,
    ]
    results = predict(client, tasks)
    assert choices(results)[:2] == ["spam", "ham"]
    assert choices(results)[3] is None
    assert choices(results)[5] is None
    assert {one["model_version"] for one in results} == {f"{name} v1"}
    assert all(0.5 <= one["score"] <= 1 for one in results if one["result"])
    assert [one["result"][0]["from_name"] for one in predict(client, tasks[:1], THEIRS)] == ["kind"]
    assert choices(predict(client, tasks[:1], "<View/>")) == [None]
    assert predict(client, []) == []

    with champion._connection.calling("move the alias") as mlflow:
        old = mlflow.get_model_version(name, "1")
        again = {"run_id": old.run_id, "model_id": old.source.rpartition("/")[2], "tags": old.tags}
        mlflow.create_model_version(name, old.source, await_creation_for=0, **again)
        mlflow.set_registered_model_alias(name, "champion", "2")
    assert predict(client, tasks[:1])[0]["model_version"] == f"{name} v2"
    assert client.get("/versions").json() == {"versions": [f"{name} v2", f"{name} v1"]}


def test_a_campaign_without_a_model_says_so(user: User, place: Workplace) -> None:
    user.put("pool/mails.parquet", mails())
    name = f"young-{user.bucket[-8:]}"
    pool = {"uri": user.uri("pool/"), "payload": ["subject"]}
    user.ask("round", user.campaign(name, classes=["ham", "spam"], pool=pool))
    client = TestClient(make_app(Champion(place, name)))
    assert client.get("/health").json()["status"] == "UP"
    answer = client.post("/predict", json={"tasks": [{"data": {}}], "label_config": CONFIG})
    assert answer.status_code == 503
    assert "no model yet" in answer.json()["detail"]
    with pytest.raises(NotFound):
        Champion(place, "never-heard-of")
