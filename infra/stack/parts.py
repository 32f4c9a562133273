"""The parts of the stack: what each needs before it starts, its process, and how to tell that it answers."""

from __future__ import annotations

import os
import signal
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.settings import QUIET, Given, without_proxy
from infra.stack import gateway, postgres, seaweed, worker
from infra.stack.place import Place
from infra.stack.processes import Command

ALLOWED_HOSTS = "localhost,localhost:*,127.0.0.1,127.0.0.1:*"


@dataclass(frozen=True)
class Part:
    """One server of the stack.

    Parameters
    ----------
    ports
        Its ports by use; the first is the one that clients use.
    requires
        Parts that have to answer before this one starts.
    mark
        The argument of its command line by which its process is recognised.
    prepare
        Lays out its directory; idempotent.
    command
        Its process.
    check
        Raises an exception unless it answers.
    finish
        What is to be made in it once it answers; idempotent.
    offers
        The settings that it answers for.
    given
        The address that the user set instead of it, if any.
    on_demand
        Started only by its name, and from then on with the others.
    """

    name: str
    ports: tuple[str, ...]
    requires: frozenset[str]
    mark: Callable[[Place], str]
    prepare: Callable[[Place], None]
    command: Callable[[Place], Command]
    check: Callable[[Place], None]
    finish: Callable[[Place], None]
    offers: Callable[[Place], dict[str, str]]
    given: Callable[[Given], str | None]
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 60
    stop_seconds: float = 15
    on_demand: bool = False

    def address(self, place: Place) -> str:
        """Return the address for people, without secrets; empty before the first start."""
        if self.name not in place.ports:
            return ""
        scheme = "postgresql" if self.name == "postgres" else "http"
        return f"{scheme}://127.0.0.1:{place.port(self.name)}"


def all_parts() -> dict[str, Part]:
    """Return the parts by name, each after those that it requires."""
    parts = (
        Part(
            "postgres",
            ("postgres",),
            frozenset(),
            postgres.mark,
            postgres.prepare,
            postgres.command,
            postgres.check,
            postgres.finish,
            lambda place: {"database_url": postgres.url(place, "labelrounds")},
            lambda given: given.database_url,
            stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client to leave
            stop_seconds=60,
        ),
        Part(
            "s3",
            seaweed.PORTS,
            frozenset(),
            seaweed.mark,
            seaweed.prepare,
            seaweed.command,
            seaweed.check,
            seaweed.finish,
            seaweed.offers,
            lambda given: given.s3_endpoint_url,
        ),
        Part(
            "gateway",
            ("http",),
            frozenset({"postgres", "s3"}),
            gateway.mark,
            gateway.prepare,
            gateway.command,
            lambda place: answer(f"http://127.0.0.1:{place.port('gateway')}/healthz"),
            lambda place: None,
            lambda place: {"gateway_url": f"http://127.0.0.1:{place.port('gateway')}"},
            lambda given: given.gateway_url,
            stop_seconds=30,
        ),
        Part(
            "mlflow",
            ("http",),
            frozenset({"postgres", "s3"}),
            lambda place: _mark(place, "mlflow"),
            _make_directory("mlflow"),
            mlflow_command,
            lambda place: answer(f"http://127.0.0.1:{place.port('mlflow')}/health"),
            lambda place: None,
            lambda place: {"mlflow_tracking_uri": f"http://127.0.0.1:{place.port('mlflow')}"},
            lambda given: given.mlflow_tracking_uri,
            start_seconds=240,
        ),
        Part(
            "prefect",
            ("http",),
            frozenset(),
            lambda place: _mark(place, "prefect"),
            _make_directory("prefect"),
            prefect_command,
            lambda place: answer(f"http://127.0.0.1:{place.port('prefect')}/api/health"),
            lambda place: None,
            lambda place: {"prefect_api_url": f"http://127.0.0.1:{place.port('prefect')}/api"},
            lambda given: given.prefect_api_url,
            start_seconds=240,
        ),
        Part(
            "worker",
            ("health",),
            frozenset({"postgres", "s3", "mlflow", "prefect"}),
            worker.mark,
            worker.prepare,
            worker.command,
            lambda place: answer(f"http://127.0.0.1:{place.port('worker')}/health"),
            lambda place: None,
            lambda place: {},
            lambda given: None,
            start_seconds=240,
            on_demand=True,
        ),
    )
    return {part.name: part for part in parts}


def mlflow_command(place: Place) -> Command:
    """MLflow's server: its tables in the stack's PostgreSQL, artifacts passed through to S3.

    With a PostgreSQL from the settings it keeps an SQLite file instead: its tables and migrations would
    collide with ours in that database, and a second database there is not ours to create.
    """
    directory, given = place.directory("mlflow"), place.given
    backend = f"sqlite:///{directory}/mlflow.db"
    if given.database_url is None:
        backend = postgres.url(place, "mlflow")
    environment = (
        _environment()
        | _s3_environment(place)
        | {
            "MLFLOW_BACKEND_STORE_URI": backend,  # holds a password, so not on the command line
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{given.artifact_bucket}/mlflow",
            "MLFLOW_SERVER_ALLOWED_HOSTS": ALLOWED_HOSTS,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else ten processes and 2 GB
            "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "5",
        }
    )
    arguments = ("server", "--host", "127.0.0.1", "--port", str(place.port("mlflow")), "--workers", "1")
    return _python(place, "mlflow", arguments, environment)


def prefect_command(place: Place) -> Command:
    """Prefect's server on an SQLite file, or on the PostgreSQL of `prefect_database_url`.

    The stack's own PostgreSQL lacks the extension pg_trgm, without which Prefect does not start on it.
    """
    directory, port = place.directory("prefect"), place.port("prefect")
    database = place.given.prefect_database_url or f"sqlite+aiosqlite:///{directory}/prefect.db"
    environment = _environment() | {
        "PREFECT_HOME": str(directory),
        "PREFECT_PROFILES_PATH": str(directory / "profiles.toml"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # Leases in memory would be lost, and with them running flows, when this server is started again.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    arguments = ("server", "start", "--host", "127.0.0.1", "--port", str(port))
    return _python(place, "prefect", arguments, environment)


def answer(url: str, timeout: float = 5) -> None:
    """Raise an OSError unless a GET of `url` succeeds."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout):
        pass


def _python(place: Place, module: str, arguments: tuple[str, ...], environment: dict[str, str]) -> Command:
    mark = _mark(place, module)
    argv = (sys.executable, "-X", mark, "-m", module, *arguments)
    return Command(argv, mark, place.directory(module), environment)


def _mark(place: Place, module: str) -> str:
    # Python keeps -X options that it does not know, so the mark shows in the process list and does nothing.
    return f"labelrounds-{module}={place.home}"


def _environment() -> dict[str, str]:
    """Return the caller's environment without what would reach into a server, and without telemetry."""
    foreign = ("LABELROUNDS_", "PREFECT_", "MLFLOW_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | QUIET | without_proxy() | {"PYTHONUNBUFFERED": "1"}


def _s3_environment(place: Place) -> dict[str, str]:
    settings = seaweed.s3_settings(place)
    environment = {
        "AWS_DEFAULT_REGION": place.given.s3_region,
        "AWS_ACCESS_KEY_ID": settings.get("s3_access_key_id"),
        "AWS_SECRET_ACCESS_KEY": settings.get("s3_secret_access_key"),
    }
    if settings.get("s3_endpoint_url") is not None:
        environment |= {
            "MLFLOW_S3_ENDPOINT_URL": settings["s3_endpoint_url"],
            "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }
    return {name: value for name, value in environment.items() if value}


def _make_directory(part: str) -> Callable[[Place], None]:
    def prepare(place: Place) -> None:
        directory: Path = place.directory(part)
        directory.mkdir(mode=0o700, exist_ok=True)

    return prepare
