"""A simulated vendor at work until its queue is empty."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np

from tasks.vendors.http_client import GatewayClient
from tasks.vendors.http_vendor import Answer, Habits, HttpVendor, Tally

EMPTY_TURNS = 3
PAUSE_SECONDS = 0.5


def simulate(
    url: str, key: str, truth: Answer, habits: Habits, journal: Path | None = None, tasks: int = 0
) -> Tally:
    """Lease and answer until nothing is free, several times in a row, or so many tasks are done.

    Parameters
    ----------
    tasks
        0 goes on until the queue is empty.

    Raises
    ------
    ServiceUnavailable, Refused
        When the gateway does not answer, or refuses the key.
    """
    client, stop = GatewayClient(url, key, rng=random.Random(habits.seed)), threading.Event()
    vendor = HttpVendor(client, truth, habits, np.random.default_rng(habits.seed), journal)
    done = empty = 0
    try:
        while empty < EMPTY_TURNS and (not tasks or done < tasks):
            took = vendor.turn(stop)
            done, empty = done + took, 0 if took else empty + 1
            if not took:
                stop.wait(PAUSE_SECONDS)
    finally:
        client.close()
    return vendor.tally
