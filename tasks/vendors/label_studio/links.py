"""Presigned addresses in tasks: they lapse while a task waits for its annotator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit


def lapses_soon(address: str, now: datetime) -> bool:
    """Tell whether less than half of a presigned address's life is left; False for one that does not say."""
    given = parse_qs(urlsplit(address).query)
    try:
        signed = datetime.strptime(given["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        life = timedelta(seconds=int(given["X-Amz-Expires"][0]))
    except (KeyError, ValueError, OverflowError):
        return False
    return now > signed + life / 2
