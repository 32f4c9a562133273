"""A gateway over a real database and S3, and vendors with keys."""

from __future__ import annotations

import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import requests
import sqlalchemy as sa
import uvicorn

from infra.database import access
from infra.database.engine import connect, migrate
from infra.gateway.app import Gateway, create_app
from infra.gateway.desk import Desk as GatewayDesk
from infra.gateway.limits import TokenBuckets
from infra.gateway.payloads import Signer
from infra.gateway.webhooks.dispatcher import Dispatcher
from infra.gateway.webhooks.send import Sender
from infra.storage import Storage
from tests.integration.database.conftest import Desk, desk  # noqa: F401 - the fixture


class Server:
    """An application behind a real socket, in a thread."""

    def __init__(self, app: Any) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=3)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        end = time.monotonic() + 10
        while not self.server.started:
            assert time.monotonic() < end, "the gateway did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)


@dataclass
class Vendor:
    """A vendor's side: plain requests with a key."""

    url: str
    key: str
    session: requests.Session = field(default_factory=requests.Session)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        return self.session.request(method, f"{self.url}{path}", headers=headers, timeout=30, **more)

    def post(self, path: str, body: Mapping[str, Any], **more: Any) -> requests.Response:
        return self.ask("POST", path, json={"request_id": str(uuid.uuid4()), **body}, **more)

    def lease(self, most: int = 100, **more: Any) -> dict[str, Any]:
        reply = self.post("/v1/leases", {"max": most, **more})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def submit(self, rows: list[Any], **more: Any) -> dict[str, Any]:
        reply = self.post("/v1/annotations", {"rows": rows, **more})
        assert reply.status_code == 200, reply.text
        return reply.json()

    def answer(self, tasks: list[Mapping[str, Any]], label: Any = "ham") -> list[str]:
        rows = [{"assignment_id": task["assignment_id"], "label": label} for task in tasks]
        return [row["code"] or row["result"] for row in self.submit(rows)["rows"]]


@dataclass
class House:
    """A gateway, the operator's desk behind it, and how to become a vendor."""

    url: str
    login: str
    desk: Desk
    gateway: Gateway

    def vendor(self, name: str = "acme") -> Vendor:
        return Vendor(self.url, access.issue_key(self.desk.engine, name).key)


Make = Callable[..., Gateway]


@pytest.fixture
def login(desk: Desk) -> str:  # noqa: F811
    """The gateway's own database login."""
    return access.gateway_login(desk.engine)


@pytest.fixture
def make_gateway(login: str, storage: Storage) -> Iterator[Make]:
    """Make gateways over the database of the test; all are closed at its end."""
    made: list[Gateway] = []

    def make(
        *, per_second: float = 10_000, burst: int = 10_000, connections: int = 6, metrics_token: str | None = None,
        clock: Callable[[], datetime | None] = lambda: None, dispatch: bool = False,
    ) -> Gateway:  # fmt: skip
        gateway_desk = GatewayDesk(login, connections)
        signer = Signer(storage.presign, frozenset(), frozenset({"labelrounds"}))
        sender = Sender(private=True, total_seconds=1.0)
        dispatcher = Dispatcher(gateway_desk, sender, random.Random(3), clock=clock, idle_seconds=0.05)
        limits = TokenBuckets(per_second, burst)
        gateway = Gateway(
            gateway_desk,
            signer,
            limits,
            metrics_token=metrics_token,
            dispatcher=dispatcher if dispatch else None,
        )
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.desk.close()


@pytest.fixture
def house(desk: Desk, login: str, make_gateway: Make) -> Iterator[House]:  # noqa: F811
    """A running gateway."""
    gateway = make_gateway()
    server = Server(create_app(gateway))
    yield House(server.url, login, desk, gateway)
    server.stop()


@pytest.fixture(scope="module")
def small(data_stack: Any, storage: Storage) -> Iterator[Vendor]:
    """A vendor of a gateway over one database for a module's tests, which may only read."""
    server, _, _ = data_stack.settings["database_url"].rpartition("/")
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    operator = Desk(connect(f"{server}/{name}"))
    migrate(operator.engine)
    operator.publish(operator.campaign(), 5)
    signer = Signer(storage.presign, frozenset(), frozenset())
    desk_ = GatewayDesk(access.gateway_login(operator.engine), 4)
    running = Server(create_app(Gateway(desk_, signer, TokenBuckets(10_000, 10_000))))
    yield Vendor(running.url, access.issue_key(operator.engine, "acme").key)
    running.stop()
    operator.close()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()
