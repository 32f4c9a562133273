"""The gateway of the stack: the vendors' HTTP API, under a database login of its own."""

from __future__ import annotations

import os
import sys
from typing import Any

from infra.settings import PREFIX, QUIET, without_proxy
from infra.stack import postgres, seaweed
from infra.stack.place import Place
from infra.stack.processes import Command

FOREIGN = ("LABELROUNDS_", "PREFECT_", "MLFLOW_", "AWS_")


def mark(place: Place) -> str:
    """Return the argument by which the gateway is recognised."""
    return f"labelrounds-gateway={place.home}"


def prepare(place: Place) -> None:
    """Lay out its directory, bring the database's schema up and make its login there."""
    from infra.gateway.admit import admit

    place.directory("gateway").mkdir(mode=0o700, exist_ok=True)
    admit(_owner_url(place), login_url(place))


def login_url(place: Place) -> str:
    """Return the address of its own login: a name that tells nothing, and functions alone."""
    from sqlalchemy.engine import make_url

    given = place.given.gateway_database_url
    if given is not None:
        return given
    role = f"lr_gateway_{place.secrets['gateway_role'][:12]}"
    url = make_url(_owner_url(place)).set(username=role, password=place.secrets["gateway_password"])
    return url.render_as_string(hide_password=False)


def command(place: Place) -> Command:
    """Return its process; addresses with passwords are in the environment, not on the command line."""
    directory = place.directory("gateway")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment |= QUIET | without_proxy() | {"PYTHONUNBUFFERED": "1"} | _settings(place)
    # Python keeps -X options that it does not know, so the mark shows in the process list and does nothing.
    argv = (sys.executable, "-X", mark(place), "-m", "infra.gateway", "--port", str(place.port("gateway")))
    return Command(argv, mark(place), directory, environment)


def _settings(place: Place) -> dict[str, str]:
    given: dict[str, Any] = place.given.model_dump()
    values = {name: value for name, value in given.items() if name.startswith("gateway_")}
    values |= {"s3_region": place.given.s3_region, "artifact_bucket": place.given.artifact_bucket}
    values |= seaweed.s3_settings(place)
    if place.given.s3_endpoint_url is not None:
        values["s3_endpoint_url"] = place.given.s3_endpoint_url  # Amazon has a name, not an address
    values |= {"gateway_database_url": login_url(place)}
    return {PREFIX + name.upper(): str(value) for name, value in values.items() if value is not None}


def _owner_url(place: Place) -> str:
    return place.given.database_url or postgres.url(place, "labelrounds")
