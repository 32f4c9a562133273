"""Measure the round's model on what was never chosen by a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.champion import promotion
from tasks.crossfit import crossfitted, keep_crossfitted
from tasks.given import why_not_measured
from tasks.outputs import campaign_of, folder, model_of
from tasks.step import step
from tasks.targets import headline, targets_of
from tasks.watched import stability_of
from tasks.yardsticks import Yardstick, audit_draws, frame_of, yardsticks

if TYPE_CHECKING:
    from tasks.evaluation import Estimate


@step("measure on audit and hold-out")
def measure(workplace: Workplace, round_: Round) -> Round:
    """Estimate the model's quality with intervals, hold it against the champion and against the last model."""
    if round_.state != "trained" or round_.measures is None or "estimates" in round_.measures:
        return round_
    campaign = campaign_of(round_)
    measures: dict[str, Any] = {**round_.measures, "estimates": {}, "by_class": {}, "pictures": {}}
    not_measured = why_not_measured(campaign)
    if not_measured is not None:
        measures["not_measured"] = not_measured
    unmeasured = round_.model is None or not_measured is not None
    sticks = [] if unmeasured else yardsticks(workplace, round_, campaign)
    said = [predictions_of(workplace, round_, campaign, stick) for stick in sticks]
    for stick, proba in zip(sticks, said, strict=True):
        measures |= _kept(workplace, round_, campaign, stick, proba)
        known, weight = stick.predicted, stick.weight
        found = targets_of(campaign).measure(
            proba[known], stick.y[known], weight=None if weight is None else weight[known]
        )
        estimates = found.estimates | by_draws(workplace, round_, campaign, stick, proba)
        measures["estimates"][stick.name] = {name: asdict(one) for name, one in estimates.items()}
        measures["by_class"][stick.name] = {
            name: [asdict(one) for one in of_classes] for name, of_classes in found.by_class.items()
        }
        measures["pictures"][stick.name] = found.pictures
    measures["audit"] = audit_figures(campaign, sticks, measures)
    measures["decision"] = decision(workplace, round_, campaign, sticks, said)
    measures["balance"] = asdict(campaigns.balance(workplace.engine, round_.campaign_id))
    measures["promotion"] = promotion(workplace, round_, campaign, sticks, said)
    measures["stability"] = {} if unmeasured else stability_of(workplace, round_, campaign)
    return rounds.store(workplace.engine, round_, measures=measures)


def predictions_of(
    workplace: Workplace, round_: Round, campaign: Campaign, stick: Yardstick
) -> NDArray[np.float32]:
    """Predict a yardstick's items by the round's model, or where it learnt from them by others that did not."""
    if stick.name == "audit" and campaign.audit.train == "crossfit":
        return crossfitted(workplace, round_, campaign, stick)
    model = model_of(workplace, round_)
    assert model is not None
    return model.predict(stick.X)


def by_draws(
    workplace: Workplace, round_: Round, campaign: Campaign, stick: Yardstick, proba: NDArray[np.float32],
    level: float = 0.95,
) -> dict[str, Estimate]:  # fmt: skip
    """Estimate the accuracy from an active audit's draws in their order; empty for other audits.

    The other figures go by LURE's weights: of the log-loss the draws' own interval is not always narrower, and was
    seen to hold less than it says (docs/measurement.md).
    """
    from tasks.evaluation import active_means

    if campaign.audit.mode != "active" or campaign.task != "classification" or stick.name != "audit":
        return {}
    draws = audit_draws(workplace, round_)
    known = [row for row, item in enumerate(stick.ids) if stick.predicted[row] and item in draws]
    order = sorted(known, key=lambda row: (draws[stick.ids[row]].round, draws[stick.ids[row]].place))
    chances = [draws[stick.ids[row]].probability or 0.0 for row in order]
    if len(order) < len(draws) or 0.0 in chances:
        # Where draws are missing, or were none, what is left is no sequence of draws.
        return {}
    found = active_means(proba[order], stick.y[order], chances, frame_of(workplace, round_), level=level)
    return {"accuracy": found["accuracy"]}


def _kept(
    workplace: Workplace, round_: Round, campaign: Campaign, stick: Yardstick, proba: NDArray[np.float32]
) -> dict[str, Any]:
    if stick.name != "audit" or campaign.audit.train != "crossfit":
        return {}
    return {"crossfit": keep_crossfitted(workplace, folder(round_), stick, proba)}


def audit_figures(
    campaign: Campaign, sticks: Sequence[Yardstick], measures: dict[str, Any]
) -> dict[str, Any]:
    """Say what the audit measured on: how many labels, drawn how, and whether models learn from them."""
    audit = next((stick for stick in sticks if stick.name == "audit"), None)
    return {
        **measures.get("audit", {}),
        "labels": 0 if audit is None else audit.items,
        "mode": campaign.audit.mode,
        "train": campaign.audit.train,
        "weighted": audit is not None and audit.weight is not None,
    }


def decision(
    workplace: Workplace, round_: Round, campaign: Campaign, sticks: Sequence[Yardstick],
    said: Sequence[NDArray[np.float32]],
) -> dict[str, Any]:  # fmt: skip
    """Give the interval that stop rules look at in every round: one of a confidence sequence over the rounds.

    Each round has another model, so the risk of 5 % is spent over the looks (the union bound). It is the hold-out's
    where there is one.
    """
    from tasks.evaluation import look_level

    if not sticks:
        return {}
    stick, proba = sticks[-1], said[-1]
    look = 1 + sum(
        bool((one.measures or {}).get("estimates"))
        for one in rounds.rounds_of(workplace.engine, round_.campaign)
        if one.number < round_.number
    )
    level, known = look_level(look), stick.predicted
    weight = None if stick.weight is None else stick.weight[known]
    found = targets_of(campaign).measure(proba[known], stick.y[known], weight=weight, level=level)
    estimates = found.estimates | by_draws(workplace, round_, campaign, stick, proba, level)
    target = campaign.stop.target
    wanted = {headline(campaign), *([target.metric] if target and target.metric else [])}
    return {
        "on": stick.name,
        "level": level,
        "look": look,
        "metrics": {name: asdict(estimates[name]) for name in sorted(wanted)},
    }


def best_estimates(measures: dict[str, Any]) -> dict[str, Estimate]:
    """Read the estimates that decide: of the hold-out where there is one, else of the audit."""
    groups = measures.get("estimates", {})
    return estimates_of(groups.get("holdout") or groups.get("audit") or {})


def estimates_of(stored: dict[str, Any]) -> dict[str, Estimate]:
    """Read stored estimates; what is not known is stored as null."""
    from tasks.evaluation import Estimate

    def known(value: float | None) -> float:
        return math.nan if value is None else value

    return {
        name: Estimate(known(one["value"]), known(one["low"]), known(one["high"]), one["n"])
        for name, one in stored.items()
    }
