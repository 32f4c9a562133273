"""The verbs `labelrounds bench ...`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from flows import console
from flows.bench.forecast_command import forecast
from flows.bench.stop_commands import guards, stopping
from tasks.errors import UsageError


@click.group()
def bench() -> None:
    """Measure labelrounds on this machine."""


@bench.command("select")
@click.option("--rows", default=100_000, show_default=True, type=click.IntRange(1), help="Candidates.")
@click.option(
    "--features", default=20, show_default=True, type=click.IntRange(1), help="Columns of features."
)
@click.option("--batch", default=100, show_default=True, type=click.IntRange(1), help="Items to choose.")
@click.option("--strategies", help="Separated by commas; all that there are by default.")
@click.option(
    "--repeats", default=3, show_default=True, type=click.IntRange(1), help="The least time counts."
)
@click.option("--peers/--no-peers", default=True, show_default=True, help="Other libraries, where installed.")
@click.option("--limit", default=600.0, show_default=True, help="Seconds after which to give one up.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout; progress goes to stderr."
)
def select(
    rows: int, features: int, batch: int, strategies: str | None, repeats: int, peers: bool, limit: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Time the choice of a batch by each strategy, on one processor core.

    Example: labelrounds bench select --rows 100000 --batch 100 --strategies margin,kcenter
    """
    from flows.bench.select import bench_select
    from tasks.strategies import get, names, parse_list

    if batch > rows:
        raise UsageError(f"--batch {batch} is more than --rows {rows}.")
    wanted = list(names()) if strategies is None else [str(spec) for spec in parse_list(strategies)]
    for name in wanted:
        get(name)
    found = []
    with console.stderr().status("measuring") as status:
        for timing in bench_select(
            wanted, rows=rows, features=features, batch=batch, repeats=repeats, peers=peers, limit=limit
        ):
            found.append(timing)
            status.update(f"measured {timing.name}")
    protocol = {"rows": rows, "features": features, "batch": batch, "repeats": repeats}
    if as_json:
        console.document({"protocol": protocol, "timings": [timing.to_json() for timing in found]})
        return
    title = f"{batch:,} of {rows:,} candidates x {features} features, one core"
    shown = [
        {
            "who": timing.name,
            "seconds": "" if timing.seconds is None else f"{timing.seconds:.3f}",
            "added MB": "" if timing.peak_mb is None else f"{timing.peak_mb:.0f}",
            "remark": timing.problem or "",
        }
        for timing in found
    ]
    console.show_rows(title, shown)


@bench.command("queue")
@click.option(
    "--vendors", default=8, show_default=True, type=click.IntRange(1, 99), help="Vendors, a process each."
)
@click.option(
    "--tasks", default=10_000, show_default=True, type=click.IntRange(1), help="Items to have answered."
)
@click.option(
    "--overlap", default=2, show_default=True, type=click.IntRange(1, 15), help="Vendors for each item."
)
@click.option(
    "--batch", default=100, show_default=True, type=click.IntRange(1, 1000), help="Tasks of a lease."
)
@click.option(
    "--lease-seconds", default=60, show_default=True, type=click.IntRange(1), help="Until a lease lapses."
)
@click.option(
    "--chaos", is_flag=True, help="Vendors repeat, forget, give back, prolong, are late, send nonsense."
)
@click.option("--kill-vendors", default=0, show_default=True, type=click.IntRange(0), help="Vendors to kill.")
@click.option(
    "--kill-postgres", default=0, show_default=True, type=click.IntRange(0),
    help="Times to kill the server; takes one of its own.",
)  # fmt: skip
@click.option("--hold", is_flag=True, help="Keep a transaction with an old snapshot open all the time.")
@click.option(
    "--bare/--no-bare", default=True, show_default=True, help="Measure the server without the queue too."
)
@click.option("--seed", default=0, show_default=True, help="Of all that is random.")
@click.option("--limit", default=1800.0, show_default=True, help="Seconds after which to give up.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout; progress goes to stderr."
)
def queue(as_json: bool, **given: Any) -> None:
    """Have a batch answered by vendors that may be killed, and look every rule of the queue up.

    It works in a fresh database of its own, on the server of the settings, of the stack, or one that it starts.
    Exit code 1 where a rule was broken.

    Example: labelrounds bench queue --vendors 16 --tasks 50000 --overlap 3 --chaos --kill-vendors 100
    """
    from flows.bench.queue import Plan, bench_queue

    plan = Plan(**given)
    if plan.overlap > plan.vendors:
        raise UsageError(f"--overlap {plan.overlap} takes as many vendors, not {plan.vendors}.")
    with console.stderr().status("starting") as status:
        found = bench_queue(plan, status.update)
    if as_json:
        console.document(found)
    else:
        shown = {key: value for key, value in found.items() if key not in ("plan", "machine")}
        rows = [{"what": key, "found": json.dumps(value)} for key, value in shown.items()]
        console.show_rows(f"{plan.vendors} vendors, {plan.tasks:,} items x {plan.overlap}", rows)
    if found["violations"]:
        raise SystemExit(1)


bench.add_command(stopping)
bench.add_command(guards)
bench.add_command(forecast)


@bench.command("coverage")
@click.option("--emails", type=click.Path(path_type=Path), help="Parquet with subject, text and label.")
@click.option("--sets", help="Data sets, separated by commas; all by default.")
@click.option("--sizes", default="100,200,500", show_default=True, help="Items of an audit, with commas.")
@click.option(
    "--replays", default=2000, show_default=True, type=click.IntRange(1), help="Audits of each kind."
)
@click.option("--seed", default=0, show_default=True, help="Of all that is random.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout; progress goes to stderr."
)
def coverage(
    emails: Path | None, sets: str | None, sizes: str, replays: int, seed: int, as_json: bool
) -> None:
    """Count how often the intervals of an audit hold the truth, and those of many looks.

    Items are drawn with replacement from data whose labels are all known, with models that stay as they are.

    Example: labelrounds bench coverage --sets digits,rare --replays 200
    """
    from flows.bench.coverage import bench_coverage
    from flows.bench.known import known_sets, names
    from flows.bench.shares import shares

    numbers = _sizes(sizes)
    chosen = names(emails) if sets is None else [name.strip() for name in sets.split(",")]
    ranges = ((0.005, 0.02), (0.02, 0.05), (0.05, 0.5))
    exact = [one for n in numbers for between in ranges for one in shares(n, between=between)]
    found = []
    with console.stderr().status("training") as status:
        for known in known_sets(chosen, emails):
            found += list(
                bench_coverage(known, sizes=numbers, replays=replays, seed=seed, tick=status.update)
            )
    if as_json:
        protocol = {"sets": chosen, "sizes": numbers, "replays": replays, "seed": seed, "level": 0.95}
        lines = [line.to_json() for line in found]
        console.document({"protocol": protocol, "lines": lines, "shares": exact})
        return
    shown = [
        {
            "data": line.data,
            "drawn": line.study,
            "n": line.n,
            "of": line.of.replace("_", " "),
            "truth": f"{line.truth:.3f}",
            "held %": f"{100 * line.held:.1f}",
            "above %": f"{100 * line.above:.1f}",
            "width": f"{line.width:.3f}",
        }
        for line in found
    ]
    console.show_rows(f"intervals of 95 %, {replays:,} audits each", shown)
    percent = [{**one, **{name: f"{100 * one[name]:.1f} %" for name in ("mean", "least")}} for one in exact]
    console.show_rows("intervals of a share of errors, exactly", percent)


def _sizes(text: str) -> list[int]:
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--sizes {text}: give whole numbers with commas, such as 100,200.") from None
    if min(found) < 10 or max(found) > 1999:
        raise UsageError(f"--sizes {text}: an audit has 10 to 1999 items here.")
    return found
