"""The two arms of the demo: the same campaign with a strategy, and with random choice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.demo.data import answerer
from flows.outcome import Outcome
from infra.database import access, batches, campaigns, queue, rounds, vendors
from infra.workplace import Workplace
from tasks.errors import SettingsError
from tasks.vendors.http_client import GatewayClient
from tasks.vendors.http_vendor import Habits, HttpVendor

WORKERS = 2
WAIT_SECONDS = 0.3
GIVE_UP_SECONDS = 120.0

Progress = Callable[[str, Outcome], None]


@dataclass(frozen=True)
class Arm:
    """One campaign of the demo.

    Parameters
    ----------
    strategy
        What differs between the arms.
    """

    campaign: str
    strategy: str
    file: Path


@contextmanager
def vendor_at_work(
    place: Workplace, name: str, truth: dict[tuple[str, str], str], habits: Habits
) -> Iterator[list[HttpVendor]]:
    """Have a simulated vendor work over the gateway until the block ends."""
    url = place.settings.gateway_url
    if url is None:
        raise SettingsError("the demo's vendor needs the gateway: `labelrounds up` starts it")
    vendors.add_vendor(place.engine, name)
    key = access.issue_key(place.engine, name).key
    stop = threading.Event()
    people = [
        HttpVendor(GatewayClient(url, key), answerer(truth), habits, np.random.default_rng([7, number]))
        for number in range(WORKERS)
    ]
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="vendor") as pool:
        works = [pool.submit(person.work, stop) for person in people]
        try:
            yield people
        finally:
            stop.set()
            for work in works:
                work.result()


def run_arms(place: Workplace, arms: Sequence[Arm], progress: Progress) -> None:
    """Run all arms side by side until each stops."""
    with ThreadPoolExecutor(len(arms), thread_name_prefix="arm") as pool:
        for work in [pool.submit(run_arm, place, arm, progress) for arm in arms]:
            work.result()


def run_arm(place: Workplace, arm: Arm, progress: Progress) -> None:
    """Run rounds, and wait for the vendor between them, until the campaign stops by itself."""
    from flows.round import label_round

    while True:
        outcome = label_round(str(arm.file))
        progress(arm.strategy, outcome)
        if outcome.result != "published":
            return
        wait_for_labels(place, arm)


def wait_for_labels(place: Workplace, arm: Arm) -> None:
    """Collect until the round is closed."""
    from flows.collect import collect_labels

    begun = time.monotonic()
    while time.monotonic() - begun < GIVE_UP_SECONDS:
        time.sleep(WAIT_SECONDS)
        if answered(place, arm) and collect_labels(str(arm.file)).result == "closed":
            return
    raise TimeoutError(
        f"the simulated vendor did not answer round of {arm.campaign} in {GIVE_UP_SECONDS:.0f} s"
    )


def answered(place: Workplace, arm: Arm) -> bool:
    """Tell whether the open round's items are all complete, so that one flow run suffices."""
    queue.expire(place.engine)
    open_round = rounds.unfinished(place.engine, campaigns.find(place.engine, arm.campaign).campaign_id)
    if open_round is None:
        return True
    counts = batches.progress(place.engine, open_round)
    return counts["complete"] == counts["items"]
