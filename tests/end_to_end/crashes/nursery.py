"""A process that has imported everything and forks a child for each command: a start costs milliseconds.

Run as ``python -m tests.end_to_end.crashes.nursery``. It speaks JSON, a line each way: ``{"start": {...}}`` gives
``{"pid": ...}``, ``{"wait": pid}`` gives ``{"code": ...}``, negative for a signal. The children run the real
command line, `flows.cli.main`. Forking is sound because nothing has started a thread by then: no flow ran, no
OpenMP or BLAS work was done, and BLAS is told to have one thread, here and in every process compared with these.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

HEAVY = (
    "alembic.command", "boto3.session", "flows.cli", "flows.collect", "flows.health", "flows.round", "flows.sweep",
    "infra.tracking", "matplotlib.backends.backend_agg", "mlflow.tracking", "mlflow.pyfunc", "sklearn.cluster",
    "sklearn.decomposition", "sklearn.feature_extraction.text", "tasks.evaluation.plots", "tasks.features",
    "tasks.models", "tasks.pool.take", "tasks.strategies", "tasks.truth",
)  # fmt: skip


def import_everything() -> None:
    """Import what a round needs, and start nothing."""
    for name in HEAVY:
        importlib.import_module(name)
    # Python's own threads; those that BLAS keeps are ended and begun anew around a fork by BLAS itself.
    assert threading.active_count() == 1, threading.enumerate()


def main() -> None:
    """Serve requests until stdin ends."""
    import_everything()
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer = {"pid": start(request["start"])}
        else:
            _, status = os.waitpid(request["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        print(json.dumps(answer), flush=True)


def start(order: dict[str, Any]) -> int:
    """Fork a child that runs one command."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        code = run(order)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def run(order: dict[str, Any]) -> int:
    """Run the command line in this process and give its exit code."""
    from flows import cli
    from tests.end_to_end.crashes.writes import Writes

    folder = Path(order["folder"])
    for name, descriptor in (("out", 1), ("err", 2)):
        with (folder / name).open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ.update(order["environment"])
    # As for a program of its own.
    sys.path[:0] = [path for path in order["environment"].get("PYTHONPATH", "").split(os.pathsep) if path]
    Writes(folder / "writes", order["die_before"]).watch()
    sys.argv = ["labelrounds", *order["words"]]
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    main()
