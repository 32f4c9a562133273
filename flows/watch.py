"""Collecting until a round is closed: at intervals, and at once when a vendor's side says that it has something."""

from __future__ import annotations

import time

from flows.collect import collect_labels
from flows.outcome import Outcome
from infra.database import access
from infra.database.engine import connect
from infra.settings import Settings

LOOK_SECONDS = 1.0


def until_closed(settings: Settings, campaign: str, seconds: float) -> Outcome:
    """Collect again and again until nothing of the campaign is at vendors.

    Parameters
    ----------
    campaign
        File or name.
    seconds
        Between two looks, when nobody rings.
    """
    engine = connect(settings.database_url)
    try:
        while True:
            outcome = collect_labels(campaign)
            if outcome.result != "published":
                return outcome
            begun = time.monotonic()
            while time.monotonic() - begun < seconds and not access.take_rings(engine):
                time.sleep(min(LOOK_SECONDS, seconds))
    finally:
        engine.dispose()
