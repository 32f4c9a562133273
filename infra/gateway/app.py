"""The gateway as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from infra.gateway import routes, service
from infra.gateway.desk import Desk
from infra.gateway.limits import TokenBuckets
from infra.gateway.metrics import Metrics
from infra.gateway.models import ProblemDocument
from infra.gateway.payloads import Signer
from infra.gateway.problems import Problem
from infra.gateway.trace import Trace
from infra.gateway.webhooks.dispatcher import Dispatcher

DESCRIPTION = """\
Take tasks until a deadline, hand answers in, see what became of each. Every call that changes something carries a
`request_id` that you make: when a reply is lost, send the same call again and you get the same answer. Errors of a call
as a whole are problem documents (RFC 9457) with a `code`; rows are judged one by one.
"""


@dataclass(frozen=True)
class Gateway:
    """What an application is made of.

    Attributes
    ----------
    dispatcher
        Sends webhooks beside the API; None where another process does.
    """

    desk: Desk
    signer: Signer
    limits: TokenBuckets
    metrics: Metrics = field(default_factory=Metrics)
    metrics_token: str | None = field(default=None, repr=False)
    dispatcher: Dispatcher | None = None


def create_app(gateway: Gateway) -> FastAPI:
    """Make the application; its end closes the desk."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if gateway.dispatcher is not None:
            gateway.dispatcher.start()
        try:
            yield
        finally:
            if gateway.dispatcher is not None:
                gateway.dispatcher.stop()
            gateway.desk.close()

    app = FastAPI(
        title="labelrounds gateway",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # Paths with and without a last slash are not the same.
        redirect_slashes=False,
    )
    for name in ("desk", "signer", "limits", "metrics", "metrics_token"):
        setattr(app.state, name, getattr(gateway, name))
    app.include_router(routes.router)
    app.include_router(service.router)
    app.add_exception_handler(Problem, _tell)
    app.add_exception_handler(RequestValidationError, _tell_mistakes)
    app.add_exception_handler(HTTPException, _tell_status)
    app.add_middleware(Trace, metrics=gateway.metrics)
    _complete_document(app)
    return app


def _complete_document(app: FastAPI) -> None:
    document = app.openapi()
    components: dict[str, Any] = document["components"]["schemas"]
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    components |= problem.pop("$defs") | {"ProblemDocument": problem}
    for path in document["paths"].values():
        for call in path.values():
            call["responses"].pop("422", None)  # the framework's; ours are 400
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)


async def _tell(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _tell_status(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {404: "there is nothing at this address", 405: "this address does not answer to this method"}
    detail = details.get(error.status_code, str(error.detail))
    return Problem(error.status_code, detail, headers=error.headers).response()


async def _tell_mistakes(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [{"pointer": _pointer(one["loc"]), "detail": one["msg"]} for one in error.errors()[:20]]
    first = errors[0]
    return Problem(400, f"{first['pointer'] or 'the body'}: {first['detail']}", errors=errors).response()


def _pointer(place: tuple[Any, ...]) -> str:
    """Write a place: a JSON pointer into the body, or ``query:name``."""
    where, *rest = place
    if where != "body":
        return f"{where}:{'.'.join(map(str, rest))}"
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in rest)
