"""Parts of a round's page: how good the model is, and what more labels would bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.campaign import Campaign
from tasks.report.page import Line, Section, Table
from tasks.report.words import MISSING, between, count, known, measure_words, number, p_value, signed
from tasks.targets import targets_of

Measures = Mapping[str, Any]
MOST_CLASSES = 60


def warnings(measures: Measures) -> tuple[Line, ...]:
    """Warn of columns that give the label away, and of guards that a person overrode."""
    leaks = [Line(str(leak), "warning") for leak in measures.get("leaks", [])]
    overridden = [
        Line(f"{one['name']} was overridden: {one.get('reason', '')}", "guard")
        for one in measures.get("guards", [])
        if one.get("tripped") and one.get("overridden")
    ]
    return (*leaks, *overridden)


def quality(measures: Measures, campaign: Campaign) -> Section:
    """Tell every measure with its interval, each class, and how the model compares with the champion."""
    groups = deciding_first(measures.get("estimates", {}))
    names = targets_of(campaign).metrics
    tables = [_estimates(group, values, names) for group, values in groups.items()]
    tables += [
        _classes(group, values, campaign.classes)
        for group, values in deciding_first(measures.get("by_class", {})).items()
    ]
    lines = [*_decision(measures), *_promotion(measures)]
    pictures = [
        f"{what}_{group}" for group in groups for what in ("confusion", "labels", "reliability", "classes")
    ]
    return Section(
        "How good the model is",
        text="" if any(table.rows for table in tables) else str(measures.get("not_measured", "")),
        lines=tuple(lines),
        tables=tuple(tables),
        pictures=tuple(pictures),
    )


def deciding_first(groups: Mapping[str, Any]) -> dict[str, Any]:
    """Put the hold-out first: where there is one, it decides."""
    return {name: groups[name] for name in sorted(groups, key=lambda name: (name != "holdout", name))}


def _estimates(group: str, values: Measures, order: Sequence[str]) -> Table:
    place = {name: at for at, name in enumerate(order)}
    rows = tuple(
        (group, measure_words(name), number(one.get("value")), between(one.get("low"), one.get("high")),
         count(one.get("n")))
        for name, one in sorted(values.items(), key=lambda pair: (place.get(pair[0], len(place)), pair[0]))
        if known(one.get("value"))
    )  # fmt: skip
    return Table(("measured on", "measure", "value", "95 % interval", "items"), rows)


def _classes(group: str, values: Measures, classes: Sequence[str]) -> Table:
    """Tell precision and recall of each class, the lowest recall first where there are many."""
    columns = {name: list(values.get(name, [])) for name in ("precision", "recall")}
    places = list(range(min(len(classes), max(map(len, columns.values()), default=0))))
    if len(places) > MOST_CLASSES:
        places.sort(key=lambda at: _low_first(columns["recall"], at))
    rows = tuple(
        (group, classes[at], *_class_cells(columns["precision"], at), *_class_cells(columns["recall"], at))
        for at in places[:MOST_CLASSES]
    )
    head = ("measured on", "class", "precision", "95 % interval", "recall", "95 % interval")
    return Table(head, rows, more=max(0, len(places) - MOST_CLASSES))


def _class_cells(column: Sequence[Measures], at: int) -> tuple[str, str]:
    one = column[at] if at < len(column) else {}
    return number((one or {}).get("value")), between((one or {}).get("low"), (one or {}).get("high"))


def _low_first(recall: Sequence[Measures], at: int) -> float:
    value = (recall[at] or {}).get("value") if at < len(recall) else None
    return float(value) if value is not None and known(value) else 2.0


def _decision(measures: Measures) -> list[Line]:
    """Tell the wider interval that stop rules look at in every round."""
    found = measures.get("decision") or {}
    level = (
        f" (look {found.get('look', MISSING)}, level {found['level']:.4f})"
        if known(found.get("level"))
        else ""
    )
    return [
        Line(
            f"{between(one.get('low'), one.get('high'))}, of a confidence sequence over the rounds{level}",
            f"interval of {measure_words(name)} that stop rules use",
        )
        for name, one in (found.get("metrics") or {}).items()
        if known(one.get("low")) or known(one.get("high"))
    ]


def _promotion(measures: Measures) -> list[Line]:
    one = measures.get("promotion") or {}
    if not one:
        return []
    strong = "the new champion" if one.get("promoted") else "the champion stays"
    told = str(one.get("sentence") or "")
    if known(one.get("difference")):
        told += (
            f" Difference {signed(one['difference'])} ({between(one.get('low'), one.get('high'), signed)}), "
            f"p {p_value(one.get('p'))}."
        )
    return [Line(told.strip() or f"rule: {one.get('rule', MISSING)}", strong)]


def forecast(measures: Measures, campaign: Campaign) -> Section:
    """Tell what more labels would bring, for what price, and what random choice would have needed."""
    found, saved = measures.get("forecast") or {}, measures.get("savings") or {}
    currency = campaign.budget.currency
    rows = tuple(
        (
            str(one.get("for", "")), count(one.get("labels")), number(one.get("cost"), 2),
            number(one.get("value")), between(one.get("low"), one.get("high")),
            signed(one.get("gain")), between(one.get("gain_low"), one.get("gain_high"), signed),
        )
        for one in found.get("points") or []
    )  # fmt: skip
    measure = measure_words(str(found.get("metric", "measure")))
    level = f"{100 * found['level']:.0f} %" if known(found.get("level")) else "90 %"
    head = (
        "after", "labels", f"cost ({currency})", measure, f"{level} interval", "gain",
        f"{level} interval of it",
    )  # fmt: skip
    lines = [Line(str(found["why_not"]), "no forecast")] if found.get("why_not") else []
    lines += [Line(str(saved["sentence"]), "savings")] if saved.get("sentence") else []
    lines += [Line(str(saved["why_not"]), "savings")] if saved.get("why_not") else []
    lines += _stability(measures)
    return Section("What more labels would bring", lines=tuple(lines), tables=(Table(head, rows),))


def _stability(measures: Measures) -> list[Line]:
    one = measures.get("stability") or {}
    if not known(one.get("kappa")):
        return []
    told = (
        f"kappa {number(one['kappa'])} with the round before on {count(one.get('items'))} items of the pool"
    )
    if known(one.get("changed")):
        told += f"; {100 * one['changed']:.1f} % changed"
    if known(one.get("uncertainty")):
        told += f"; mean uncertainty {number(one['uncertainty'])}"
    return [Line(f"{told}.", "predictions")]


def models(measures: Measures) -> Section:
    """Tell what was tried, on rows that it had not seen."""
    figures = measures.get("model") or {}
    candidates = figures.get("candidates", {})
    if len(candidates) < 2:
        return Section()
    rows = tuple(
        (
            f"{kind} (chosen)" if kind == figures.get("kind") else kind,
            number(one.get("log_loss"), 4), number(one.get("accuracy"), 4), count(one.get("rows_per_second")),
        )
        for kind, one in candidates.items()
    )  # fmt: skip
    head = ("model", "log-loss, cross-validated", "accuracy", "rows/s")
    return Section("Models that were tried", tables=(Table(head, rows),))
