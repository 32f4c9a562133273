"""Around each request: its id, one line in the log without secrets, its figures, and an answer whatever breaks."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from infra.gateway.metrics import Metrics
from infra.gateway.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("labelrounds.gateway")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}


class Trace:
    """ASGI middleware, the outermost."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        begun, status, started = time.perf_counter(), 500, False

        async def send_traced(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_traced)
        except Exception:
            # Whatever a handler raises: the caller gets an answer with an id that the log knows.
            log.exception("request %s failed", request_id)
            if started:
                raise
            problem = Problem(500, f"a fault of ours; tell the operator the request id {request_id}")
            await problem.response()(scope, receive, send_traced)
        finally:
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.count(scope["method"], route, status, seconds)
            line = {
                "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "method": scope["method"],
                # Bells have their secret in the path.
                "path": route if route.startswith("/hooks/") else scope["path"][:200],
                "status": status,
                "ms": round(seconds * 1000, 1),
                "vendor": scope.get("labelrounds.vendor"),
                "key": scope.get("labelrounds.key"),
                "client": (scope.get("client") or ("",))[0],
                "request_id": request_id,
            }
            log.info(json.dumps(line))
