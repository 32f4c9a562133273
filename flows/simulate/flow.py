"""The story of a simulation: run what is missing, compare, draw, track."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture, as_completed

from flows.simulate.arms import campaign, full, runner
from flows.simulate.progress import Display
from flows.simulate.report import Key, Report, compare
from flows.simulate.request import Request
from flows.simulate.results import FULL, Results, write_whole
from flows.simulate.track import track
from tasks.errors import StackError
from tasks.simulation.treatment import Treatment


def run(request: Request) -> dict[str, Any]:
    """Run the simulation as a Prefect flow; gives the document that ``--json`` prints."""
    options = simulate.with_options(
        flow_run_name=f"simulate/{request.name}", task_runner=runner(request.jobs, request.dask)
    )
    return options(request)


@flow(name="simulate", persist_result=False, validate_parameters=False)
def simulate(request: Request) -> dict[str, Any]:
    """Run campaigns against known labels, the same for all arms but for strategy, model and labeling, and compare.

    Each finished campaign is kept, so that an interrupted simulation goes on where it was.
    """
    begun = time.monotonic()
    results = Results(request.out, request.data.sha256, request.protocol, request.code)
    found = finish(request, results)
    report = compare(request, results, found)
    document = report.to_json(draw(request, report), time.monotonic() - begun)
    write_whole(request.out / "result.json", json.dumps(document, indent=1).encode())
    return {**document, "links": track(request, results, report)}


def finish(request: Request, results: Results) -> dict[Key, dict[str, Any]]:
    """Give the result of every repeat of every arm: kept from earlier, or run now."""
    wanted = list(keys(request))
    found = {key: kept for key in wanted if (kept := results.read(*key)) is not None}
    with Display(len(wanted), len(found)) as display:
        futures = {submit(request, *key): key for key in wanted if key not in found}
        for future in as_completed(list(futures)):
            key = futures[future]
            found[key] = outcome(future)
            results.write(*key, found[key])
            display.advance()
    return found


def keys(request: Request) -> Iterator[Key]:
    """Give arm and number of all repeats, in an order in which the arms grow alike."""
    whole = [Treatment(FULL, model) for model in request.models]
    for repeat in range(request.protocol.repeats):
        for arm in (*whole, *request.treatments):
            yield arm, repeat


def submit(request: Request, arm: Treatment, repeat: int) -> PrefectFuture[dict[str, Any]]:
    """Have a repeat run as a task."""
    if arm.strategy == FULL:
        return full.submit(request.data, arm.model, request.protocol, repeat)
    return campaign.submit(request.data, arm, request.protocol, repeat)


def outcome(future: PrefectFuture[dict[str, Any]]) -> dict[str, Any]:
    """Wait for a repeat.

    Raises
    ------
    StackError
        The process that ran it was ended.
    """
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise StackError(
            "a process that ran a campaign was ended, perhaps for lack of memory; what is finished is kept: "
            "start again, with fewer --jobs"
        ) from error


def draw(request: Request, report: Report) -> dict[str, str]:
    """Save the pictures beside the results; gives their paths by name."""
    from infra.tracking.artifacts import png

    paths = {}
    for name, figure in report.figures.items():
        path = request.out / f"{name}.png"
        write_whole(path, png(figure))
        paths[name] = str(path)
    return paths
