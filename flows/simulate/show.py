"""A simulation's findings on the terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from flows import console


def show(document: dict[str, Any]) -> None:
    """Print the table, the sentences and where to look."""
    terminal = console.stdout()
    metric = document["protocol"]["metric"]
    table = Table(
        title=f"{document['data']}: {metric} over labels, and labels to reach a level", title_justify="left"
    )
    table.add_column("strategy")
    heads = (
        "AUBC",
        "gain over random",
        "won",
        "full-0.5pp",
        "full-1pp",
        "random's end",
        "s/choice",
    )
    for head in heads:
        table.add_column(head, justify="right")
    for arm in sorted(document["arms"], key=_gain, reverse=True):
        table.add_row(arm["strategy"], *_cells(arm))
    terminal.print(table)
    for sentence in document["sentences"]:
        terminal.print(f"• {sentence}", soft_wrap=True)
    for note in document["notes"]:
        terminal.print(f"note: {note}", soft_wrap=True)
    places = {**document["pictures"], "results": document["out"], "MLflow": document["links"].get("MLflow")}
    for name, place in places.items():
        terminal.print(f"  {name}: {place}", soft_wrap=True)


def _gain(arm: dict[str, Any]) -> float:
    return (arm["against"].get("random") or {}).get("mean") or 0.0


def _cells(arm: dict[str, Any]) -> tuple[str, ...]:
    known = [one for one in arm["aubc"] if one is not None]
    against = arm["against"].get("random")
    gain = won = ""
    if against and against["mean"] is not None:
        ends = "" if against["low"] is None else f" [{against['low']:+.4f}, {against['high']:+.4f}]"
        gain, won = f"{against['mean']:+.4f}{ends}", f"{against['won']}/{against['repeats']}"
    needed = (arm["labels_to"][name] for name in ("full-0.5pp", "full-1pp", "random_end"))
    return (
        f"{sum(known) / len(known):.4f}" if known else "-",
        gain,
        won,
        *("-" if labels is None else f"{labels:,.0f}" for labels in needed),
        f"{arm['seconds_select']:.3f}",
    )
