"""The demo's story: stack up, data in, two arms side by side, findings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.demo.arms import Arm, Progress, run_arms, vendor_at_work
from flows.demo.data import campaign_file, read_emails, upload
from flows.demo.result import Findings, compare, find_out, full_pool_accuracy
from flows.place import workplace
from infra.database import campaigns
from infra.workplace import Workplace
from tasks.vendors.http_vendor import Habits

STRATEGY = "auto"
BATCH = 100
PRICE = 0.05
LEASE_MINUTES = 0.05
HABITS = Habits(error_rate=0.02, late_rate=0.05, late_seconds=4.0, batch=50)
VENDOR = "simulated"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What the demo leaves.

    Parameters
    ----------
    seconds
        It took, without the start of the stack.
    addresses
        What to look at, by name.
    """

    findings: Findings
    seconds: float
    addresses: dict[str, str]


def run_demo(home: Path, rounds: int, say: Say, progress: Progress) -> Demo:
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
    """
    begun = time.monotonic()
    emails = read_emails()
    with workplace() as place:
        say(
            f"uploading {emails.pool.num_rows:,} e-mails to S3, {emails.holdout.num_rows:,} held back to measure"
        )
        upload(place.storage, emails)
        arms = new_arms(place, home, rounds)
        say(f"running {' and '.join(arm.campaign for arm in arms)}: {rounds} rounds of {BATCH} labels each")
        with vendor_at_work(place, VENDOR, emails.truth(), HABITS):
            run_arms(place, arms, progress)
        say("training on all labels of the pool, to know what could be reached at most")
        best = full_pool_accuracy(place, arms[0], emails.pool)
        findings = find_out(place, arms, emails.pool.num_rows, best)
        picture = draw(place, findings, arms[0], home)
        return Demo(findings, time.monotonic() - begun, addresses(place, arms[0], picture))


def draw(place: Workplace, findings: Findings, arm: Arm, home: Path) -> Path:
    """Draw both learning curves, as a file and in the MLflow run of the campaign."""
    figure = compare(findings)
    path = home / "demo" / f"{arm.campaign}.png"
    figure.savefig(path)
    run = campaigns.find(place.engine, arm.campaign).mlflow_run_id
    assert run is not None
    place.tracker.describe(run, figures={"against_random": figure})
    return path


def addresses(place: Workplace, arm: Arm, picture: Path) -> dict[str, str]:
    """Name what there is to look at."""
    row = campaigns.find(place.engine, arm.campaign)
    assert row.experiment_id is not None
    assert row.mlflow_run_id is not None
    settings = place.settings
    return {
        "MLflow": settings.mlflow_tracking_uri,
        f"rounds of {arm.campaign}": place.tracker.rounds_url(row.experiment_id),
        "all curves": place.tracker.curves_url(row.experiment_id),
        "learning curve": place.tracker.curve_url(row.experiment_id, row.mlflow_run_id, "holdout/accuracy"),
        "Prefect": settings.prefect_api_url.removesuffix("/api"),
        "vendors' gateway": f"{settings.gateway_url}/docs",
        "both curves": str(picture),
    }


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
