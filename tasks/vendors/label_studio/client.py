"""Label Studio's API: both kinds of token, time limits, and errors that say what to do."""

from __future__ import annotations

import logging
from typing import Any

import requests

from tasks.errors import NotFound, UsageError, VendorUnreachable

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10
ANSWER_SECONDS = 120
"""An import of 10,000 tasks is answered when all are stored, which took 36 s on a busy server."""
_LONGEST = 500


class Client:
    """One user of one Label Studio.

    Parameters
    ----------
    url
        Of the server.
    token
        A personal access token (a JWT, exchanged for access of five minutes) or a legacy token.
    session
        That sends the requests.
    """

    def __init__(self, url: str, token: str, session: requests.Session | None = None) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._access: str | None = None
        self._session = session or requests.Session()

    def call(self, method: str, path: str, *, params: Any = None, json: Any = None) -> Any:
        """Send one request and give the answer's JSON; None where it has none.

        Raises
        ------
        VendorUnreachable
            No answer, or one of a server in trouble: whether it did what was asked is not known.
        NotFound
            What the path names is not there.
        UsageError
            Refused, with the server's reason.
        """
        answer = self._send(method, path, params, json)
        if answer.status_code == 401 and self._is_personal:
            self._access = None
            answer = self._send(method, path, params, json)
        if answer.status_code >= 300:
            raise self._error(f"{method} {path}", answer)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise UsageError(
                f"{self.url} does not answer as Label Studio does: {method} {path} gave no JSON; "
                "correct the option url"
            ) from None

    @property
    def _is_personal(self) -> bool:
        return self._token.count(".") == 2

    def _send(self, method: str, path: str, params: Any, json: Any) -> requests.Response:
        return self._request(method, path, params, json, {"Authorization": self._authorization()})

    def _request(
        self, method: str, path: str, params: Any, json: Any, headers: dict[str, str]
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self.url + path,
                params=params,
                json=json,
                headers=headers,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                auth=_as_it_is,
                allow_redirects=False,  # a POST that is sent on to https:// would become a GET
            )
        except requests.RequestException as error:
            raise VendorUnreachable(
                f"Label Studio at {self.url}: {method} {path}: {_first_line(error)}"
            ) from error

    def _authorization(self) -> str:
        if not self._is_personal:
            return f"Token {self._token}"
        if self._access is None:
            path = "/api/token/refresh/"
            answer = self._request("POST", path, None, {"refresh": self._token}, {})
            if answer.status_code != 200:
                raise self._error(f"POST {path}", answer)
            self._access = str(answer.json()["access"])
        return f"Bearer {self._access}"

    def _error(self, what: str, answer: requests.Response) -> UsageError | VendorUnreachable:
        told = f"Label Studio at {self.url}: {what}: {answer.status_code} {detail_of(answer)}"
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            return VendorUnreachable(told)
        if answer.status_code in (401, 403):
            return UsageError(f"{told}; is the token that of a user who may do this?")
        if answer.status_code < 400:
            return UsageError(f"{told}; give the address that it points to as the option url")
        return NotFound(told) if answer.status_code == 404 else UsageError(told)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from putting a password of ~/.netrc in the place of the token."""
    return request


def detail_of(answer: requests.Response) -> str:
    """Give what the server says is wrong, in one line."""
    if answer.status_code < 400:
        return f"points to {answer.headers.get('Location', 'another address')}"
    try:
        told = answer.json()
    except ValueError:
        return (answer.reason or "")[:_LONGEST]
    if isinstance(told, dict) and "detail" in told:
        fields = told.get("validation_errors")
        return f"{told['detail']}{f' {fields}' if fields else ''}"[:_LONGEST]
    return str(told)[:_LONGEST]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:_LONGEST]
