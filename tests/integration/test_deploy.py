"""Deployments on a real Prefect server, and the worker that runs them."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.deployments.pool import WORK_POOL, ensure_work_pool
from infra.deployments.silence import NAME, ensure_crash_detection
from infra.settings import PREFIX, Settings
from infra.stack import PartStatus, down, status, up
from infra.storage import Storage
from tasks.campaign import Campaign, parse_campaign
from tasks.errors import NotFound

FLOWS = {
    "label-round": "flows.round.label_round",
    "collect-labels": "flows.collect.collect_labels",
    "sweep": "flows.sweep.sweep",
}
TEXT = """
name: {name}
classes: [low, high]
pool: {{uri: "s3://{bucket}/pool/", id: id, columns: {{numeric: [a]}}, payload: [a]}}
budget: {{labels: 20}}
batch: {{size: 5, audit_share: 0}}
vendors: [{{name: nobody, price: 0}}]
schedule: {{cron: "0 6 * * 1", timezone: Europe/Berlin}}
"""


@pytest.fixture
def home(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stack's directory of its own, whose servers are those of the session, given by settings."""
    directory = tmp_path / "home"
    given = settings.model_dump(exclude_none=True) | {"home": directory}
    for name, value in given.items():
        monkeypatch.setenv(PREFIX + name.upper(), str(value))
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    yield directory
    down(directory)


@pytest.fixture
def client(settings: Settings, home: Path) -> Iterator[Any]:
    """Prefect's own client, on the session's server; our code finds the same settings."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        temporary_settings({PREFECT_API_URL: settings.prefect_api_url}),
        get_client(sync_client=True) as found,
    ):
        yield found


@pytest.fixture
def campaign(client: Any, bucket: str) -> Iterator[Campaign]:
    from flows.deploy import remove

    found = parse_campaign(TEXT.format(name=bucket, bucket=bucket), "test.yaml")
    yield found
    for flow in FLOWS:
        if deployments(client, found.name).get(flow):
            remove(found.name)
            break


def deployments(client: Any, name: str) -> dict[str, Any]:
    """Flow -> its deployments for a campaign."""
    found: dict[str, Any] = {}
    for deployment in client.read_deployments():
        if deployment.name == name:
            flow = client.read_flow(deployment.flow_id).name
            assert flow not in found
            found[flow] = deployment
    return found


def automations(client: Any, deployment: Any) -> list[Any]:
    return list(client.read_resource_related_automations(f"prefect.deployment.{deployment.id}"))


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_campaign_is_deployed_with_its_schedule_and_trigger(client: Any, campaign: Campaign) -> None:
    from flows.deploy import deploy

    done = deploy(campaign)
    assert {one.name: one.starts for one in done} == {
        f"label-round/{campaign.name}": "0 6 * * 1 (Europe/Berlin), and when all labels of a round are in",
        f"collect-labels/{campaign.name}": "every 5 minutes",
        f"sweep/{campaign.name}": "every 5 minutes",
    }
    found = deployments(client, campaign.name)
    assert {flow: one.entrypoint for flow, one in found.items()} == FLOWS
    for one in found.values():
        # Nothing of the machine that deployed; no limit that a restarted server would turn into a crash.
        assert (one.work_pool_name, one.path, one.pull_steps or []) == (WORK_POOL, None, [])
        assert one.global_concurrency_limit is None
        assert one.parameters == {"campaign": campaign.name}
    (schedule,) = found["label-round"].schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("0 6 * * 1", "Europe/Berlin")
    (trigger,) = automations(client, found["label-round"])
    assert trigger.trigger.expect == {"labelrounds.labels.completed"}
    assert trigger.trigger.match.root == {"prefect.resource.id": f"labelrounds.campaign.{campaign.name}"}
    assert [one for flow in ("collect-labels", "sweep") for one in automations(client, found[flow])] == []


def test_the_server_makes_runs_of_the_schedules(client: Any, campaign: Campaign) -> None:
    from prefect.client.schemas.filters import DeploymentFilter

    from flows.deploy import deploy

    deploy(campaign)
    mine = DeploymentFilter.model_validate({"name": {"any_": [campaign.name]}})
    wait_for(lambda: len(client.read_flow_runs(deployment_filter=mine)) > 3, 90)


def test_deploying_again_doubles_nothing_and_follows_the_file(client: Any, campaign: Campaign) -> None:
    from flows.deploy import deploy

    deploy(campaign)
    first = deployments(client, campaign.name)
    ensure_crash_detection()
    deploy(campaign)
    again = deployments(client, campaign.name)
    assert {flow: one.id for flow, one in again.items()} == {flow: one.id for flow, one in first.items()}
    assert [len(one.schedules) for one in again.values()] == [1, 1, 1]
    assert len(automations(client, again["label-round"])) == 1
    assert len(client.read_automations_by_name(NAME)) == 1

    done = deploy(campaign.model_copy(update={"schedule": None}))
    without = deployments(client, campaign.name)
    assert without["label-round"].schedules == []
    assert len(without["sweep"].schedules) == 1
    assert done[0].starts == "when all labels of a round are in"


def test_a_removed_campaign_leaves_nothing_that_would_start_it(client: Any, campaign: Campaign) -> None:
    from flows.deploy import deploy, remove

    deploy(campaign)
    found = deployments(client, campaign.name)
    assert {one.name for one in remove(campaign.name)} == {f"{flow}/{campaign.name}" for flow in FLOWS}
    assert deployments(client, campaign.name) == {}
    # The server deletes automations in the background.
    wait_for(lambda: automations(client, found["label-round"]) == [], 20)
    with pytest.raises(NotFound, match="labelrounds deploy"):
        remove(campaign.name)


def test_the_work_pool_is_made_once_and_kept_as_it_is(client: Any, campaign: Campaign) -> None:
    from prefect.client.schemas.actions import WorkPoolUpdate

    ensure_work_pool()
    client.update_work_pool(WORK_POOL, WorkPoolUpdate(concurrency_limit=2))
    ensure_work_pool()
    pool = client.read_work_pool(WORK_POOL)
    assert (pool.type, pool.concurrency_limit) == ("process", 2)
    client.update_work_pool(WORK_POOL, WorkPoolUpdate(concurrency_limit=None))


def parts(home: Path) -> dict[str, PartStatus]:
    return {part.name: part for part in status(home)}


@pytest.mark.slow
def test_the_worker_runs_a_deployed_flow_and_comes_back(
    client: Any, campaign: Campaign, settings: Settings, home: Path, bucket: str
) -> None:
    from prefect.client.schemas.filters import DeploymentFilter

    from flows.deploy import deploy

    Storage.from_settings(settings).put(f"s3://{bucket}/pool/items.csv", csv(40))
    assert "worker" not in parts(home)
    deploy(campaign.model_copy(update={"schedule": None}))
    up(home, only={"worker"})
    worker = parts(home)["worker"]
    assert worker.health == "healthy"

    deployment = deployments(client, campaign.name)["label-round"]
    run = client.create_flow_run_from_deployment(deployment.id)
    wait_for(lambda: client.read_flow_run(run.id).state.is_final(), 180)
    done = client.read_flow_run(run.id)
    assert (done.state_name, done.name) == ("Completed", f"{campaign.name}/round-001")

    # The event of a closed round starts the next, which finds that its labels are not in.
    from prefect.events import emit_event

    emit_event(
        "labelrounds.labels.completed",
        resource={"prefect.resource.id": f"labelrounds.campaign.{campaign.name}"},
    )
    mine = DeploymentFilter.model_validate({"id": {"any_": [str(deployment.id)]}})

    def second() -> bool:
        runs = [one for one in client.read_flow_runs(deployment_filter=mine) if one.id != run.id]
        return bool(runs) and runs[0].state_name == "Skipped"

    wait_for(second, 180)

    assert worker.pid is not None
    process = psutil.Process(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    psutil.wait_procs([process], timeout=10)
    assert parts(home)["worker"].detail == "has crashed"
    up(home)  # by now it belongs to the stack
    again = parts(home)["worker"]
    assert (again.health, again.address) == ("healthy", worker.address)
    with urllib.request.urlopen(f"{again.address}/health") as answer:
        assert answer.status == 200


def csv(rows: int) -> bytes:
    return ("id,a\n" + "".join(f"i{i},{i / 10}\n" for i in range(rows))).encode()
