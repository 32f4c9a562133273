"""What the server does without a queue around it, in the same run: to know the machine by."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg2

ROWS, SECONDS = 20_000, 3.0

CLAIM = """
UPDATE bare_tasks SET state = 'done' WHERE id IN (
    SELECT id FROM bare_tasks WHERE state = 'ready' ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING id
"""
"""A queue that remembers nothing: one update takes a task and has it done. No overlap, no lease, no answer, no log."""


def bare_figures(url: str, clients: int, batch: int) -> dict[str, float]:
    """Measure, from as many processes as there are vendors.

    Returns
    -------
    dict
        ``skip_locked_per_s``: tasks a second through the least queue that SQL can make, `batch` at a time.
        ``commits_per_s``: transactions of one row, each synced to disk.
    """
    address = url.replace("+psycopg2", "", 1)
    _run(address, "CREATE TABLE bare_tasks (id int PRIMARY KEY, state text NOT NULL)",
         f"INSERT INTO bare_tasks SELECT n, 'ready' FROM generate_series(1, {ROWS}) n", "ANALYZE bare_tasks",
         "CREATE TABLE bare_rows (at timestamptz)")  # fmt: skip
    try:
        taken = _all(address, "take", clients, batch)
        committed = _all(address, "commit", clients, batch)
    finally:
        _run(address, "DROP TABLE bare_tasks, bare_rows")
    return {"skip_locked_per_s": round(taken), "commits_per_s": round(committed)}


def _run(address: str, *commands: str) -> None:
    connection = psycopg2.connect(address)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for command in commands:
            cursor.execute(command)
    connection.close()


def _all(address: str, what: str, clients: int, batch: int) -> float:
    """Start the processes together, and give their units a second, from the first start to the last end."""
    task = json.dumps({"address": address, "what": what, "batch": batch, "start": time.time() + 1.5})
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "flows.bench.bare"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(clients)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(task)
        process.stdin.close()
    said = []
    for process in processes:
        assert process.stdout is not None
        said.append(json.loads(process.stdout.read()))
        process.wait()
    units = sum(one["units"] for one in said)
    return float(units / (max(one["end"] for one in said) - min(one["begin"] for one in said)))


def _work(task: dict[str, Any]) -> dict[str, float]:
    connection = psycopg2.connect(task["address"])
    connection.autocommit = True
    turn: Callable[[Any], int] = {"take": lambda cursor: _take(cursor, task["batch"]), "commit": _commit}[
        task["what"]
    ]
    time.sleep(max(0.0, task["start"] - time.time()))
    begin, units = time.time(), 0
    with connection.cursor() as cursor:
        while time.time() - begin < SECONDS:
            done = turn(cursor)
            if not done:
                break
            units += done
    connection.close()
    return {"begin": begin, "end": time.time(), "units": units}


def _take(cursor: Any, batch: int) -> int:
    cursor.execute(CLAIM, (batch,))
    return len(cursor.fetchall())


def _commit(cursor: Any) -> int:
    cursor.execute("INSERT INTO bare_rows VALUES (clock_timestamp())")
    return 1


if __name__ == "__main__":
    json.dump(_work(json.load(sys.stdin)), sys.stdout)
