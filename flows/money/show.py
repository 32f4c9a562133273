"""The figures of a campaign's money for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from flows import console
from tasks.money import KINDS


def show(found: dict[str, Any]) -> None:
    """Print the figures for people."""
    out = console.stdout()
    for line in sentences(found):
        out.print(f"• {line}", soft_wrap=True)
    if found["by_round"]:
        out.print(_round_table(found))
        out.print(_vendor_table(found))


def sentences(found: dict[str, Any]) -> list[str]:
    """Say in words what is left, what a label costs, and how long the money lasts."""
    code = found["currency"]
    limit = "no limit" if found["budget"] is None else f"{found['budget']:,.2f} {code} budget"
    left = "" if found["left"] is None else f", {found['left']:,.2f} left"
    said = [
        f"{found['campaign']}: {limit}, {found['spent']:,.2f} {code} spent, {found['held']:,.2f} held{left}"
    ]
    cost, correct = found["cost_per_label"], found["cost_per_correct_label"]
    if cost is not None and correct is not None:
        said.append(
            f"{found['labels']:,} labels, {cost:.4f} {code} each with gold, audit and overlap; "
            f"{correct['value']:.4f} for one that is right, as the labels' confidences have it"
        )
    kinds = {kind: part for kind, part in found["by_kind"].items() if part["share"]}
    if kinds:
        parts = [f"{part['share']:.0%} {kind}" for kind, part in kinds.items()]
        more = found["further"]["share"]
        said.append(
            f"of the money went {', '.join(parts)}; {more:.0%} of it to answers beyond an item's first"
        )
    return [*said, *_ahead(found)]


def _ahead(found: dict[str, Any]) -> list[str]:
    code, pace, forecast, said = found["currency"], found["pace"], found["forecast"], []
    if pace is not None:
        line = (
            f"{pace['per_day']:,.2f} {code} a day over {pace['days']} day{'s' if pace['days'] != 1 else ''}"
        )
        line += f", {pace['per_round']:,.2f} a round" if pace["per_round"] else ""
        line += f"; at this pace the budget is spent on {pace['ends']}" if pace["ends"] else ""
        line += (
            f", what is left pays for {pace['rounds_left']:.1f} rounds"
            if pace["rounds_left"] is not None
            else ""
        )
        said.append(line)
    if forecast is not None and "value" in forecast:
        said.append(
            f"the rest of the budget: {str(forecast['metric']).replace('_', ' ')} {forecast['value']:.3f} "
            f"({forecast['low']:.3f} to {forecast['high']:.3f}) at {forecast['labels']:,} labels"
        )
    elif forecast is not None:
        said.append(f"what the rest of the budget would bring: {forecast['why_not']}")
    savings = found["savings"] or {}
    if savings.get("sentence"):
        said.append(str(savings["sentence"]))
    elif savings.get("why_not"):
        said.append(f"what choosing saved is not known: {savings['why_not']}")
    return said


def _round_table(found: dict[str, Any]) -> Table:
    table = Table(title=f"spent by round and kind ({found['currency']})", title_justify="left")
    for name in ("round", "labels", *KINDS, "all", "further answers", "a label", "a right label"):
        table.add_column(name, justify="right")
    for row in found["by_round"]:
        right = row["cost_per_correct_label"]
        table.add_row(
            str(row["round"]), f"{row['labels']:,}", *(_money(row[kind]) for kind in KINDS), _money(row["spent"]),
            _money(row["further"]), _small(row["cost_per_label"]), _small(right and right["value"]),
        )  # fmt: skip
    right = found["cost_per_correct_label"]
    table.add_section()
    table.add_row(
        "all", f"{found['labels']:,}", *(_money(found["by_kind"][kind]["spent"]) for kind in KINDS),
        _money(found["spent"]), _money(found["further"]["spent"]), _small(found["cost_per_label"]),
        _small(right and right["value"]),
    )  # fmt: skip
    return table


def _vendor_table(found: dict[str, Any]) -> Table:
    table = Table(title=f"spent by vendor ({found['currency']})", title_justify="left")
    for name in (
        "vendor",
        "answers",
        "spent",
        "an answer",
        "a right answer, by gold",
        "owed in its currency",
    ):
        table.add_column(name, justify="left" if name == "vendor" else "right")
    for row in found["by_vendor"]:
        table.add_row(
            row["vendor"], f"{row['answers']:,}", _money(row["spent"]), _small(row["price"]),
            _right(row["cost_per_correct_answer"]), "\n".join(map(_invoice, row["owed"])),
        )  # fmt: skip
    return table


def _right(cost: dict[str, Any] | None) -> str:
    if cost is None:
        return "no gold"
    if cost["value"] is None:
        return f"at least {cost['low']:.4f} (none of {cost['n']} is right)"
    return f"{cost['value']:.4f} ({cost['low']:.4f} to {cost['high']:.4f}, {cost['n']} answers)"


def _invoice(owed: dict[str, Any]) -> str:
    price = "" if owed["price"] is None else f" ({owed['answers']:,} x {owed['price']:g} at {owed['rate']:g})"
    return f"{owed['amount']:,.2f} {owed['currency']}{price}"


def _money(amount: float) -> str:
    return f"{amount:,.2f}"


def _small(amount: float | None) -> str:
    return "" if amount is None else f"{amount:.4f}"
