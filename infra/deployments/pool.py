"""The work pool of deployed flows: processes on the worker's machine."""

from __future__ import annotations

WORK_POOL = "labelrounds"


def ensure_work_pool() -> None:
    """Make the work pool when it is missing; a known one stays as it was set up."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    description = "Rounds, collection and sweeps as processes on the worker's machine"
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process", description=description))
        except ObjectAlreadyExists:
            return
