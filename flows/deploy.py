"""Prefect deployments of a campaign: its schedule, and "all labels in -> next round"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flows.collect import COMPLETED, collect_labels
from flows.place import workplace
from flows.round import label_round
from flows.sweep import sweep
from infra.deployments.pool import WORK_POOL, ensure_work_pool
from tasks.campaign import Campaign
from tasks.open import register

COLLECT_EVERY = timedelta(minutes=5)
SWEEP_EVERY = timedelta(minutes=5)


@dataclass(frozen=True)
class Deployed:
    """One deployment as it was registered."""

    name: str
    starts: str


def deploy(campaign: Campaign) -> list[Deployed]:
    """Register the campaign and its three deployments; doing it again brings them to the newest file.

    The event that closes a round only saves the wait: the round itself asks the database whether it may start,
    and the sweep finds what an event missed.

    Returns
    -------
    list of Deployed
        Name, and in words when it starts.
    """
    from prefect.events import DeploymentEventTrigger
    from prefect.schedules import Cron, Interval
    from prefect.types.entrypoint import EntrypointType

    with workplace() as place:
        register(place, campaign)
    ensure_work_pool()
    resource = f"labelrounds.campaign.{campaign.name}"
    next_round = DeploymentEventTrigger(
        name=f"{campaign.name}: all labels in, next round",
        expect={COMPLETED},
        match={"prefect.resource.id": resource},
        parameters={"campaign": campaign.name},
    )
    schedule = campaign.schedule
    plans = [
        (label_round, [Cron(schedule.cron, timezone=schedule.timezone)] if schedule else [], [next_round]),
        (collect_labels, [Interval(COLLECT_EVERY)], []),
        (sweep, [Interval(SWEEP_EVERY)], []),
    ]
    words = {
        "label-round": f"{schedule.cron} ({schedule.timezone})" if schedule else "no schedule",
        "collect-labels": "every 5 minutes",
        "sweep": "every 5 minutes",
    }
    done = []
    for one, schedules, triggers in plans:
        deployment = one.to_deployment(  # type: ignore[attr-defined]
            name=campaign.name,
            schedules=schedules,
            triggers=triggers,
            parameters={"campaign": campaign.name},
            tags=["labelrounds", campaign.name],
            work_pool_name=WORK_POOL,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        deployment.apply()
        also = ", and when all labels of a round are in" if triggers else ""
        done.append(Deployed(f"{one.name}/{campaign.name}", words[one.name] + also))
    return done
