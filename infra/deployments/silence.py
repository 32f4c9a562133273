"""Runs whose process is gone: Prefect would show them as running for ever."""

from __future__ import annotations

from datetime import timedelta

HEARTBEAT_SECONDS = 30
"""How often a run says that it lives. Prefect's own default of 180 s would need an hour's patience."""

SILENCE = timedelta(seconds=180)
"""Six missed heartbeats: a server that was started again meanwhile does not end healthy runs."""

TAG = "labelrounds"
"""What all our deployments bear, so that other runs on the same server are left alone."""

NAME = "labelrounds: runs that fell silent have crashed"
ENDS = ("Completed", "Failed", "Cancelled", "Crashed")


def ensure_crash_detection() -> None:
    """Have Prefect mark runs as crashed whose heartbeat stopped; a known automation stays as it was set up.

    For the eyes only: a round whose process is gone is found in the database, not here.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
    from prefect.events.schemas.events import ResourceSpecification

    with get_client(sync_client=True) as client:
        if client.read_automations_by_name(NAME):
            return
        heartbeat = "prefect.flow-run.heartbeat"
        trigger = EventTrigger(
            after={heartbeat},
            expect={heartbeat, *(f"prefect.flow-run.{end}" for end in ENDS)},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        )
        message = (
            f"no sign of life for {SILENCE.total_seconds():.0f} s; the next round goes on from the last step"
        )
        action = ChangeFlowRunState(name=None, state=StateType.CRASHED, message=message, force=False)
        client.create_automation(AutomationCore(name=NAME, trigger=trigger, actions=[action]))
