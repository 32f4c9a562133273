"""The queue under load: vendors as processes, killed at times, and every rule looked up at the end."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from flows.bench.bare import bare_figures
from flows.bench.invariants import INVARIANTS, broken_rules
from flows.bench.queue_server import Server, fresh_database
from flows.bench.queue_vendor import CLASSES, lines
from infra.database import batches, campaigns, queue, rounds, vendors
from infra.database.batches import Limits, Pick, Schema, Seat
from infra.database.campaigns import Offer
from infra.database.engine import connect, migrate
from infra.database.rounds import Round
from tasks.errors import ServiceUnavailable

PAYLOAD = {"text": "x" * 180}
MAX_OPEN = 10_000
ONE_LEASE = "no task has two assignments at once"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to do to the queue.

    Parameters
    ----------
    tasks
        Items; each is answered by `overlap` vendors.
    batch
        Tasks that a vendor leases at once, at most 1,000.
    lease_seconds
        After which a lease lapses; what a killed vendor held waits as long.
    chaos
        Vendors repeat calls, forget, give back, prolong, come late and send nonsense.
    kill_vendors, kill_postgres
        How often to kill a vendor, and the server.
    hold
        Keep a transaction with an old snapshot open all the time, as a forgotten session does.
    bare
        Measure the server without the queue too.
    limit
        Seconds after which the run is given up.
    """

    vendors: int
    tasks: int
    overlap: int
    batch: int
    lease_seconds: int
    chaos: bool
    kill_vendors: int
    kill_postgres: int
    hold: bool
    bare: bool
    seed: int
    limit: float


def bench_queue(plan: Plan, progress: Progress) -> dict[str, Any]:
    """Publish a batch, have it answered, and check.

    Returns
    -------
    dict
        ``violations`` (places where a rule is broken, errors that vendors met, and what is lost or leased twice),
        ``lost`` (acknowledged answers that are not stored), ``double_leased``, ``labels_per_s``, ``publish_s``,
        ``lease_ms`` and ``submit_ms`` (p50, p95, p99, max), ``results`` (rows by what became of them) and more.
    """
    with fresh_database(own_server=plan.kill_postgres > 0) as server:
        engine = connect(server.url)
        try:
            migrate(engine)
            bare = {}
            if plan.bare:
                progress("measuring the server without the queue")
                bare = {"bare": bare_figures(server.url, plan.vendors, plan.batch)}
            progress("publishing")
            round_, seconds = _publish(engine, plan)
            with tempfile.TemporaryDirectory() as folder, _held(server.url, plan.hold):
                kills = _work(engine, server, plan, round_, Path(folder), progress)
                progress("checking")
                return {
                    "plan": asdict(plan),
                    "machine": {"cores": os.cpu_count(), "postgres": _version(engine)},
                    "publish_s": round(seconds, 2),
                    **bare,
                    **kills,
                    **_findings(engine, plan, round_, Path(folder)),
                }
        finally:
            engine.dispose()


def _publish(engine: sa.Engine, plan: Plan) -> tuple[Round, float]:
    rng = random.Random(plan.seed)
    spec = {"classes": list(CLASSES), "task": "classification"}
    offers = [Offer(f"vendor-{n:02}", 10 - n % 3, plan.lease_seconds) for n in range(plan.vendors)]
    campaign = campaigns.register(engine, "bench", spec, "digest", offers)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE labelrounds.vendors SET max_open = :most"), {"most": MAX_OPEN})
    round_ = rounds.open_round(engine, campaign.campaign_id, campaign.spec, "digest", None)
    for state in ("trained", "scored"):
        round_ = rounds.store(engine, round_, state)
    payload, seats = json.dumps(PAYLOAD), (Seat(10),) * plan.overlap
    picks = [
        Pick(f"item-{n:07}", "work", payload, n + 1, 0.5, "{}", None, rng.getrandbits(48), seats)
        for n in range(plan.tasks)
    ]
    begun = time.monotonic()
    batches.publish(
        engine, round_, picks, schema=Schema("classification", CLASSES), exclusive=True, due_seconds=7 * 24 * 3600,
        limits=Limits(10**9, None),
    )  # fmt: skip
    return round_, time.monotonic() - begun


@contextlib.contextmanager
def _held(url: str, hold: bool) -> Iterator[None]:
    """Keep a snapshot of now open: no dead row that comes after it can be cleared away."""
    if not hold:
        yield
        return
    engine = connect(url)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.exec_driver_sql("SELECT count(*) FROM labelrounds.tasks")
        yield
    engine.dispose()


class Crew:
    """The vendors' processes; one that is killed is followed by another with its journal."""

    def __init__(self, engine: sa.Engine, plan: Plan, folder: Path) -> None:
        self.plan, self.folder, self.stop, self.started = plan, folder, folder / "stop", 0
        names = [f"vendor-{n:02}" for n in range(plan.vendors)]
        self.urls = {name: vendors.give_login(engine, name) for name in names}
        self.processes = {name: self._start(name) for name in names}

    def _start(self, name: str) -> subprocess.Popen[str]:
        self.started += 1
        task = {
            "url": self.urls[name], "journal": str(self.folder / f"{name}.jsonl"), "stop": str(self.stop),
            "seed": 1000 * self.plan.seed + self.started, "batch": self.plan.batch, "chaos": self.plan.chaos,
            "lease_seconds": self.plan.lease_seconds,
        }  # fmt: skip
        with (self.folder / f"{name}.err").open("a") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.bench.queue_vendor"],
                stdin=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(task))
        process.stdin.close()
        return process

    def kill(self, name: str) -> None:
        """Kill one, and start its successor."""
        self.processes[name].kill()
        self.processes[name].wait()
        self.processes[name] = self._start(name)

    def end(self) -> None:
        """Let all finish the turn that they are in."""
        self.stop.touch()
        for process in self.processes.values():
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()


def _work(
    engine: sa.Engine, server: Server, plan: Plan, round_: Round, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Have the batch answered while vendors, and the server, are killed; give how often."""
    rng = random.Random(plan.seed)
    crew = Crew(engine, plan, folder)
    begun = time.monotonic()
    killed, outages = 0, list[float]()
    try:
        left = _left(engine, round_)
        while left and time.monotonic() - begun < plan.limit:
            time.sleep(0.25)
            done = 1 - left / plan.tasks
            if killed < plan.kill_vendors:
                crew.kill(rng.choice(sorted(crew.processes)))
                killed += 1
            if len(outages) < plan.kill_postgres and done > (len(outages) + 0.5) / (plan.kill_postgres + 1):
                outages.append(round(server.kill(), 2))
            with contextlib.suppress(ServiceUnavailable):
                queue.expire(engine)
                left = _left(engine, round_)
                progress(f"{plan.tasks - left:,} of {plan.tasks:,} items, {killed} vendors killed, "
                         f"{len(outages)} times the server")  # fmt: skip
    finally:
        crew.end()
    return {"seconds": round(time.monotonic() - begun, 1), "vendors_killed": killed, "postgres_killed": len(outages),
            "outages_s": outages}  # fmt: skip


def _left(engine: sa.Engine, round_: Round) -> int:
    counts = batches.progress(engine, round_)
    return counts["items"] - counts["complete"]


def _findings(engine: sa.Engine, plan: Plan, round_: Round, folder: Path) -> dict[str, Any]:
    """Compare what vendors were told with what is stored, and look every rule up."""
    with engine.connect() as connection:
        query = "SELECT client_annotation_id, CAST(disposition AS text) FROM labelrounds.annotations WHERE revision = 1"
        stored = {str(client): str(what) for client, what in connection.execute(sa.text(query))}
    results, errors, leased = Counter[str](), list[str](), Counter[str]()
    latencies: dict[str, list[float]] = {"lease": [], "told": []}
    moments = list[float]()
    lost = 0
    for journal in sorted(folder.glob("*.jsonl")):
        held = set[str]()
        for line in lines(journal):
            if line["kind"] == "error":
                errors.append(line["what"])
            if line["kind"] in latencies:
                latencies[line["kind"]].append(1000 * line["seconds"])
            held.update(line.get("ids", ()))
            if line["kind"] == "told":
                moments.append(line["at"])
                results.update(result for _, result in line["rows"])
                lost += sum(_is_lost(stored.get(one), result) for one, result in line["rows"])
        leased.update(held)
        said = journal.with_suffix(".err").read_text().strip()
        errors += said.splitlines()[-1:]
    broken = broken_rules(engine)
    double = broken.pop(ONE_LEASE, 0) + sum(times > 1 for times in leased.values())
    counted = sum(what != "surplus" for what in stored.values())
    wanted = plan.tasks * plan.overlap
    span = max(moments) - min(moments) if len(moments) > 1 else 0.0
    return {
        "violations": sum(broken.values()) + lost + double + len(errors) + abs(wanted - counted),
        "lost": lost,
        "double_leased": double,
        "broken": broken,
        "errors": errors[:10],
        "open_items": _left(engine, round_),
        "rules": len(INVARIANTS),
        "labels": counted,
        "labels_per_s": round(counted / span) if span else None,
        "results": dict(results),
        "lease_ms": _percentiles(latencies["lease"]),
        "submit_ms": _percentiles(latencies["told"]),
        "size_mb": _sizes(engine),
    }


def _is_lost(stored: str | None, told: str) -> bool:
    """Whether a vendor was told something that the database does not know."""
    return told != "rejected" and (stored is None or told not in (stored, "duplicate"))


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    return {"p50": round(p50, 1), "p95": round(p95, 1), "p99": round(p99, 1), "max": round(max(values), 1)}


def _sizes(engine: sa.Engine) -> dict[str, float]:
    query = "SELECT pg_table_size('labelrounds.tasks') / 1e6, pg_database_size(current_database()) / 1e6"
    with engine.connect() as connection:
        tasks, database = connection.execute(sa.text(query)).one()
    return {"tasks": round(float(tasks), 1), "database": round(float(database), 1)}


def _version(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW server_version").scalar_one())
