"""Prefect deployments of a campaign: its schedule, and "all labels in -> next round"."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flows.collect import COMPLETED, collect_labels
from flows.place import workplace
from flows.round import label_round
from flows.sweep import sweep
from infra.deployments.pool import WORK_POOL, ensure_work_pool
from infra.deployments.silence import TAG, ensure_crash_detection
from tasks.campaign import Campaign
from tasks.errors import NotFound
from tasks.open import register

if TYPE_CHECKING:
    from prefect.schedules import Schedule

EVERY = timedelta(minutes=5)
ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
"""Fixed, so that deploying again moves nothing; collection and sweep take turns from here."""

FLOWS = (label_round, collect_labels, sweep)


@dataclass(frozen=True)
class Deployed:
    """One deployment.

    Parameters
    ----------
    name
        ``flow/campaign``, as Prefect's commands take it.
    starts
        In words, when it starts.
    """

    name: str
    starts: str


@dataclass(frozen=True)
class _Plan:
    """What is to be registered for one flow."""

    flow: Any
    starts: str
    schedules: list[Schedule]
    triggers: list[Any] = field(default_factory=list)


def deploy(campaign: Campaign) -> list[Deployed]:
    """Register the campaign and its three deployments; doing it again brings them to the newest file.

    No deployment has a concurrency limit: the database lets one process drive a campaign, and limits of
    Prefect end healthy runs when its server is started again. The event that closes a round only saves the
    wait: the round itself asks the database whether it may start, and the sweep finds what an event missed.

    Returns
    -------
    list of Deployed
        Name, and in words when it starts.
    """
    with workplace() as place:
        register(place, campaign)
    ensure_work_pool()
    ensure_crash_detection()
    return [_apply(plan, campaign.name) for plan in _plans(campaign)]


def remove(name: str) -> list[Deployed]:
    """Take a campaign's deployments back, with their schedules, triggers and waiting runs.

    The campaign, its labels and the history of its runs stay; a round that is under way goes on.

    Raises
    ------
    NotFound
        When the campaign has no deployment.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    removed = []
    with get_client(sync_client=True) as client:
        for flow in FLOWS:
            full_name = f"{flow.name}/{name}"
            try:
                known = client.read_deployment_by_name(full_name)
            except ObjectNotFound:
                continue
            # Prefect leaves the automations of a deleted deployment behind.
            client.delete_resource_owned_automations(f"prefect.deployment.{known.id}")
            client.delete_deployment(known.id)
            removed.append(Deployed(full_name, "removed"))
    if not removed:
        raise NotFound(f"campaign {name} is not deployed; `labelrounds deploy CAMPAIGN.yaml` does that")
    return removed


def _plans(campaign: Campaign) -> list[_Plan]:
    from prefect.events import DeploymentEventTrigger
    from prefect.schedules import Cron, Interval

    schedule = campaign.schedule
    next_round = DeploymentEventTrigger(
        name=f"{campaign.name}: all labels in, next round",
        expect={COMPLETED},
        match={"prefect.resource.id": f"labelrounds.campaign.{campaign.name}"},
        parameters={"campaign": campaign.name},
    )
    minutes = f"every {EVERY.total_seconds() / 60:.0f} minutes"
    when_in = "when all labels of a round are in"
    return [
        _Plan(
            label_round,
            f"{schedule.cron} ({schedule.timezone}), and {when_in}" if schedule else when_in,
            [Cron(schedule.cron, timezone=schedule.timezone)] if schedule else [],
            [next_round],
        ),
        _Plan(collect_labels, minutes, [Interval(EVERY, anchor_date=ANCHOR)]),
        _Plan(sweep, minutes, [Interval(EVERY, anchor_date=ANCHOR + EVERY / 2)]),
    ]


def _apply(plan: _Plan, campaign: str) -> Deployed:
    """Create or update one deployment; its schedules and triggers are replaced as a whole."""
    from prefect.types.entrypoint import EntrypointType

    plan.flow.to_deployment(
        name=campaign,
        schedules=plan.schedules,
        triggers=plan.triggers,
        parameters={"campaign": campaign},
        tags=[TAG, campaign],
        work_pool_name=WORK_POOL,
        # The worker imports the flow as a module: no path of this machine is part of the deployment.
        entrypoint_type=EntrypointType.MODULE_PATH,
    ).apply()
    return Deployed(f"{plan.flow.name}/{campaign}", plan.starts)
