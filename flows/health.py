"""Whether Prefect's server answers, said before and after."""

from __future__ import annotations

import urllib.error
import urllib.request

from tasks.errors import ServiceUnavailable

PATIENCE_SECONDS = 10.0


def check_prefect(api_url: str) -> None:
    """Ask the server's health once.

    Raises
    ------
    ServiceUnavailable
        When it does not answer.
    """
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=PATIENCE_SECONDS):
            return
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise ServiceUnavailable(
            f"Prefect at {api_url} does not answer ({error}); nothing was done. Is it up? (`labelrounds status`)"
        ) from error


def is_prefect_outage(error: BaseException | None) -> bool:
    """Tell whether an error, or one of its causes, is Prefect's client that found no server."""
    import httpx

    while error is not None:
        if isinstance(error, httpx.TransportError) or "Failed to reach API" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
