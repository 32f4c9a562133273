"""How the command talks: documents on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from tasks.campaign.values import METRICS_OF_TASK
from tasks.errors import LabelRoundsError

if TYPE_CHECKING:
    from flows.demo.result import Findings
    from flows.outcome import Outcome


HEADLINES = tuple(metrics[0] for metrics in METRICS_OF_TASK.values())
"""What is said first of a model, one name for each task; an estimate has one of them."""


def stderr() -> Console:
    """Give the console for progress and messages."""
    return Console(stderr=True, highlight=False)


def stdout() -> Console:
    """Give the console for results; wide enough for a table where there is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=110)


def leave_out_own_tracebacks() -> None:
    """Have Prefect log an error that we raise on purpose as one line; a traceback is for what nobody expected."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_own_traceback)


def _without_own_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], LabelRoundsError):
        record.exc_info = None
    return True


def document(value: Any) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def show_outcome(outcome: Outcome) -> None:
    """Print what became of a round."""
    console = stdout()
    console.print(outcome.message, soft_wrap=True)
    for group, values in outcome.estimates.items():
        for name in HEADLINES:
            found = values.get(name)
            if found:
                console.print(
                    f"  {group}: {name.replace('_', ' ')} {found['value']:.4f} "
                    f"({found['low']:.4f} to {found['high']:.4f}, {found['n']} items)"
                )
    for name, address in outcome.links.items():
        console.print(f"  {name}: {address}", soft_wrap=True)


def show_facts(facts: dict[str, Any]) -> None:
    """Print names and values, a line each; what is not known is left out."""
    console = stdout()
    width = max(len(name) for name in facts) + 2
    for name, value in facts.items():
        if value is not None:
            console.print(f"{name:<{width}}{value}", soft_wrap=True)


def show_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table."""
    if not rows:
        stdout().print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for name in rows[0]:
        table.add_column(name.replace("_", " "))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    stdout().print(table)


def show_findings(findings: Findings, seconds: float, addresses: dict[str, str]) -> None:
    """Print the demo's table, its sentences and where to look."""
    console = stdout()
    chosen, random = findings.arms[findings.strategy], findings.arms["random"]
    table = Table(title="accuracy on held-out e-mails, with 95 % intervals", title_justify="left")
    for name in ("round", "labels", "cost"):
        table.add_column(name, justify="right")
    for name in (findings.strategy, "random"):
        table.add_column(name, justify="right")
    for one, other in zip(chosen, random, strict=False):
        table.add_row(
            str(one.round),
            f"{one.labels:,}",
            f"{one.cost:.2f}",
            f"{one.accuracy:.3f}  {one.low:.3f}-{one.high:.3f}",
            f"{other.accuracy:.3f}  {other.low:.3f}-{other.high:.3f}",
        )
    console.print(table)
    for sentence in findings.sentences():
        console.print(f"• {sentence}")
    console.print(f"{seconds:.0f} seconds. The servers stay up until `labelrounds down`:")
    for name, address in addresses.items():
        console.print(f"  {name}: {address}", soft_wrap=True)
