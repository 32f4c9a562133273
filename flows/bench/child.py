"""One measurement in a process of its own, on one thread: `python -m flows.bench.child '{...}'`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
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
        ``seconds``: the least of the repeats, processor time. ``peak_mb``: the most memory that choosing took
        beyond what was in use before it.
    """
    inputs = make_inputs(task["rows"], task["features"])
    choose = _peer(task["peer"], inputs) if task.get("peer") else _ours(task["strategy"], inputs)
    choose(min(2, task["batch"]))  # imports and caches
    before = _reset_peak()
    seconds = []
    for _ in range(task["repeats"]):
        begun = time.process_time()
        chosen = choose(task["batch"])
        seconds.append(time.process_time() - begun)
    distinct = len(np.unique(np.asarray(chosen)))
    return {"seconds": min(seconds), "peak_mb": max(0.0, _peak_mb() - before), "chosen": distinct}


def _ours(text: str, inputs: Any) -> Callable[[int], Any]:
    from tasks.strategies import get, wants

    strategy = get(text)
    candidates = inputs.candidates(wants(strategy))
    return lambda k: strategy.select(candidates, k, np.random.default_rng(0))


def _peer(name: str, inputs: Any) -> Callable[[int], Any]:
    from flows.bench.peers import choice_of

    return choice_of(name, inputs)


def _reset_peak() -> float:
    """Let the process's largest size begin anew at its present one; gives that in megabytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak_mb() -> float:
    """Give the largest size of this process since `_reset_peak`, in megabytes."""
    return _status("VmHWM")


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


if __name__ == "__main__":
    json.dump(measure(json.loads(sys.argv[1])), sys.stdout)
