"""When a failed delivery is tried again."""

from __future__ import annotations

import random

BASE_SECONDS = 5.0
CAP_SECONDS = 3600.0


def wait_seconds(failures: int, rng: random.Random) -> float:
    """Return the wait after the n-th failure in a row: doubling, at most an hour, with full jitter.

    Full jitter (any moment between now and the limit): receivers that come back are not met by all events at once.
    In 24 hours some 50 tries fit. When they end is the database's to say, from the event's own time.
    """
    return rng.uniform(0.0, min(CAP_SECONDS, BASE_SECONDS * 2.0 ** min(failures, 30)))
