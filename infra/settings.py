"""The settings: environment variables, then `.env`, then the running embedded stack.

``Given`` is what the user set, all of it optional. ``Settings`` is complete: what was not set comes from
the embedded stack, whose state file lists the settings of its servers. Nothing heavy is imported here,
because the command reads its settings before it decides what to import.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.errors import SettingsError

PREFIX = "LABELROUNDS_"
STATE_FILE = "stack.json"
AMAZON = "aws"


class Given(BaseSettings):
    """What the user set, by ``LABELROUNDS_*`` variables or a `.env` file in the working directory."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Path = Field(
        default=Path(".labelrounds"), description="directory of the embedded stack: data, logs, secrets"
    )
    database_url: str | None = Field(
        default=None, repr=False, description="PostgreSQL 15 or newer, postgresql://user:password@host/db"
    )
    s3_endpoint_url: str | None = Field(
        default=None,
        description="http(s) address of an S3 store; `aws` is Amazon S3, where missing keys come from "
        "boto3's own chain (environment, profile, instance role)",
    )
    s3_access_key_id: str | None = Field(default=None, repr=False)
    s3_secret_access_key: str | None = Field(default=None, repr=False)
    s3_region: str = "us-east-1"
    artifact_bucket: str = Field(
        default="labelrounds", description="bucket for models, manifests, batches and MLflow's artifacts"
    )
    mlflow_tracking_uri: str | None = Field(default=None, repr=False)
    prefect_api_url: str | None = Field(default=None, repr=False)
    prefect_database_url: str | None = Field(
        default=None, repr=False, description="PostgreSQL for the embedded Prefect server instead of SQLite"
    )
    gateway_url: str | None = Field(
        default=None, description="where vendors reach the gateway; set, the embedded stack starts none"
    )
    gateway_database_url: str | None = Field(
        default=None, repr=False, description="the gateway's own login, which reaches functions and no table"
    )
    gateway_connections: int = Field(
        default=8, ge=2, le=50, description="database connections of one gateway process"
    )
    gateway_requests_per_second: float = Field(
        default=50, gt=0, description="what one API key may ask for lastingly, of one gateway process"
    )
    gateway_burst: int = Field(default=200, ge=1, description="requests that one key may make at once")
    gateway_payload_buckets: str = Field(
        default="",
        description="buckets, separated by commas, whose objects vendors may get addresses of; "
        "empty: all but the artifact bucket",
    )
    gateway_s3_public_url: str | None = Field(
        default=None, description="the S3 store's address for vendors, where it is not `s3_endpoint_url`"
    )
    gateway_private_webhooks: bool = Field(
        default=False, description="whether webhooks may go to private addresses and over plain http"
    )
    gateway_metrics_token: str | None = Field(
        default=None,
        repr=False,
        description="bearer token for /metrics; without one only this machine may read",
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url", "gateway_database_url")
    @classmethod
    def _psycopg2(cls, value: str | None) -> str | None:
        return value and _with_driver(value, "psycopg2")

    @field_validator("prefect_database_url")
    @classmethod
    def _asyncpg(cls, value: str | None) -> str | None:
        return value and _with_driver(value, "asyncpg")

    @field_validator("s3_endpoint_url", "prefect_api_url", "gateway_url", "gateway_s3_public_url")
    @classmethod
    def _http(cls, value: str | None, info: Any) -> str | None:
        if value is None or (info.field_name == "s3_endpoint_url" and value == AMAZON):
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        return value.rstrip("/")

    @field_validator("artifact_bucket")
    @classmethod
    def _bucket(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value):
            raise ValueError("must be a bucket's name: 3 to 63 of a-z, 0-9, '.' and '-'")
        return value


class Settings(Given):
    """Complete settings. `load_settings` makes them."""

    database_url: str = Field(repr=False)
    s3_endpoint_url: str
    mlflow_tracking_uri: str = Field(repr=False)
    prefect_api_url: str = Field(repr=False)

    @property
    def s3_endpoint(self) -> str | None:
        """The S3 address for boto3; None is Amazon."""
        return None if self.s3_endpoint_url == AMAZON else self.s3_endpoint_url

    def environment(self) -> dict[str, str]:
        """Environment variables that Prefect and MLflow read when they are imported."""
        return {
            "PREFECT_API_URL": self.prefect_api_url,
            "MLFLOW_TRACKING_URI": self.mlflow_tracking_uri,
            **QUIET,
            **without_proxy(),
        }


QUIET: dict[str, str] = {
    "DO_NOT_TRACK": "1",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Threads that spin while they wait made a training eight times as long on a machine with other work.
    "OMP_WAIT_POLICY": "PASSIVE",
    "PREFECT_CLIENT_MAX_RETRIES": "2",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "flows,tasks,infra",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}
"""No telemetry, no notices, no spinning, time for a slow start, and seconds, not minutes, for a dead server."""


def without_proxy() -> dict[str, str]:
    """Return variables that keep a company's HTTP proxy out of connections on this machine."""
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = [host for host in known.split(",") if host]
    hosts += [host for host in ("127.0.0.1", "localhost") if host not in hosts]
    return {name: ",".join(hosts) for name in ("NO_PROXY", "no_proxy")}


def read_given(**overrides: Any) -> Given:
    """Read what the user set.

    Raises
    ------
    SettingsError
        A value is malformed; one line names the variable.
    """
    try:
        return Given(**overrides)
    except ValidationError as error:
        raise SettingsError(_first_mistake(error)) from None


def load_settings(**overrides: Any) -> Settings:
    """Complete settings: given values first, then those of the running embedded stack.

    Parameters
    ----------
    **overrides
        Settings that win over the environment.

    Raises
    ------
    SettingsError
        Something is missing or malformed; one line says what and where it was looked for.
    """
    given = read_given(**overrides)
    stack = stack_settings(given.home)
    values = given.model_dump()
    names = ["database_url", "mlflow_tracking_uri", "prefect_api_url", "s3_endpoint_url", "gateway_url"]
    if given.s3_endpoint_url is None:
        # The stack's endpoint and its keys belong together.
        names += ["s3_access_key_id", "s3_secret_access_key"]
        values |= {"s3_access_key_id": None, "s3_secret_access_key": None}
    values |= {name: stack[name] for name in names if name in stack and values[name] is None}
    missing = [name for name in Settings.model_fields if values[name] is None and _required(name, values)]
    if missing:
        raise SettingsError(_missing(missing, given.home))
    return Settings(**values)


def load_gateway_settings(**overrides: Any) -> Given:
    """Complete what a gateway needs: its own database login and the S3 store; not MLflow, not Prefect.

    Raises
    ------
    SettingsError
        Something is missing or malformed.
    """
    given = read_given(**overrides)
    stack = stack_settings(given.home)
    values = given.model_dump()
    values["gateway_database_url"] = given.gateway_database_url or given.database_url
    if given.s3_endpoint_url is None:
        names = ("s3_endpoint_url", "s3_access_key_id", "s3_secret_access_key")
        values |= {name: stack.get(name) for name in names}
    missing = [name for name in ("gateway_database_url", "s3_endpoint_url") if values[name] is None]
    if missing:
        raise SettingsError(_missing(missing, given.home))
    return Given(**values)


def stack_settings(home: Path) -> dict[str, str]:
    """Return the settings that the embedded stack in `home` offers; empty when it is down.

    Raises
    ------
    SettingsError
        The state file cannot be read.
    """
    path = home / STATE_FILE
    try:
        return dict(json.loads(path.read_text()).get("settings", {}))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); `labelrounds up` writes it anew") from None


def _required(name: str, values: dict[str, Any]) -> bool:
    if name in ("s3_access_key_id", "s3_secret_access_key"):
        return values["s3_endpoint_url"] not in (None, AMAZON)
    return name in ("database_url", "s3_endpoint_url", "mlflow_tracking_uri", "prefect_api_url")


def _missing(names: list[str], home: Path) -> str:
    variables = ", ".join(PREFIX + name.upper() for name in names)
    return (
        f"missing: {variables}; looked in the environment, in {Path('.env').absolute()} and in the embedded "
        f"stack's {home / STATE_FILE}; set {'it' if len(names) == 1 else 'them'}, or run `labelrounds up`"
    )


def _first_mistake(error: ValidationError) -> str:
    mistake = error.errors()[0]
    name = PREFIX + str(mistake["loc"][0]).upper()
    reason = mistake["msg"].removeprefix("Value error, ")
    return f"{name}: {reason} (set in the environment or in {Path('.env').absolute()})"


def _with_driver(url: str, driver: Literal["psycopg2", "asyncpg"]) -> str:
    """Name the driver: SQLAlchemy 2.1 reads a bare ``postgresql://`` as psycopg 3, which is not installed."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", f"postgresql+{driver}"):
        raise ValueError(f"must begin with postgresql:// or postgresql+{driver}://")
    try:
        urlsplit(url).port  # noqa: B018 - reading it is the check
    except ValueError:
        raise ValueError("has a port that is not a number") from None
    return f"postgresql+{driver}://{rest}"
