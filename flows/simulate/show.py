"""A simulation's findings on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from flows import console

# Characters of an arm's name in a table.
_NAME = 30


def show(document: dict[str, Any]) -> None:
    """Print the tables, the sentences and where to look."""
    terminal = console.stdout()
    for table in tables(document):
        terminal.print(table)
    for sentence in document["sentences"]:
        terminal.print(f"• {sentence}", soft_wrap=True, markup=False)
    for note in document["notes"]:
        terminal.print(f"note: {note}", soft_wrap=True, markup=False)
    places = {**document["pictures"], "results": document["out"], "MLflow": document["links"].get("MLflow")}
    for name, place in places.items():
        terminal.print(f"  {name}: {place}", soft_wrap=True, markup=False)


def tables(document: dict[str, Any]) -> Iterator[Table]:
    """Give the table of the arms; with several models those of what each gives, and of what ``auto`` chose."""
    yield _arms(document)
    if len(document["protocol"]["models"]) > 1:
        yield _metric(document)
        yield _calibration(document)
    if len(document["protocol"]["labelings"]) > 1:
        yield _labelings(document)
    if any(_is_auto(arm) for arm in document["arms"]):
        yield _chosen(document)


def _arms(document: dict[str, Any]) -> Table:
    base, metric = document["baseline"], document["protocol"]["metric"]
    heads = (
        "AUBC", f"gain over {base}", "won", "full-0.5pp", "full-1pp", f"{base}'s end", "s/choice", "s/training",
    )  # fmt: skip
    table = _table(f"{document['data']}: {metric} over labels, and labels to reach a level", "arm", heads)
    for arm in sorted(document["arms"], key=lambda arm: _gain(arm, base), reverse=True):
        table.add_row(_shown(arm), *_cells(arm, base))
    return table


def _metric(document: dict[str, Any]) -> Table:
    """Show the metric at some numbers of labels, and below it the difference to the first model."""
    metric, first = document["protocol"]["metric"], document["protocol"]["models"][0]
    title = f"{metric} by labels, and the difference to {first} with its 95 % interval"
    arms = document["arms"]
    labels = [f"{point['labels']:,}" for point in arms[0]["checkpoints"]]
    table = _table(title, "arm", (*labels, "all of the pool"))
    for arm in arms:
        rival = _first_arm(document, arm)
        cells = [
            _with_difference(point["metrics"][metric], point["against"].get(rival))
            for point in arm["checkpoints"]
        ]
        full = [one for one in document["full_by_model"][arm["model"]]["metric"] if one is not None]
        table.add_row(_shown(arm), *cells, _number(sum(full) / len(full) if full else None))
    return table


def _calibration(document: dict[str, Any]) -> Table:
    arms = document["arms"]
    labels = [f"{point['labels']:,}" for point in arms[0]["checkpoints"]]
    table = _table("log-loss by labels, and below it the calibration error (ECE)", "arm", labels)
    for arm in arms:
        told = (point["metrics"] for point in arm["checkpoints"])
        cells = (f"{_number(one['log_loss'])}\n{_number(one['ece'])}" for one in told)
        table.add_row(_shown(arm), *cells)
    return table


def _labelings(document: dict[str, Any]) -> Table:
    """Show what an arm's answers became, and half of them against the first labeling with all."""
    metric = document["protocol"]["metric"]
    heads = (
        "answers",
        "items",
        "labels right",
        "half of the answers",
        f"{metric} against the first with all",
    )
    table = _table("how answers became labels", "arm", heads)
    for arm in document["arms"]:
        half = arm["halved"]
        table.add_row(
            _shown(arm),
            f"{arm['labels'][-1]:,}",
            f"{_mean([one[-1] for one in arm['items']]):,.0f}",
            _number(_mean([one[-1] for one in arm["right"]])),
            "" if half is None else f"{half['labels']:,}",
            "" if half is None or half["mean"] is None else _difference(half),
        )
    return table


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _chosen(document: dict[str, Any]) -> Table:
    arms = [arm for arm in document["arms"] if _is_auto(arm)]
    kinds = list(dict.fromkeys(kind for arm in arms for kind in arm["chose"]))
    table = _table("what auto chose: models by kind, over all steps and repeats", "arm", kinds)
    for arm in arms:
        table.add_row(_shown(arm), *(f"{arm['chose'].get(kind, 0):,}" for kind in kinds))
    return table


def _table(title: str, first: str, heads: Sequence[str]) -> Table:
    table = Table(title=_escaped(title), title_justify="left")
    table.add_column(first, overflow="fold")
    for head in heads:
        table.add_column(_escaped(head), justify="right", overflow="fold")
    return table


def _escaped(text: str) -> str:
    """Keep Rich from reading a model in brackets as a style."""
    from rich.markup import escape

    return escape(text)


def _shown(arm: dict[str, Any]) -> str:
    """Shorten a model with many parameters; the sentences have it whole."""
    from tasks.evaluation.plots.drawing import short

    return _escaped(short(arm["name"], _NAME))


def _is_auto(arm: dict[str, Any]) -> bool:
    return bool(arm["model"].partition("(")[0] == "auto")


def _first_arm(document: dict[str, Any], arm: dict[str, Any]) -> str:
    first = document["protocol"]["models"][0]
    found = (
        one["name"]
        for one in document["arms"]
        if (one["strategy"], one["model"], one["labeling"]) == (arm["strategy"], first, arm["labeling"])
    )
    return str(next(found))


def _gain(arm: dict[str, Any], base: str) -> float:
    return (arm["against"].get(base) or {}).get("mean") or 0.0


def _cells(arm: dict[str, Any], base: str) -> tuple[str, ...]:
    known = [one for one in arm["aubc"] if one is not None]
    against = arm["against"].get(base)
    gain = won = ""
    if against and against["mean"] is not None:
        gain, won = _difference(against), f"{against['won']}/{against['repeats']}"
    needed = (arm["labels_to"][name] for name in ("full-0.5pp", "full-1pp", "random_end"))
    return (
        _number(sum(known) / len(known) if known else None),
        gain,
        won,
        *("-" if labels is None else f"{labels:,.0f}" for labels in needed),
        f"{arm['seconds_select']:.3f}",
        f"{arm['seconds_train']:.2f}",
    )


def _with_difference(value: float | None, against: dict[str, Any] | None) -> str:
    if against is None or against["mean"] is None:
        return _number(value)
    return f"{_number(value)}\n{_difference(against)}"


def _difference(against: dict[str, Any]) -> str:
    ends = "" if against["low"] is None else f"\n{against['low']:+.4f} to {against['high']:+.4f}"
    return f"{against['mean']:+.4f}{ends}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
