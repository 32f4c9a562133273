"""What every step of a round has in common as a Prefect task."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.states import State
from prefect.tasks import Task, exponential_backoff

from tasks.errors import ServiceUnavailable


async def is_transient(_: Task[Any, Any], __: TaskRun, state: State[Any]) -> bool:
    """Only a server that does not answer is worth another try; everything else would fail again."""
    try:
        await state.aresult()
    except ServiceUnavailable:
        return True
    except BaseException:  # noqa: BLE001 - whatever else it was, trying again does not help
        return False
    return False


def step(name: str) -> Any:
    """Decorate a step: references in and out, no caching (the database knows what is done), transient retries.

    Parameters
    ----------
    name
        As the Prefect UI shows it.
    """
    return task(
        name=name,
        task_run_name=name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=2,
        retry_delay_seconds=exponential_backoff(2),
        retry_jitter_factor=0.5,
        retry_condition_fn=is_transient,
    )
