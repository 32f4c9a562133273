"""Whether to go on: every stop rule is asked in every round, and all answers are kept."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infra.database import campaigns, rounds
from infra.database import labels as label_store
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.measure import best_estimates, estimates_of
from tasks.outputs import campaign_of, manifest_of
from tasks.step import step
from tasks.targets import headline

if TYPE_CHECKING:
    from tasks.evaluation import BudgetState, Evidence, Gain, RoundResult, StopRules

MIN_GAIN = 0.002
"""What the plateau rule asks of a batch where the campaign says neither that nor what a point is worth."""


@step("decide whether to go on")
def decide(workplace: Workplace, round_: Round) -> Round:
    """Ask all stop rules."""
    if round_.state != "trained" or round_.measures is None or "signals" in round_.measures:
        return round_
    from tasks.evaluation import decide_stop, stops

    campaign = campaign_of(round_)
    row = campaigns.find(workplace.engine, round_.campaign)
    resumed = row.resume_until is not None and round_.number <= row.resume_until
    rules = rules_of(campaign)
    signals = decide_stop(rules, evidence_of(workplace, round_, campaign))
    decided = stops(rules, signals, campaign=campaign.name, resumed=resumed)
    measures = {
        **round_.measures,
        "signals": [asdict(signal) for signal in signals],
        "stop": None if decided is None else decided.reason,
        "resumed": resumed,
    }
    return rounds.store(workplace.engine, round_, measures=measures)


def stop_reason(round_: Round) -> str | None:
    """Give the sentence of the rule that ends the campaign; None to go on."""
    measures = round_.measures or {}
    if "stop" in measures:
        reason: str | None = measures["stop"]
        return reason
    # Of a round that an earlier version measured.
    return next((one["reason"] for one in measures.get("signals", []) if one["fired"]), None)


def evidence_of(workplace: Workplace, round_: Round, campaign: Campaign) -> Evidence:
    """Gather what the rules look at."""
    from tasks.evaluation import Evidence

    assert round_.measures is not None
    earlier = [
        one
        for one in rounds.rounds_of(workplace.engine, round_.campaign)
        if one.number < round_.number and one.measures and one.state in ("published", "closed", "stopped")
    ]
    forecast = round_.measures.get("forecast") or {}
    return Evidence(
        history=[result_of(one.number, one.measures or {}) for one in [*earlier, round_]],
        budget=budget_of(campaign, round_.measures),
        decision=estimates_of((round_.measures.get("decision") or {}).get("metrics", {})),
        metric=headline(campaign),
        items_left=items_left(workplace, round_),
        today=datetime.now(UTC).date(),
        why_no_gain=forecast.get("why_not", ""),
    )


def result_of(number: int, measures: dict[str, Any]) -> RoundResult:
    """Read what a round measured."""
    from tasks.evaluation import RoundResult

    stability = measures.get("stability") or {}
    return RoundResult(
        number,
        (measures.get("counts") or {}).get("labels", 0),
        best_estimates(measures),
        gain=gain_of(measures),
        kappa=stability.get("kappa"),
        uncertainty=stability.get("uncertainty"),
    )


def gain_of(measures: dict[str, Any]) -> Gain | None:
    """Read what a round's forecast said of the batch after it."""
    from tasks.evaluation import Gain

    forecast = measures.get("forecast") or {}
    points = [point for point in forecast.get("points", []) if point["for"] == "next batch"]
    if not points:
        return None
    point, now = points[0], forecast["labels"]
    return Gain(
        forecast["metric"], point["gain"], point["gain_low"], point["gain_high"], point["labels"] - now,
        round(point["cost"] * 1e6),
    )  # fmt: skip


def budget_of(campaign: Campaign, measures: dict[str, Any]) -> BudgetState:
    """Tell what may still be spent."""
    from tasks.evaluation import BudgetState

    balance = campaigns.Balance(**measures["balance"])
    limit = campaign.budget.money_micro
    return BudgetState(
        labels_left=campaign.budget.labels - balance.bought,
        money_left_micro=None if limit is None else limit - balance.spent_micro - balance.held_micro,
        price_micro=campaign.cost_micro(1),
        labels=campaign.budget.labels,
        money_micro=limit,
        currency=campaign.budget.currency,
    )


def rules_of(campaign: Campaign) -> StopRules:
    """Read the campaign's stop rules."""
    from tasks.evaluation import Plateau, Stable, StopRules, Target, Uncertainty

    stop, usual = campaign.stop, headline(campaign)
    target, plateau, stable = stop.target, stop.plateau, stop.stable
    return StopRules(
        target=None if target is None else Target(target.metric or usual, target.value),
        plateau=None
        if plateau is None
        else Plateau(
            plateau.metric or usual,
            plateau.rounds,
            MIN_GAIN if plateau.min_gain is None and plateau.worth is None else plateau.min_gain,
            None if plateau.worth is None else float(plateau.worth),
        ),
        stable=None if stable is None else Stable(stable.kappa, stable.rounds),
        uncertainty=None if stop.uncertainty is None else Uncertainty(stop.uncertainty.below),
        max_rounds=stop.max_rounds,
        until=stop.until,
        combine=stop.combine,
    )


def items_left(workplace: Workplace, round_: Round) -> int:
    """Count the pool's items that are neither labelled nor on their way."""
    taken = label_store.taken_items(workplace.engine, round_.campaign_id)
    outside: int = (round_.measures or {})["counts"]["labels_outside_pool"]
    return max(0, manifest_of(workplace, round_).rows - len(taken) + outside)
