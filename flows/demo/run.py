"""The demo's story: stack up, data in, two arms side by side, findings."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from flows.demo.arms import Arm, Progress, run_arms, vendor_at_work
from flows.demo.data import campaign_file, read_emails, upload
from flows.demo.result import Findings, find_out, full_pool_accuracy
from flows.place import workplace
from infra.database import campaigns
from infra.workplace import Workplace
from tasks.vendors.simulated import Habits

STRATEGY = "margin"
BATCH = 100
PRICE = 0.05
LEASE_MINUTES = 0.05
HABITS = Habits(error_rate=0.02, late_rate=0.05, late_seconds=4.0, batch=50)
VENDOR = "simulated"

Say = Callable[[str], None]


def run_demo(home: Path, rounds: int, say: Say, progress: Progress) -> tuple[Findings, float]:
    """Run the whole loop and compare it with random choice.

    Parameters
    ----------
    home
        Directory for the campaign files.
    rounds
        Batches of 100 that each arm buys, on top of 100 seed labels.
    say
        Called with each thing that begins.
    progress
        Called with strategy and outcome after each round.

    Returns
    -------
    findings, seconds
        What came out, and how long it took without the start of the stack.
    """
    begun = time.monotonic()
    emails = read_emails()
    with workplace() as place:
        say(f"uploading {emails.pool.num_rows:,} e-mails to S3, {emails.holdout.num_rows:,} held back to measure")
        upload(place.storage, emails)
        arms = new_arms(place, home, rounds)
        say(f"running {' and '.join(arm.campaign for arm in arms)}: {rounds} rounds of {BATCH} labels each")
        with vendor_at_work(place, VENDOR, emails.truth(), HABITS):
            run_arms(place, arms, progress)
        say("training on all labels of the pool, to know what could be reached at most")
        best = full_pool_accuracy(place, arms[0], emails.pool)
        return find_out(place, arms, emails.pool.num_rows, best), time.monotonic() - begun


def new_arms(place: Workplace, home: Path, rounds: int) -> list[Arm]:
    """Write the campaign files of both arms, under names that no earlier demo used."""
    known = campaigns.names(place.engine)
    number = 1 + sum(name.startswith(f"emails-{STRATEGY}-") for name in known)
    arms = []
    for strategy in (STRATEGY, "random"):
        name = f"emails-{strategy}-{number}"
        values = {
            "name": name,
            "strategy": strategy,
            "labels": rounds * BATCH,
            "money": f"{rounds * BATCH * PRICE:.2f}",
            "audit_share": 0.1,
            "vendor": VENDOR,
            "lease_minutes": LEASE_MINUTES,
        }
        arms.append(Arm(name, strategy, campaign_file(home / "demo" / f"{name}.yaml", **values)))
    return arms
