"""The worker of the stack: runs deployed flows as processes on this machine."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from infra.deployments.pool import WORK_POOL
from infra.deployments.silence import HEARTBEAT_SECONDS
from infra.settings import PREFIX, load_settings
from infra.stack.place import Place
from infra.stack.processes import Command

FOREIGN = ("LABELROUNDS_", "PREFECT_", "MLFLOW_")
AT_ONCE = 4
"""Flow runs side by side; each is a process that imports the learning libraries."""

QUERY_SECONDS = 5


def mark(place: Place) -> str:
    """Return the argument by which the worker is recognised, and in the environment its flow runs."""
    return f"labelrounds-worker={place.home}"


def prepare(place: Place) -> None:
    """Lay out its directory, which is the working directory of the flow runs."""
    place.directory("worker").mkdir(mode=0o700, exist_ok=True)


def command(place: Place) -> Command:
    """Return its process. All other parts offer their settings by now, since it requires them.

    What the user set is handed on by variables: flow runs work in another directory, where no `.env` is.
    """
    directory = place.directory("worker")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment |= _given(place) | load_settings(home=place.home).environment()
    environment |= {
        "PREFECT_HOME": str(directory),
        "PREFECT_PROFILES_PATH": str(directory / "profiles.toml"),
        "PREFECT_WORKER_QUERY_SECONDS": str(QUERY_SECONDS),
        "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
        "PREFECT_WORKER_WEBSERVER_PORT": str(place.port("worker")),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false",
        "PYTHONUNBUFFERED": "1",
    }
    arguments = ("--pool", WORK_POOL, "--type", "process", "--name", f"labelrounds-{platform.node()}")
    options = ("--limit", str(AT_ONCE), "--with-healthcheck", "--install-policy", "never")
    # Python keeps -X options that it does not know, so the mark shows in the process list and does nothing.
    python = (sys.executable, "-X", mark(place), "-m", "prefect", "--no-prompt")
    return Command((*python, "worker", "start", *arguments, *options), mark(place), directory, environment)


def _given(place: Place) -> dict[str, str]:
    values: dict[str, Any] = place.given.model_dump(exclude_none=True) | {"home": place.home}
    return {PREFIX + name.upper(): str(value) for name, value in values.items()}
