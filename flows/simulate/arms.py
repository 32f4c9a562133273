"""The repeats of a simulation as Prefect tasks, and where they run."""

from __future__ import annotations

import multiprocessing
import os
import threading
from functools import lru_cache
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from infra.settings import load_settings
from infra.workplace import Workplace
from tasks.reference import Reference
from tasks.simulation import LabelledData, SimulationProtocol, Treatment, full_pool, run_repeat
from tasks.step import is_transient

# Results are kept by the flow, as files; only a server that does not answer is worth another try.
_OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": 2,
    "retry_condition_fn": is_transient,
}


@task(name="campaign", task_run_name="{treatment}/{repeat:03d}", **_OPTIONS)
def campaign(
    data: Reference, treatment: Treatment, protocol: SimulationProtocol, repeat: int
) -> dict[str, Any]:
    """Run one campaign of one arm."""
    return run_repeat(fetch(data), treatment, protocol, repeat).to_json()


@task(name="full pool", task_run_name="full pool [{model}]/{repeat:03d}", **_OPTIONS)
def full(data: Reference, model: str, protocol: SimulationProtocol, repeat: int) -> dict[str, Any]:
    """Measure what the labels of the whole pool would give a model."""
    return full_pool(fetch(data), model, protocol, repeat)


@lru_cache(maxsize=1)
def fetch(data: Reference) -> LabelledData:
    """Read the data, once a process."""
    place = Workplace(load_settings())
    try:
        return LabelledData.from_bytes(place.fetch(data))
    finally:
        place.close()


def runner(jobs: int, dask: str | None) -> TaskRunner[Any]:
    """Give where the tasks run: a Dask cluster, or processes of this machine; one at a time, in this one.

    Processes, not threads: campaigns are mostly Python between short native calls, a limit on native threads holds
    for a whole process, and a start of seconds is little for a campaign of many steps.
    """
    if dask is None:
        if jobs == 1:
            return ThreadPoolTaskRunner(max_workers=1)
        return ProcessPoolTaskRunner(max_workers=jobs, initializer=end_with_parent)
    from prefect_dask import DaskTaskRunner

    found: TaskRunner[Any] = DaskTaskRunner(address=dask)
    return found


def end_with_parent() -> None:
    """Have a worker process end when the command does, however that ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
