"""What people read of a round: the Markdown report, and the progress of scoring."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from uuid import UUID

from infra.database.rounds import Round
from tasks.campaign import Campaign
from tasks.targets import targets_of

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 2.0


class ScoringProgress:
    """Shows in Prefect how much of the pool is scored; silent outside a flow run.

    A short scan ends before the first update, so it costs one artifact at most.

    Parameters
    ----------
    items
        Rows of the pool.
    """

    def __init__(self, items: int, round_: Round) -> None:
        self.items = max(items, 1)
        self.done = 0
        self._round = round_
        self._artifact: UUID | None = None
        self._shown = time.monotonic()

    def __enter__(self) -> ScoringProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._artifact is not None:
            self._show(100.0)

    def advance(self, rows: int) -> None:
        """Count rows that are scored."""
        self.done += rows
        if time.monotonic() - self._shown >= PROGRESS_SECONDS:
            self._shown = time.monotonic()
            self._show(100.0 * self.done / self.items)

    def _show(self, percent: float) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact
        from prefect.context import FlowRunContext

        log.info("scored %d of %d items", self.done, self.items)
        if FlowRunContext.get() is None:
            return
        if self._artifact is None:
            created = create_progress_artifact(percent, description=f"scoring round {self._round.number}")
            self._artifact = created if isinstance(created, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent)


def artifact_key(campaign: str) -> str:
    """Give the key of a campaign's report in Prefect: its versions are the rounds."""
    return f"round-{campaign}"


def markdown(round_: Round, campaign: Campaign, links: Mapping[str, str], picks: list[dict[str, Any]]) -> str:
    """Write the report of one round.

    Parameters
    ----------
    links
        Name -> address of where more can be seen.
    picks
        Rows of the batch, as `infra.database.batches.batch_of` gives them.
    """
    parts = [f"# {round_.campaign}, round {round_.number}: {round_.state}"]
    if round_.reason:
        parts.append(f"**{round_.reason}**")
    parts.append(" · ".join(f"[{name}]({address})" for name, address in links.items()))
    parts.append(_facts(round_, campaign, picks))
    parts += [_warnings(round_), _estimates(round_, campaign), _candidates(round_), _functions(round_)]
    parts.append(_signals(round_))
    if picks:
        parts.append(_head(picks))
    parts.append(_set_aside(round_))
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(round_: Round, campaign: Campaign, picks: list[dict[str, Any]]) -> str:
    measures = round_.measures or {}
    counts, pool = measures.get("counts", {}), measures.get("pool", {})
    audit = sum(pick["kind"] == "audit" for pick in picks)
    price = campaign.cost_micro(len(picks)) / 1e6
    rows = [
        ("labels in hand", f"{counts.get('labels', 0)}, of which {counts.get('audit', 0)} only measure"),
        (
            "trained on" if campaign.predictions is None else "labels by class",
            ", ".join(
                f"{name} {n}" for name, n in zip(campaign.classes, counts.get("per_class", []), strict=False)
            ),
        ),
        (
            "model",
            f"none: {counts['cold_start']}" if counts.get("cold_start") else _model(round_),
        ),
        *_predictions(measures),
        ("pool", f"{pool.get('items', 0):,} items, {pool.get('free', 0):,} free" if pool else "not scored"),
        (
            "batch",
            f"{len(picks)} items ({len(picks) - audit} chosen, {audit} drawn to measure)"
            if picks
            else "none",
        ),
        ("reserved", f"{price:.2f} {campaign.budget.currency} at most" if picks else "nothing"),
    ]
    return "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows)


def _predictions(measures: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = measures.get("predictions")
    if not given:
        return []
    told = f"of {given['rows']:,} items; {given['missing']:,} of {given['items']:,} in the pool have none"
    return [("predictions", told)]


def _model(round_: Round) -> str:
    figures = (round_.measures or {}).get("model") or {}
    told = f"{model_words(figures) or 'XGBoost'} on {round_.device}"
    calibration = figures.get("calibration") or {}
    if calibration.get("after"):
        told += f", calibrated by {calibration['method']}: ECE {calibration['after']['ece']:.3f}"
    return told


def model_words(figures: Mapping[str, Any]) -> str | None:
    """Say what was trained: a kind, or of a model for each class how many there are of each kind."""
    kinds = figures.get("kinds")
    if not kinds:
        return figures.get("kind")
    return f"{figures['kind']} ({', '.join(f'{n} {kind}' for kind, n in kinds.items())})"


def _candidates(round_: Round) -> str:
    figures = (round_.measures or {}).get("model") or {}
    candidates = figures.get("candidates", {})
    if len(candidates) < 2:
        return ""
    rows = [
        f"| {f'**{kind}**' if kind == figures['kind'] else kind} | {one['log_loss']:.4f} | {one['accuracy']:.4f} | "
        f"{one['rows_per_second']:,.0f} |"
        for kind, one in candidates.items()
    ]
    head = "| model | log-loss, cross-validated | accuracy | rows/s |\n|---|---|---|---|\n"
    return head + "\n".join(rows)


def _functions(round_: Round) -> str:
    told = (round_.measures or {}).get("weak", {}).get("markdown")
    return f"## Labeling functions\n\n{told}" if told else ""


def _warnings(round_: Round) -> str:
    return "\n".join(f"- **warning**: {leak}" for leak in (round_.measures or {}).get("leaks", []))


def _estimates(round_: Round, campaign: Campaign) -> str:
    order = targets_of(campaign).metrics
    groups = (round_.measures or {}).get("estimates", {})
    rows = [
        f"| {group} | {name} | {one['value']:.4f} | {one['low']:.4f} to {one['high']:.4f} | {one['n']} |"
        for group, values in groups.items()
        for name, one in sorted(values.items(), key=lambda pair: order.index(pair[0]))
        if None not in (one["value"], one["low"], one["high"])
    ]
    head = "| measured on | measure | value | 95 % interval | items |\n|---|---|---|---|---|\n"
    return head + "\n".join(rows) if rows else (round_.measures or {}).get("not_measured", "")


def _signals(round_: Round) -> str:
    signals = (round_.measures or {}).get("signals", [])
    return "\n".join(f"- {'**stop**' if one['fired'] else 'go on'}: {one['reason']}" for one in signals)


def _head(picks: list[dict[str, Any]]) -> str:
    rows = [
        f"| {pick['item_id']} | {pick['kind']} | {pick['rank']} | "
        f"{'' if pick['score'] is None else format(pick['score'], '.4f')} |"
        for pick in picks[:10]
    ]
    return "| first items of the batch | why | rank | score |\n|---|---|---|---|\n" + "\n".join(rows)


def _set_aside(round_: Round) -> str:
    reasons = (round_.measures or {}).get("pool", {}).get("set_aside", [])
    return "\n".join(
        f"- set aside: {one['count']} x {one['reason']}, such as {', '.join(one['examples'])}"
        for one in reasons
    )
