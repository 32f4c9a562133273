"""Parts of a round's page: the batch and why each item is in it, doubted labels, labeling functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.report.page import Line, Section, Table
from tasks.report.words import between, known, number, percent

Row = Mapping[str, Any]

FIRST = 10
DOUBTS = 10


def batch(measures: Row, picks: Sequence[Row]) -> Section:
    """Tell the first items, why each was chosen, and who else would have chosen them."""
    rivals = {str(name): share for name, share in (measures.get("rivals") or {}).items() if known(share)}
    agree = ", ".join(
        f"{name} {percent(share)}" for name, share in sorted(rivals.items(), key=lambda pair: -pair[1])
    )
    rows = tuple(
        (str(pick["item_id"]), why(pick), "" if pick.get("score") is None else number(pick["score"], 4))
        for pick in picks[:FIRST]
    )
    table = Table(("first items of the batch", "why", "score"), rows, more=max(0, len(picks) - FIRST))
    lines = (Line(f"{agree} of the batch", "other strategies would have taken"),) if agree else ()
    return Section("The batch", lines=lines, tables=(table,), pictures=("scores", "rivals"))


def why(pick: Row) -> str:
    """Say why an item is in the batch: who chose it, its place there, or the chance of its draw."""
    reason: Mapping[str, Any] = pick.get("reason") or {}
    chance = reason.get("probability")
    drawn = f"drawn with probability {chance:.4g}" if known(chance) else "drawn at random"
    if pick.get("kind") == "audit":
        return f"{drawn} to measure"
    if pick.get("kind") == "relabel":
        return "asked again: its label is in doubt"
    who = str(reason.get("part") or reason.get("strategy") or "chosen")
    if known(chance):
        return f"{who}: {drawn}"
    told = f"{who}: rank {pick.get('rank')}"
    return f"{told}, cluster {reason['cluster']}" if reason.get("cluster") is not None else told


def doubted(doubts: Sequence[Row]) -> Section:
    """Tell the labels that a model trained without them believes least."""
    if not doubts:
        return Section()
    head = tuple(doubts[0])
    rows = tuple(tuple(_plain(one.get(name)) for name in head) for one in doubts[:DOUBTS])
    names = tuple(name.replace("_", " ") for name in head)
    table = Table(names, rows, more=max(0, len(doubts) - DOUBTS))
    return Section("Labels to doubt", tables=(table,))


def labeling_functions(measures: Row) -> Section:
    """Tell how far each labeling function reaches and how often it is right."""
    report = (measures.get("weak") or {}).get("report") or {}
    functions = report.get("functions") or []
    if not functions:
        return Section()
    rows = tuple(
        (
            str(one.get("name", "")), ", ".join(map(str, one.get("classes") or [])),
            percent(one.get("coverage")), percent(one.get("overlap")), percent(one.get("conflict")),
            f"{number(one.get('accuracy'), 2)} ({between(one.get('low'), one.get('high'), _two)})",
            f"{one.get('right', 0)} of {one.get('labelled', 0)}", _function_state(one),
        )
        for one in functions
    )  # fmt: skip
    head = (
        "function", "votes for", "coverage", "overlap", "conflict", "accuracy, estimated",
        "right on labels", "state",
    )  # fmt: skip
    errors = tuple(
        Line(f"{one['error']} (item {one.get('row')})", str(one.get("name", "")))
        for one in functions
        if one.get("error")
    )
    return Section("Labeling functions", lines=errors, tables=(Table(head, rows),))


def set_aside(measures: Row) -> Section:
    """Tell which rows of the pool were left out, and why."""
    reasons = (measures.get("pool") or {}).get("set_aside", [])
    lines = tuple(
        Line(f"{one['count']:,} x {one['reason']}, such as {', '.join(map(str, one.get('examples', [])))}")
        for one in reasons
    )
    return Section("Set aside from the pool", lines=lines)


def _function_state(one: Row) -> str:
    if one.get("disabled"):
        return "disabled"
    return f"failed on {one['failed_rows']:,}" if one.get("failed_rows") else "on"


def _two(value: Any) -> str:
    return number(value, 2)


def _plain(value: Any) -> str:
    return number(value, 2) if isinstance(value, float) else "" if value is None else str(value)
