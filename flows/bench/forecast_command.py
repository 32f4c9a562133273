"""The verb `labelrounds bench forecast`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from flows import console
from flows.bench.forecast_sets import SETS
from tasks.errors import UsageError

METRICS = ("accuracy", "macro_f1", "log_loss", "auc")
_SHOWN = {
    "horizon": "for the", "data": "data", "forecasts": "n", "no_change": "no change",
    "smoothed_level": "level", "forecast": "forecast", "covers": "holds", "gain_width": "gain width",
    "gain_covers": "gain holds",
}  # fmt: skip
"""Of a forecast's figures those that are shown; the rest is in the JSON document."""


@click.command("forecast")
@click.argument("sets", nargs=-1)
@click.option("--campaigns", default=8, show_default=True, type=click.IntRange(1), help="Of each data set.")
@click.option("--rounds", default=10, show_default=True, type=click.IntRange(2), help="Of each campaign.")
@click.option("--metrics", default="accuracy", show_default=True, help="Separated by commas.")
@click.option(
    "--models/--no-models", default=True, show_default=True,
    help="Forecast with models of fewer labels, or from the rounds' audit alone.",
)  # fmt: skip
@click.option("--savings/--no-savings", default=True, show_default=True, help="Run the random arm too.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the traces; those that are there are read instead of made.",
)  # fmt: skip
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the forecasts of the first set's first campaign, made after half of its rounds, as PNG.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on stdout; progress goes to stderr."
)
def forecast(
    sets: tuple[str, ...], campaigns: int, rounds: int, metrics: str, models: bool, savings: bool,
    keep: Path | None, picture: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Try forecasts and savings on simulated campaigns whose truth is known.

    SETS are files with a column called label, or names of built-in sets: breast, digits, slow, rare, spam; all by
    default. The constants of the forecast are tuned on the other sets where there are three or more.

    Example: labelrounds bench forecast spam digits --campaigns 4 --keep traces
    """
    from flows.bench.forecast import Plan, bench_forecast, draw

    wanted = tuple(one.strip() for one in metrics.split(",") if one.strip())
    if unknown := [one for one in wanted if one not in METRICS]:
        raise UsageError(f"--metrics {', '.join(unknown)}: there are {', '.join(METRICS)}.")
    with tempfile.TemporaryDirectory() as folder, console.stderr().status("starting") as status:
        plan = Plan(sets or tuple(SETS), campaigns, rounds, wanted, models, savings, keep or Path(folder))
        found = bench_forecast(plan, status.update)
        if picture is not None:
            draw(plan, picture)
    if as_json:
        console.document(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    how = "constants of the other sets" if found["left_out"] else "built-in constants"
    for metric in found["plan"]["metrics"]:
        rows = [
            {name: _text(row[key]) for key, name in _SHOWN.items()}
            for row in found["forecasts"]
            if row["metric"] == metric
        ]
        console.show_rows(
            f"{metric}: mean absolute error, and share of 90 % intervals that hold; {how}", rows
        )
        rows = [
            {key: _text(value) for key, value in row.items() if key != "metric"}
            for row in found["savings"]
            if row["metric"] == metric
        ]
        if rows:
            console.show_rows(f"{metric}: random labels for the same quality, medians of the campaigns", rows)


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
