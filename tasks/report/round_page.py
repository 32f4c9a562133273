"""The page of a round: where it stands, how good the model is, what comes next, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infra.database.rounds import Round
from tasks.campaign import Campaign
from tasks.report import batch_parts, quality_parts, rule_parts
from tasks.report.as_markdown import as_markdown
from tasks.report.page import Page, Section, Table
from tasks.report.state import advice, state_sentence
from tasks.report.words import model_words, money, number

Row = Mapping[str, Any]


def markdown(
    round_: Round,
    campaign: Campaign,
    links: Mapping[str, str],
    picks: Sequence[Row],
    doubts: Sequence[Row] = (),
) -> str:
    """Write the report of one round as Markdown; the arguments are those of `round_page`."""
    return as_markdown(round_page(round_, campaign, links, picks, doubts))


def round_page(
    round_: Round,
    campaign: Campaign,
    links: Mapping[str, str],
    picks: Sequence[Row],
    doubts: Sequence[Row] = (),
) -> Page:
    """Gather what is told of one round.

    Parameters
    ----------
    links
        Name -> address of where more can be seen.
    picks
        Rows of the batch, as `infra.database.batches.batch_of` gives them.
    doubts
        Rows of labels to doubt, as the step `train` stores them.
    """
    measures = round_.measures or {}
    sections = (
        Section(lines=quality_parts.warnings(measures)),
        _facts(round_, campaign, picks),
        quality_parts.quality(measures, campaign),
        quality_parts.forecast(measures, campaign),
        rule_parts.stop_rules(measures),
        rule_parts.guards(measures),
        rule_parts.drift(measures),
        batch_parts.batch(measures, picks),
        batch_parts.doubted(doubts),
        quality_parts.models(measures),
        batch_parts.labeling_functions(measures),
        batch_parts.set_aside(measures),
    )
    told, commands = advice(round_)
    return Page(
        title=f"{round_.campaign}, round {round_.number}: {round_.state}",
        state=state_sentence(measures, campaign),
        reason=round_.reason or "",
        advice=told,
        commands=commands,
        links=links,
        sections=sections,
    )


def _facts(round_: Round, campaign: Campaign, picks: Sequence[Row]) -> Section:
    measures = round_.measures or {}
    counts, pool, audit = measures.get("counts", {}), measures.get("pool") or {}, measures.get("audit") or {}
    drawn = sum(pick["kind"] == "audit" for pick in picks)
    rows = [
        ("labels in hand", f"{counts.get('labels', 0):,}, of which {counts.get('audit', 0):,} only measure"),
        ("trained on" if campaign.predictions is None else "labels by class", _by_class(counts, campaign)),
        ("model", f"none: {counts['cold_start']}" if counts.get("cold_start") else _model(round_)),
        *_predictions(measures),
        *([("audit", _audit(audit))] if audit else []),
        ("pool", f"{pool['items']:,} items, {pool['free']:,} free" if pool else "not scored"),
        (
            "batch",
            f"{len(picks):,} items ({len(picks) - drawn:,} chosen, {drawn:,} drawn to measure)"
            if picks
            else "none",
        ),
        (
            "reserved",
            f"{money(campaign.cost_micro(len(picks)), campaign.budget.currency)} at most"
            if picks
            else "nothing",
        ),
    ]
    return Section(tables=(Table(("this round", ""), tuple(rows)),))


def _by_class(counts: Mapping[str, Any], campaign: Campaign) -> str:
    pairs = list(zip(campaign.classes, counts.get("per_class", []), strict=False))
    shown = sorted(pairs, key=lambda pair: -pair[1])[:12] if len(pairs) > 12 else pairs
    told = ", ".join(f"{name} {n}" for name, n in shown)
    return told + (f" and {len(pairs) - len(shown)} classes more" if len(pairs) > len(shown) else "")


def _audit(audit: Mapping[str, Any]) -> str:
    """Say how the audit stands, of what is known of it."""
    told = [f"{audit['labels']:,} labels"] if audit.get("labels") is not None else []
    told += [f"{audit['waiting']:,} asked and not answered"] if audit.get("waiting") else []
    told += [str(audit["mode"])] if audit.get("mode") else []
    told += ["weighted by inclusion probability"] if audit.get("weighted") else []
    return ", ".join(told) or "none yet"


def _predictions(measures: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = measures.get("predictions")
    if not given:
        return []
    told = f"of {given['rows']:,} items; {given['missing']:,} of {given['items']:,} in the pool have none"
    return [("predictions", told)]


def _model(round_: Round) -> str:
    figures = (round_.measures or {}).get("model") or {}
    told = model_words(figures) or "a model"
    told += f" on {round_.device}" if round_.device else ""
    calibration = figures.get("calibration") or {}
    if calibration.get("after"):
        told += f", calibrated by {calibration['method']}: ECE {number(calibration['after'].get('ece'))}"
    return told
