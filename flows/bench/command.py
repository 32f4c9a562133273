"""The verbs `labelrounds bench ...`."""

from __future__ import annotations

import click

from flows import console


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
    from tasks.errors import UsageError
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
