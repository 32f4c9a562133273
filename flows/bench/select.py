"""How long choosing a batch takes, for each strategy, next to other libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from flows.bench.peers import PEERS

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Timing:
    """One measurement.

    Parameters
    ----------
    name
        A strategy, or a peer.
    of
        The strategy that a peer is measured against; the strategy itself.
    seconds
        Processor time of the choice; None where it failed.
    peak_mb
        The most memory that choosing took beyond what was in use before it.
    problem
        Why it failed.
    """

    name: str
    of: str
    seconds: float | None
    peak_mb: float | None
    problem: str | None = None

    def to_json(self) -> dict[str, object]:
        """Give all by name."""
        return asdict(self)


def bench_select(
    strategies: Sequence[str],
    *,
    rows: int,
    features: int,
    batch: int,
    repeats: int,
    peers: bool,
    limit: float,
) -> Iterator[Timing]:
    """Measure strategies one after another, each in a fresh process on one thread.

    Parameters
    ----------
    strategies
        As ``strategy:`` in a campaign.
    peers
        Measure the same choice by other libraries too, where they are installed.
    limit
        Seconds after which a measurement is given up.
    """
    task = {"rows": rows, "features": features, "batch": batch, "repeats": repeats}
    for strategy in strategies:
        yield _run({**task, "strategy": strategy}, strategy, strategy, limit)
        for peer in PEERS.get(strategy, ()) if peers else ():
            yield _run({**task, "peer": peer}, peer, strategy, limit)


def _run(task: dict[str, object], name: str, of: str, limit: float) -> Timing:
    command = [sys.executable, "-m", "flows.bench.child", json.dumps(task)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, env={**os.environ, **ONE_THREAD}
        )
    except subprocess.TimeoutExpired:
        return Timing(name, of, None, None, f"not done after {limit:g} s")
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        missing = last[0].startswith("ModuleNotFoundError")
        return Timing(name, of, None, None, "not installed" if missing else last[0])
    found = json.loads(done.stdout)
    problem = None if found["chosen"] == task["batch"] else f"{found['chosen']} different items"
    return Timing(name, of, found["seconds"], found["peak_mb"], problem)
