"""The demo on the terminal: progress while it runs, findings at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from flows import console
from flows.demo.run import STRATEGY, run_demo
from flows.outcome import Outcome

if TYPE_CHECKING:
    from infra.settings import Settings


def show_demo(settings: Settings, rounds: int, as_json: bool) -> None:
    """Run the demo and print what it found."""
    bars = Progress(
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=console.stderr(),
    )
    with bars:
        # One step more than batches: the last round only measures what the last labels bought.
        tasks = {name: bars.add_task(name, total=rounds + 1, said="") for name in (STRATEGY, "random")}

        def progress(strategy: str, outcome: Outcome) -> None:
            accuracy = outcome.estimates.get("holdout", {}).get("accuracy", {}).get("value")
            said = f"round {outcome.round}" + (f", accuracy {accuracy:.3f}" if accuracy else "")
            bars.update(tasks[strategy], advance=1, said=said)

        demo = run_demo(settings.home, rounds, bars.console.print, progress)
    if as_json:
        seconds = round(demo.seconds, 1)
        console.document({**demo.findings.to_json(), "seconds": seconds, "addresses": demo.addresses})
    else:
        console.show_findings(demo.findings, demo.seconds, demo.addresses)
