"""What is no part of the contract: life signs, figures, bells, pages."""

from __future__ import annotations

import hashlib
import hmac
import json
from ipaddress import ip_address
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from infra.gateway.page import page
from infra.gateway.problems import Problem

MAX_RING = 1024 * 1024
router = APIRouter(include_in_schema=False)


@router.get("/")
def root() -> Response:
    """Lead people to the documentation."""
    return RedirectResponse("/docs")


@router.get("/healthz")
def health(request: Request) -> Response:
    """Say that this process lives and reaches the database; 503 when it does not."""
    request.app.state.desk.ask("alive", {})
    return Response(json.dumps({"status": "ok", "database": "ok"}), media_type="application/json")


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Give figures to Prometheus, by the token of the settings or, without one, on this machine alone."""
    _may_read_metrics(request)
    state = request.app.state
    text = state.metrics.page(lambda: state.desk.ask("figures", {})[0])
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/docs")
def docs(request: Request) -> Response:
    """Show the API to people."""
    return HTMLResponse(page(request.app.openapi()))


@router.post("/hooks/label-studio/{token}")
async def ring(request: Request, token: str) -> Response:
    """Note that a vendor's Label Studio has something; what it is will be asked there, so the body is not read.

    Answers at once, since that server holds its annotator's own request until then.
    """
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_RING:
            raise Problem(413, "a hook's body is at most 1 MiB")
    values = {"token": hashlib.sha256(token.encode("utf-8", "replace")).digest()}
    row = await run_in_threadpool(request.app.state.desk.ask, "ring", values)
    if not row[0]:
        raise Problem(404, "there is nothing at this address")
    return Response(status_code=204)


def _may_read_metrics(request: Request) -> None:
    wanted: str | None = request.app.state.metrics_token
    if wanted is not None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            how = "send the metrics token as `Authorization: Bearer`"
            raise Problem(401, how, headers={"WWW-Authenticate": "Bearer"})
    elif not _is_here(request):
        raise Problem(
            403, "figures are for this machine; LABELROUNDS_GATEWAY_METRICS_TOKEN opens them to others"
        )


def _is_here(request: Request) -> bool:
    client: Any = request.client
    try:
        return (
            client is not None
            and ip_address(client.host).is_loopback
            and "x-forwarded-for" not in request.headers
        )
    except ValueError:
        return False
