"""What stands before each call: the key, the limits, the body."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from infra.gateway.desk import Desk, unauthorized
from infra.gateway.limits import TokenBuckets
from infra.gateway.problems import Problem
from infra.gateway.reading import NotJson, read_json

MAX_BODY = 5 * 1024 * 1024
MAX_DRAINED = 4 * MAX_BODY
BODY_SECONDS = 30.0
MAX_KEY = 200


class VendorRequest(Request):
    """A request whose JSON is read by our own reader, up to a size and in a bounded time."""

    async def body(self) -> bytes:
        """Return the body.

        Raises
        ------
        Problem
            413 or 408.
        """
        if not hasattr(self, "_body"):
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    self._body = await self._bounded()
            except TimeoutError:
                raise Problem(408, f"the body did not come within {BODY_SECONDS:.0f} s") from None
            except ClientDisconnect:
                raise Problem(400, "the connection ended before the body") from None
        return self._body

    async def json(self) -> Any:
        """Return the document.

        Raises
        ------
        Problem
            400 when it is no JSON.
        """
        data = await self.body()
        try:
            return await run_in_threadpool(read_json, data)
        except NotJson as error:
            raise Problem(400, f"the body is no JSON: {error}", code="NOT_JSON") from None

    async def _bounded(self) -> bytes:
        too_large = Problem(413, "a body is at most 5 MiB and 1,000 rows; send it in parts")
        announced = self.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > MAX_DRAINED:
            raise too_large
        parts, size = [], 0
        async for part in self.stream():
            size += len(part)
            # A client that is still sending when the connection ends may never see why: let it end.
            if size > MAX_DRAINED:
                raise too_large
            if size <= MAX_BODY:
                parts.append(part)
        if size > MAX_BODY:
            raise too_large
        return b"".join(parts)


class VendorRoute(APIRoute):
    """A call of a vendor: nothing of its body is read before the key is known to be good."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with what stands before it."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = key_digest(request)
            request.state.key = key
            # The first six letters of the digest: enough to tell keys apart in a log, of no use to anybody else.
            request.scope["labelrounds.key"] = key.hex()[:6]
            limits: TokenBuckets = request.app.state.limits
            desk: Desk = request.app.state.desk
            wait = limits.take(key)
            if wait > 0:
                raise Problem(
                    429,
                    f"more than {limits.per_second:g} requests a second with this key; come again in {wait:.2f} s",
                    headers={"Retry-After": str(max(1, math.ceil(wait)))},
                )
            await run_in_threadpool(desk.check_key, key)
            _check_body_kind(request)
            return await handler(VendorRequest(request.scope, request.receive))

        return handle


def key_digest(request: Request) -> bytes:
    """Return the digest of the request's key.

    Raises
    ------
    Problem
        401 when there is none.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key or len(key) > MAX_KEY:
        raise unauthorized()
    return hashlib.sha256(key.encode("latin-1", "replace")).digest()


def _check_body_kind(request: Request) -> None:
    if request.method not in ("POST", "PUT", "PATCH"):
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "send JSON with the header `Content-Type: application/json`")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "send the body as it is, not compressed")
