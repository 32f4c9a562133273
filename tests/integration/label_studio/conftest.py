"""A Label Studio for the session, with two users, where build.sh has been run; else the tests are skipped."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest
import requests

from tasks.vendors.label_studio.options import Options
from tasks.vendors.label_studio.turns import LabelStudio
from tests.integration.label_studio.desk import Desk
from tests.integration.label_studio.server import TOKEN, LabelStudioServer, environment_home


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudioServer]:
    """The server; its data are gone with the session."""
    home = environment_home()
    if not (home / "seed").is_dir():
        pytest.skip(f"no Label Studio in {home}: tests/integration/label_studio/build.sh puts one there")
    with LabelStudioServer(home, tmp_path_factory.mktemp("studio") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def anna(studio: LabelStudioServer) -> str:
    """The token of an annotator."""
    return studio.annotator("anna@example.com")


@pytest.fixture(scope="session")
def ben(studio: LabelStudioServer) -> str:
    """The token of another one."""
    return studio.annotator("ben@example.com")


@pytest.fixture
def desk() -> Desk:
    """Our side."""
    return Desk()


class Bench:
    """A connector with a project of its own, and what annotators do there."""

    def __init__(self, studio: LabelStudioServer, name: str) -> None:
        self.studio, self.name = studio, name

    def connector(self, session: requests.Session | None = None, **options: Any) -> LabelStudio:
        token = options.pop("token", TOKEN)
        return LabelStudio(Options(self.studio.url, token, **options), self.name, "studio", session=session)

    @property
    def project(self) -> dict[str, Any]:
        """The one project that was made."""
        told = self.studio.api("GET", "/api/projects/", params={"page_size": 1000}).json()["results"]
        (found,) = [one for one in told if f"labelrounds:{self.name}/studio" in one["description"]]
        return dict(self.studio.api("GET", f"/api/projects/{found['id']}/").json())

    def tasks(self) -> list[dict[str, Any]]:
        """Its tasks in their order, each with its annotations."""
        params = {"project": self.project["id"], "fields": "all", "page_size": 5000}
        return list(self.studio.api("GET", "/api/tasks/", params=params).json()["tasks"])

    def answer(self, task: int, choice: str | list[str] | None, token: str = TOKEN, **more: Any) -> int:
        """Post an annotation as the browser does; without a choice it is empty."""
        choices = [choice] if isinstance(choice, str) else choice
        body = {"result": [] if choices is None else [self.result(choices)], "lead_time": 2.5, **more}
        told = self.studio.api("POST", f"/api/tasks/{task}/annotations/", token=token, json=body)
        assert told.status_code == 201, told.text
        return int(told.json()["id"])

    def edit(self, annotation: int, choices: list[str]) -> None:
        told = self.studio.api(
            "PATCH", f"/api/annotations/{annotation}/", json={"result": [self.result(choices)]}
        )
        assert told.ok, told.text

    def delete(self, annotation: int) -> None:
        assert self.studio.api("DELETE", f"/api/annotations/{annotation}/").status_code == 204

    def next(self, token: str) -> int | None:
        """Which task the server gives a user next."""
        told = self.studio.api("GET", f"/api/projects/{self.project['id']}/next/", token=token)
        return int(told.json()["id"]) if told.ok else None

    @cached_property
    def question(self) -> tuple[str, str]:
        """Names of the control and the object, as the first answer finds them."""
        ((name, control),) = self.project["parsed_label_config"].items()
        return name, control["to_name"][0]

    def result(self, choices: list[str]) -> dict[str, Any]:
        name, to_name = self.question
        return {"from_name": name, "to_name": to_name, "type": "choices", "value": {"choices": choices}}


@pytest.fixture
def bench(studio: LabelStudioServer) -> Bench:
    return Bench(studio, f"mail-{uuid.uuid4().hex[:8]}")
