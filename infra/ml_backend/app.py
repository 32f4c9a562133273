"""The HTTP side of an ML backend, as Label Studio 1.23 calls it.

It gives each call little time (health 1 s, setup 3 s, predict 100 s), sends a whole project in one predict, and drops
all answers if there are not as many as tasks. Setup and webhooks carry a user's token and the project's: neither is
read here, kept or logged.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from tasks.errors import LabelRoundsError, UsageError

log = logging.getLogger(__name__)

NOTHING: Mapping[str, Any] = {"result": [], "score": 0.0}
"""For a task that cannot be predicted. Without a result Label Studio would ask for it again and again."""


class Oracle(Protocol):
    """Who predicts."""

    def version(self) -> str:
        """Name the model that `predict` uses from now on."""

    def versions(self) -> list[str]:
        """Name all models that there were, newest first."""

    def predict(self, tasks: Sequence[Any], label_config: str) -> tuple[str, list[dict[str, Any]]]:
        """Name the model, and give a prediction for each task: ``result`` and ``score``."""


@dataclass(frozen=True)
class Login:
    """What Label Studio shall say: its basic authentication."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Login:
        """Read ``user:password``.

        Raises
        ------
        UsageError
            It has no colon.
        """
        user, colon, password = text.partition(":")
        if not colon or not user or not password:
            raise UsageError("the ML backend's login must be user:password")
        return cls(user, password)

    def admits(self, header: str) -> bool:
        """Tell whether an Authorization header says it."""
        kind, _, told = header.partition(" ")
        try:
            given = base64.b64decode(told, validate=True) if kind.lower() == "basic" else b""
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, f"{self.user}:{self.password}".encode())


def make_app(oracle: Oracle, login: Login | None = None) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    oracle
        May be asked by several threads at once.
    login
        None lets anyone in who reaches the port.
    """
    app = FastAPI(title="labelrounds ML backend", docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def _admit(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        # Health says nothing about anybody, and has to answer a load balancer too.
        is_health = request.method == "GET" and request.url.path in ("/", "/health")
        if login is not None and not is_health and not login.admits(request.headers.get("authorization", "")):
            return JSONResponse(
                {"detail": "wrong login"}, 401, {"WWW-Authenticate": 'Basic realm="labelrounds"'}
            )
        return await go_on(request)

    @app.exception_handler(LabelRoundsError)
    async def _not_now(_: Request, error: LabelRoundsError) -> Response:
        log.warning("%s", error)
        return JSONResponse({"detail": str(error)}, 503)

    @app.get("/")
    @app.get("/health")
    async def _health() -> dict[str, str]:
        return {"status": "UP", "model_class": "labelrounds"}

    @app.post("/setup")
    def _setup() -> dict[str, str]:
        return {"model_version": oracle.version()}

    @app.get("/versions")
    def _versions() -> dict[str, list[str]]:
        return {"versions": oracle.versions()}

    @app.post("/predict")
    async def _predict(request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        tasks = body.get("tasks") if isinstance(body, dict) else None
        if not isinstance(tasks, list):
            return JSONResponse({"detail": "the body must be a JSON object with a list of tasks"}, 400)
        results = await run_in_threadpool(_results, oracle, tasks, str(body.get("label_config") or ""))
        return JSONResponse({"results": results})

    @app.post("/webhook")
    async def _webhook() -> dict[str, str]:
        # Answers come by polling; a model is trained by the campaign's next round.
        return {}

    return app


def _results(oracle: Oracle, tasks: Sequence[Any], label_config: str) -> list[dict[str, Any]]:
    try:
        version, found = oracle.predict(tasks, label_config)
    except LabelRoundsError:
        raise
    except Exception:
        # An annotator's page must not break because a model does; what it was stands in the log.
        log.exception("no predictions for %d tasks", len(tasks))
        version, found = "", []
    if len(found) != len(tasks):
        found = [dict(NOTHING) for _ in tasks]
    return [{**one, "model_version": version} for one in found]
