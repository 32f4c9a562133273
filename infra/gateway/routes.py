"""The contract: /v1."""

from __future__ import annotations

import json
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Security
from fastapi.security import HTTPBearer
from pydantic import AwareDatetime, BaseModel
from starlette.responses import Response

from infra.gateway import models
from infra.gateway.calls import VendorRoute
from infra.gateway.payloads import Signer
from infra.gateway.problems import MEDIA_TYPE, Problem

ANY_PROBLEM: dict[str, Any] = {
    "description": "The call as a whole did not succeed",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
}
PROBLEMS: dict[int | str, dict[str, Any]] = dict.fromkeys(
    (400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503), ANY_PROBLEM
)

# For the document only: the key is looked at before anything is read.
bearer = HTTPBearer(auto_error=False, description="Your API key, `lr_...`")
router = APIRouter(
    prefix="/v1",
    route_class=VendorRoute,
    responses=PROBLEMS,
    dependencies=[Security(bearer)],
    tags=["vendor"],
)

After = Annotated[int, Query(ge=0, le=2**63 - 1, description="The last number that you have seen")]
Limit = Annotated[int, Query(ge=1, le=1000)]


def answers(model: type[BaseModel]) -> dict[str, Any]:
    """Say in the document what a call answers; what it does answer comes from the database as it is."""
    return {
        "response_class": Response,
        "responses": {200: {"model": model, "description": model.__doc__ or ""}},
    }


def tell(request: Request, function: str, /, **values: Any) -> str:
    """Call a function of the database for the request's vendor."""
    told = request.app.state.desk.call(function, request.state.key, values)
    request.scope["labelrounds.vendor"] = told.vendor
    return str(told.text)


def as_json(text: str) -> Response:
    """Answer with the database's own words."""
    return Response(text, media_type="application/json")


@router.post("/leases", summary="Take tasks until a deadline", **answers(models.Lease))
def lease(request: Request, call: models.LeaseCall) -> Response:
    """Take up to `max` tasks.

    The same `request_id` gives the same tasks again, with fresh addresses. With nothing free the list is empty, and
    `retry_after_s` says when to come back. Tasks that you neither answer nor give back are somebody else's after
    `expires_at`.
    """
    text = tell(
        request, "lease", request=str(call.request_id), max=call.max, ttl=call.ttl_s, campaign=call.campaign
    )
    found, signer = json.loads(text), _signer(request)
    for task in found["tasks"]:
        task |= signer.sign(task["payload"], task["expires_at"])
    return as_json(json.dumps(found))


@router.get("/leases", summary="What you hold", **answers(models.Leases))
def leases(request: Request) -> Response:
    """Show leases with tasks that you have not answered: where to go on after a crash."""
    return as_json(tell(request, "leases"))


@router.post("/leases/{lease_id}/extend", summary="Hold a lease longer", **answers(models.Extended))
def extend(request: Request, lease_id: UUID, call: models.ExtendCall) -> Response:
    """Keep the open tasks of the lease for `ttl_s` more seconds from now, at most what the campaign allows."""
    return as_json(
        tell(request, "extend", request=str(call.request_id), lease=str(lease_id), ttl=call.ttl_s)
    )  # fmt: skip


@router.post("/leases/{lease_id}/release", summary="Give tasks back", **answers(models.Released))
def release(request: Request, lease_id: UUID, call: models.ReleaseCall) -> Response:
    """Free tasks for others at once. An answer that you send later counts while nobody else has given one."""
    assignments = None if call.assignment_ids is None else [str(one) for one in call.assignment_ids]
    return as_json(
        tell(request, "release", request=str(call.request_id), lease=str(lease_id), assignments=assignments,
             reason=call.reason)
    )  # fmt: skip


@router.post("/payload_urls", summary="Fresh addresses of payloads in S3", **answers(models.Payloads))
def payload_urls(request: Request, call: models.PayloadCall) -> Response:
    """Sign addresses anew for tasks that you hold; they end some minutes after the lease, in seven days at most."""
    text = tell(request, "payloads", assignments=[str(one) for one in call.assignment_ids])
    signer = _signer(request)
    found = [
        {"assignment_id": one["assignment_id"], "expires_at": one["expires_at"]}
        | signer.sign(one["payload"], one["expires_at"])
        for one in json.loads(text)
    ]
    return as_json(json.dumps({"payloads": found}))


@router.post("/annotations", summary="Hand answers in", **answers(models.Submission))
def submit(request: Request, call: models.AnnotationsCall) -> Response:
    """Hand in up to 1,000 rows.

    Each is judged alone: `accepted`, `late_accepted`, `duplicate`, `surplus` or `rejected` with a code and the field.
    A bad row never keeps a good one out. The same `request_id` with the same rows gives the same answer again, to
    the byte.
    """
    return as_json(tell(request, "submit", request=str(call.request_id), rows=_rows(call.rows)))


@router.post("/corrections", summary="Change answers that were taken", **answers(models.Submission))
def corrections(request: Request, call: models.CorrectionsCall) -> Response:
    """Make a new revision of each; the old one stays. `base_revision` is the one that you saw."""
    return as_json(tell(request, "correct", request=str(call.request_id), rows=_rows(call.rows)))


@router.get("/rejects", summary="Rows that were not taken", **answers(models.Rejects))
def rejects(request: Request, after: After = 0, limit: Limit = 100) -> Response:
    """List them as you sent them, with code and field; mend them and hand them in again."""
    return as_json(tell(request, "rejects", after=after, at_most=limit))


@router.get("/events", summary="What happened to your work", **answers(models.Events))
def events(request: Request, after: After = 0, limit: Limit = 1000) -> Response:
    """Poll what webhooks tell: cancelled tasks, lapsed leases, rework, new schemas."""
    return as_json(tell(request, "events", after=after, at_most=limit))


@router.get("/schema/{schema_id}/{version}", summary="A label schema", **answers(models.LabelSchemaDocument))
def schema(
    request: Request,
    schema_id: Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")],
    version: Annotated[int, Path(ge=1, le=2**31 - 1)],
) -> Response:
    """Read classes and instructions, as a task's `schema` names them. A version never changes."""
    return as_json(tell(request, "schema", id=schema_id, version=version))


@router.get("/report", summary="Your own figures", response_class=Response)
def report(
    request: Request,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> Response:
    """Count what was leased, on time, late, surplus, rejected by code, and earned; of 30 days by default."""
    return as_json(tell(request, "report", since=since, until=until))


def _signer(request: Request) -> Signer:
    signer: Signer = request.app.state.signer
    return signer


def _rows(rows: list[Any]) -> str:
    if len(rows) > models.MAX_ROWS:
        raise Problem(413, "a body is at most 5 MiB and 1,000 rows; send it in parts")
    return json.dumps(rows)
