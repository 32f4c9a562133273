"""What every step of a round has in common as a Prefect task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from tasks.errors import ServiceUnavailable


async def is_transient(_: Task[Any, Any], __: TaskRun, state: State[Any]) -> bool:
    """Only a server that does not answer is worth another try; everything else would fail again."""
    try:
        await state.aresult()
    except ServiceUnavailable:
        return True
    except Exception:
        # Whatever else it was, trying again does not help.
        return False
    return False


P = ParamSpec("P")
R = TypeVar("R")


def step(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
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
