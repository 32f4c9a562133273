"""docker-compose.yml by its invariants: no Docker engine is needed, and none has run it yet."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.deployments.pool import WORK_POOL
from infra.deployments.silence import HEARTBEAT_SECONDS
from infra.settings import PREFIX, Given, Settings, read_given

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
VARIABLE = re.compile(r"\$\{(\w+)(:\?[^}]+)?\}")
DOCKERFILE = (ROOT / "infra" / "images" / "Dockerfile").read_text()

services = pytest.mark.parametrize("name", SERVICES)


def environment(name: str) -> dict[str, str]:
    """A service's variables, with the ones from .env filled in."""
    found = {k: str(v) for k, v in SERVICES[name].get("environment", {}).items()}
    return {k: VARIABLE.sub(lambda match: f"secret{match[1]}", value) for k, value in found.items()}


@services
def test_every_service_is_watched_or_ends_by_itself(name: str) -> None:
    service = SERVICES[name]
    if service.get("restart") == "no":
        assert "healthcheck" not in service
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"


@services
def test_images_are_pinned(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert re.match(r"\d+\.\d+", tag)


def test_the_images_of_the_dockerfile_are_pinned() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert bases
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)


def test_our_image_bears_our_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    images = {service["image"] for service in SERVICES.values() if "build" in service}
    assert images == {f"labelrounds:{version[1]}"}


def test_the_dockerfile_copies_what_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / "infra" / "images" / "Dockerfile.dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY ((?!--).+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert {"flows", "tasks", "infra", "uv.lock"} <= sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored


@services
def test_ports_are_open_to_this_machine_alone(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@services
def test_what_a_service_waits_for_can_be_waited_for(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        one_shot = SERVICES[other]["restart"] == "no"
        assert wait["condition"] == ("service_completed_successfully" if one_shot else "service_healthy")


def test_every_secret_is_required_and_in_the_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = VARIABLE.findall(text)
    assert used
    assert all(required for _, required in used)
    assert len(VARIABLE.findall(text)) == text.count("${")
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(example) == {name for name, _ in used}
    assert not any(example.values())


def test_no_secret_is_taken_for_one_of_our_settings_or_prefects() -> None:
    # `labelrounds` and Prefect read .env in the working directory as well.
    names = [name for name, _ in VARIABLE.findall((ROOT / "docker-compose.yml").read_text())]
    assert not [name for name in names if name.startswith((PREFIX, "PREFECT_", "MLFLOW_"))]


@services
def test_our_settings_exist_and_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {k: v for k, v in environment(name).items() if k.startswith(PREFIX)}
    fields = {PREFIX + field.upper() for field in Given.model_fields}
    assert set(ours) <= fields
    for variable, value in ours.items():
        monkeypatch.setenv(variable, value)
    read_given()


@pytest.mark.parametrize("name", ["setup", "worker", "command"])
def test_what_runs_labelrounds_needs_no_embedded_stack(name: str) -> None:
    required = {field for field, info in Settings.model_fields.items() if info.is_required()}
    assert {PREFIX + field.upper() for field in required} <= set(environment(name))


def test_addresses_name_services_and_the_ports_they_listen_on() -> None:
    listens = {"postgres": "5432", "s3": "8333", "mlflow": "5000", "prefect": "4200"}
    for name in SERVICES:
        for value in environment(name).values():
            address = re.search(r"://(?:[^@/]+@)?([\w.]+):(\d+)", value)
            if address is None or address[1] == "127.0.0.1":
                continue
            assert listens[address[1]] == address[2]
    for name in ("mlflow", "prefect"):
        command = SERVICES[name]["command"]
        assert command[command.index("--port") + 1] == listens[name]
        assert command[command.index("--host") + 1] == "0.0.0.0"


def test_mlflow_answers_to_its_service_name() -> None:
    hosts = environment("mlflow")["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert {"mlflow:*", "localhost:*", "127.0.0.1:*"} <= set(hosts)
    assert environment("mlflow")["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_the_worker_serves_our_pool_and_says_that_it_lives() -> None:
    command = SERVICES["worker"]["command"]
    assert command[command.index("--pool") + 1] == WORK_POOL
    assert environment("worker")["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(HEARTBEAT_SECONDS)
    assert "--with-healthcheck" in command


def test_the_buckets_that_are_used_are_made() -> None:
    made = environment("s3")["S3_BUCKET"].split(",")
    assert environment("worker")["LABELROUNDS_ARTIFACT_BUCKET"] in made
    assert environment("mlflow")["MLFLOW_ARTIFACTS_DESTINATION"].split("/")[2] in made


def test_the_data_of_postgres_is_where_the_image_keeps_it() -> None:
    service = SERVICES["postgres"]
    assert int(service["image"].rpartition(":")[2].split(".")[0]) >= 18
    assert "postgres:/var/lib/postgresql" in service["volumes"]


def test_every_named_volume_is_declared_and_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith((".", "/"))}
    assert named == set(COMPOSE["volumes"])
    inside = [mount.split(":")[0] for mount in mounts if mount.startswith("./infra")]
    assert inside
    assert all((ROOT / path).is_dir() for path in inside)
