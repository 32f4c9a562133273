"""Whether Prefect's server answers, said before and after."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request

from tasks.errors import ServiceUnavailable

PATIENCE_SECONDS = 10.0
EVENT_ATTEMPTS = 3


def check_prefect(api_url: str) -> None:
    """Ask the server's health once, and have this process notice quickly should it go away later.

    Raises
    ------
    ServiceUnavailable
        When it does not answer.
    """
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=PATIENCE_SECONDS):
            pass
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ServiceUnavailable(
            f"Prefect at {api_url} does not answer ({error}); nothing was done. Is it up? (`labelrounds status`)"
        ) from error
    notice_outages_soon()


def notice_outages_soon() -> None:
    """Keep what is queued for a server that went away from holding up the end of the process.

    Prefect tries each queued event eleven times, for seven seconds, and a command ends only after its last event.
    Up to three attempts follow each other without a pause. It also reports every lost event and log line, which
    says no more than the error that the command ends with.
    """
    from prefect.events.clients import PrefectEventsClient
    from prefect.events.worker import EventsWorker

    EventsWorker.set_client_override(PrefectEventsClient, reconnection_attempts=EVENT_ATTEMPTS)
    for name in ("prefect.events.clients", "prefect._internal.concurrency"):
        # Not by level: Prefect sets levels anew when a flow begins.
        logging.getLogger(name).addFilter(lambda _: False)
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_outage_traceback)
    logging.raiseExceptions = False


def _without_outage_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and is_prefect_outage(record.exc_info[1]):
        record.exc_info = None
    return True


def is_prefect_outage(error: BaseException | None) -> bool:
    """Tell whether an error, or one of its causes, is Prefect's client that found no server, or an overloaded one."""
    import httpx

    while error is not None:
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code >= 500:
            return True
        if isinstance(error, httpx.TransportError) or "Failed to reach API" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
