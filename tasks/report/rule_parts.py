"""Parts of a round's page: stop rules, guard rails, and drift of the pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.report.page import Line, Section, Table
from tasks.report.words import MISSING, between, known, number

Measures = Mapping[str, Any]


def stop_rules(measures: Measures) -> Section:
    """Tell what every stop rule says, those that are set first."""
    signals = measures.get("signals", [])
    ordered = sorted(signals, key=lambda one: (not one.get("fired"), not one.get("set", True)))
    rows = tuple(
        (
            str(one.get("name", "")).replace("_", " "),
            "stop" if one.get("fired") else "go on" if one.get("set", True) else "not set",
            _figure(one.get("value")), _figure(one.get("threshold")), str(one.get("reason", "")),
        )
        for one in ordered
    )  # fmt: skip
    return Section("Stop rules", tables=(Table(("rule", "says", "value", "threshold", "because"), rows),))


def guards(measures: Measures) -> Section:
    """Tell what every guard rail says, those that tripped first."""
    ordered = sorted(measures.get("guards", []), key=lambda one: not one.get("tripped"))
    rows = tuple(
        (
            str(one.get("name", "")).replace("_", " "),
            _guard_state(one),
            _figure(one.get("value")), _figure(one.get("threshold")), str(one.get("reason") or ""),
        )
        for one in ordered
    )  # fmt: skip
    return Section("Guard rails", tables=(Table(("guard", "state", "value", "threshold", "because"), rows),))


def drift(measures: Measures) -> Section:
    """Tell how the pool changed since the manifest before."""
    found = measures.get("drift") or {}
    if not found:
        return Section()
    if found.get("why_not"):
        return Section("Drift of the pool", lines=(Line(str(found["why_not"]), "not tested"),))
    lines = []
    if known(found.get("auc")):
        told = (
            f"a classifier tells new from old items with AUC {number(found['auc'])} "
            f"({between(found.get('auc_low'), found.get('auc_high'))}); 0.5 is no difference"
        )
        lines.append(Line(told, "two-sample test"))
    psi = {str(name): value for name, value in (found.get("psi") or {}).items() if known(value)}
    rows = tuple((name, number(value)) for name, value in sorted(psi.items(), key=lambda pair: -pair[1]))
    table = Table(("column", "population stability index (above 0.25: drift)"), rows)
    return Section("Drift of the pool", lines=tuple(lines), tables=(table,), pictures=("drift",))


def _guard_state(one: Measures) -> str:
    """Say how a guard stands; one that is off, or has nothing to look at, has no value."""
    if one.get("tripped"):
        return "overridden" if one.get("overridden") else "tripped"
    return "passed" if known(one.get("value")) else "not asked"


def _figure(value: Any) -> str:
    if not known(value):
        return MISSING
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{value:,.4g}"
