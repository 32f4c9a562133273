"""The tables of a round's run, which MLflow shows and compares."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.campaign import Campaign
from tasks.report.batch_parts import why

REPORTED_ITEMS = 1_000

Columns = dict[str, list[object]]


def tables(
    measures: Mapping[str, Any],
    campaign: Campaign,
    picks: Sequence[Mapping[str, Any]],
    doubts: Sequence[Mapping[str, Any]],
) -> dict[str, Columns]:
    """Give each table by its name: the batch, doubted labels, classes, labeling functions.

    Parameters
    ----------
    picks, doubts
        As for `tasks.report.round_page`.
    """
    found = {"batch": batch_table(picks)} if picks else {}
    if doubts:
        found["doubted_labels"] = {name: [one[name] for one in doubts] for name in doubts[0]}
    for group, values in measures.get("by_class", {}).items():
        found[f"classes_{group}"] = _by_class(values, campaign.classes)
    for group, arrays in measures.get("pictures", {}).items():
        if "per_label" in arrays:
            found[f"classes_{group}"] = _per_label(arrays["per_label"])
    functions = (measures.get("weak") or {}).get("report", {}).get("functions", [])
    if functions:
        names = [name for name in functions[0] if name != "classes"]
        found["labeling_functions"] = {name: [one[name] for one in functions] for name in names}
    return found


def batch_table(picks: Sequence[Mapping[str, Any]]) -> Columns:
    """Tell of each item of the batch why it was chosen."""
    shown = picks[:REPORTED_ITEMS]
    reasons = [pick["reason"] for pick in shown]
    table: Columns = {name: [pick[name] for pick in shown] for name in ("item_id", "kind", "rank", "score")}
    table["chosen_by"] = [one.get("part") or one.get("strategy") or "audit" for one in reasons]
    table["why"] = [why(pick) for pick in shown]
    for name in ("cluster", "probability"):
        if any(name in one for one in reasons):
            table[name] = [one.get(name) for one in reasons]
    table["reason"] = [json.dumps(one, sort_keys=True) for one in reasons]
    return table


def _by_class(values: Mapping[str, Any], classes: Sequence[str]) -> Columns:
    table: Columns = {"class": list(classes)}
    for measure, column in values.items():
        known = [column[at] if at < len(column) else None for at in range(len(classes))]
        for end, name in (("value", measure), ("low", f"{measure}_low"), ("high", f"{measure}_high")):
            table[name] = [(one or {}).get(end) for one in known]
        table[f"{measure}_items"] = [(one or {}).get("n") for one in known]
    return table


def _per_label(per_label: Mapping[str, Mapping[str, Any]]) -> Columns:
    """Give what was measured of each class by itself, with the ends of the intervals."""
    table: Columns = {"class": list(per_label)}
    for measure in next(iter(per_label.values())):
        for end, name in (("value", measure), ("low", f"{measure}_low"), ("high", f"{measure}_high")):
            table[name] = [one[measure][end] for one in per_label.values()]
    return table
