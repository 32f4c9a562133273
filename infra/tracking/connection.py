"""A client of one MLflow server that says quickly, and in one line, when the server is away."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tasks.errors import ServiceUnavailable, StackError

PROBE_SECONDS = 5
GATEWAY_ERRORS = frozenset({502, 503, 504})

# MLflow reads these from the environment only. Its defaults (7 retries of up to 120 s, doubling pauses) take
# minutes to report a dead server; these take about 7 s. What the user has set stays.
HTTP_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is for the command's own answer
    "GIT_PYTHON_REFRESH": "quiet",
}


class Connection:
    """A client bound to one tracking URI, for use by several threads.

    Nothing here or in its callers uses MLflow's fluent interface: that keeps one tracking URI and one active
    run for a whole process or thread, and rounds of two campaigns may be tracked at once.

    Parameters
    ----------
    uri
        MLflow's tracking URI; ``http://`` or ``https://``, or any that MLflow takes.
    """

    def __init__(self, uri: str) -> None:
        for name, value in HTTP_DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        # It wonders which pip is installed, although every model gets its requirements from us.
        logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
        self.uri = uri.rstrip("/")
        self.shown_uri = _without_password(self.uri)
        self.client: Any = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    @contextmanager
    def calling(self, what: str) -> Iterator[Any]:
        """Give the client for a group of calls, after a look whether the server answers.

        Parameters
        ----------
        what
            What is being done, for the message: ``"track round 3 of spam"``.

        Raises
        ------
        ServiceUnavailable
            The server cannot be reached or fails; trying again later may help.
        StackError
            The server answers but refuses the request.
        """
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        try:
            self.probe()
            yield self.client
        except (MlflowException, RequestException) as error:
            raise self._translated(what, error) from error

    def probe(self) -> None:
        """Ask the server for its health, once and with a short limit.

        Raises
        ------
        ServiceUnavailable
            No answer within five seconds, or only a gateway's.
        """
        if not self.uri.startswith(("http://", "https://")):
            return
        from mlflow.exceptions import MlflowException
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        try:
            answer = http_request(
                get_default_host_creds(self.uri),
                "/health",
                "GET",
                timeout=PROBE_SECONDS,
                max_retries=0,
                raise_on_status=False,
            )
        except MlflowException as error:
            raise self._unavailable(_first_line(error)) from error
        if answer.status_code in GATEWAY_ERRORS:
            raise self._unavailable(f"HTTP {answer.status_code}")

    def _translated(self, what: str, error: Exception) -> StackError:
        status = _status(error)
        if status is None or status >= 500:
            return self._unavailable(f"could not {what}: {_first_line(error)}")
        return StackError(f"MLflow at {self.shown_uri} refused to {what}: {_first_line(error)}")

    def _unavailable(self, cause: str) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"MLflow at {self.shown_uri} cannot be used ({cause}); start it (`labelrounds up`) or correct "
            "LABELROUNDS_MLFLOW_TRACKING_URI, then run the same command again: nothing is lost"
        )


def _status(error: Exception) -> int | None:
    """HTTP status that an error of MLflow or requests stands for; None when there was no answer at all."""
    from mlflow.exceptions import MlflowException, RestException

    if isinstance(error, RestException):
        return int(error.get_http_status_code())
    if isinstance(error, MlflowException):
        # No answer at all ends up here, and so does one that is no JSON: a proxy's page, a refused Host.
        text = str(error)
        for part in text.split("failed with error code ")[1:]:
            return int(part[:3]) if part[:3].isdigit() else None
        return None if "API request to" in text else 400
    response = getattr(error, "response", None)
    return None if response is None else int(response.status_code)


def _first_line(error: Exception) -> str:
    text = _without_password(str(error).strip()) or type(error).__name__
    if cause := re.search(r"NewConnectionError\(.*?(\[Errno \d+\] [\w ]+)", text):
        return cause[1]
    line = text.splitlines()[0]
    return line if len(line) <= 300 else line[:297] + "..."


def _without_password(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://", text)
