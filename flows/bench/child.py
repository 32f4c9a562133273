"""One measurement in a process of its own, on one thread: `python -m flows.bench.child '{...}'`."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from flows.bench.inputs import make_inputs


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """Time a choice.

    Parameters
    ----------
    task
        ``strategy`` or ``peer``, ``rows``, ``features``, ``batch``, ``repeats``.

    Returns
    -------
    dict
        ``seconds``: the least of the repeats, processor time. ``peak_mb``: what choosing added to the process's
        largest size, its input not counted.
    """
    inputs = make_inputs(task["rows"], task["features"])
    choose = _peer(task["peer"], inputs) if task.get("peer") else _ours(task["strategy"], inputs)
    choose(min(2, task["batch"]))  # imports and caches
    before = _peak_mb()
    seconds = []
    for _ in range(task["repeats"]):
        begun = time.process_time()
        chosen = choose(task["batch"])
        seconds.append(time.process_time() - begun)
    distinct = len(np.unique(np.asarray(chosen)))
    return {"seconds": min(seconds), "peak_mb": _peak_mb() - before, "chosen": distinct}


def _ours(text: str, inputs: Any) -> Callable[[int], Any]:
    from tasks.strategies import get, wants

    strategy = get(text)
    candidates = inputs.candidates(wants(strategy))
    return lambda k: strategy.select(candidates, k, np.random.default_rng(0))


def _peer(name: str, inputs: Any) -> Callable[[int], Any]:
    from flows.bench.peers import choice_of

    return choice_of(name, inputs)


def _peak_mb() -> float:
    """Give the largest size of this process so far, in megabytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    json.dump(measure(json.loads(sys.argv[1])), sys.stdout)
