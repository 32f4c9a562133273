"""What can go wrong with a call as a whole: problem documents (RFC 9457), and which SQLSTATE is which."""

from __future__ import annotations

import http
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "TIMEOUT",
    409: "REQUEST_ID_REUSED",
    413: "TOO_LARGE",
    415: "NOT_JSON",
    422: "BAD_REQUEST",
    429: "RATE_LIMITED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class Problem(HTTPException):
    """An answer other than 2xx. A kind of exception that the framework passes on wherever it is raised.

    Parameters
    ----------
    status
        Of HTTP; the code follows from it unless given.
    detail
        What is wrong and what to do, for the vendor's engineer.
    errors
        ``{"pointer", "detail"}`` for each place in the body (JSON pointer, RFC 6901) or parameter.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code or CODES.get(status, "ERROR")
        self.errors = list(errors)

    def document(self) -> dict[str, Any]:
        """Return the problem document."""
        found: dict[str, Any] = {
            "type": f"urn:labelrounds:problem:{self.code.lower().replace('_', '-')}",
            "title": _title(self.status_code),
            "status": self.status_code,
            "code": self.code,
            "detail": self.detail,
        }
        return found | ({"errors": self.errors} if self.errors else {})

    def response(self) -> Response:
        """Return it as an answer."""
        return Response(
            json.dumps(self.document()), self.status_code, headers=self.headers, media_type=MEDIA_TYPE
        )


@dataclass(frozen=True)
class Meaning:
    """What an SQLSTATE, or a class of them, is to a caller.

    Attributes
    ----------
    again
        Whether the gateway tries the whole transaction again by itself: every call may be repeated.
    detail
        What to say; None: what the function said.
    """

    status: int
    detail: str | None = None
    again: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


SOON = {"Retry-After": "1"}
AWAY = Meaning(503, "the database does not answer; send the same request again", True, {"Retry-After": "2"})
BUSY = Meaning(503, "too many calls at once; send the same request again", True, SOON)
NO_SENSE = Meaning(400, "a value cannot be stored; see the documentation for what is allowed")

MEANINGS: dict[str, Meaning] = {
    "22023": Meaning(400),
    "42501": Meaning(403, "this vendor may not do that: it is suspended or closed; ask the operator"),
    "LR404": Meaning(404),
    "LR409": Meaning(409),
    "22": NO_SENSE,
    "54": NO_SENSE,
    "40": BUSY,
    "55P03": BUSY,
    "57014": Meaning(503, "the call took too long and was undone; send the same request again", False, SOON),
    "53": AWAY,
    "57": AWAY,
    "08": AWAY,
    "25P03": AWAY,
}
"""The one table from SQLSTATEs, or the two letters of their class, to answers; all else is a 500."""


def meaning(sqlstate: str | None, disconnected: bool) -> Meaning | None:
    """Return what an SQLSTATE is to the caller; None is a fault of ours."""
    if disconnected:
        return AWAY
    if sqlstate is None:
        return None
    return MEANINGS.get(sqlstate) or MEANINGS.get(sqlstate[:2])


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"
