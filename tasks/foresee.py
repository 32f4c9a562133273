"""Forecast what the next labels would bring, and cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database import campaigns, rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.campaign import Campaign
from tasks.errors import UsageError
from tasks.labelled import learnt_kinds, usable
from tasks.measure import best_estimates, estimates_of
from tasks.outputs import campaign_of, model_of
from tasks.refit import alike
from tasks.saved import saved_of
from tasks.step import step
from tasks.targets import headline
from tasks.watched import Sample, sample_of

if TYPE_CHECKING:
    from tasks.evaluation.forecast import Evidence, Point

log = logging.getLogger(__name__)

NEXT, REST = "next batch", "rest of the budget"
CURVE_POINTS = 8
EARLIER_ROUNDS = 2
"""Whose models say on the sample how much the last labels changed."""


@step("forecast what the next labels bring")
def foresee(workplace: Workplace, round_: Round) -> Round:
    """Forecast the campaign's measure after the next batch and after the rest of the budget; trains smaller models."""
    if round_.state != "trained" or round_.measures is None or "forecast" in round_.measures:
        return round_
    campaign = campaign_of(round_)
    metric = forecast_metric(campaign)
    sample = sample_of(workplace, round_, campaign)
    evidence = evidence_of(workplace, round_, campaign, metric, sample)
    stored = asdict(evidence)
    found = forecast_of(campaign, round_.measures, stored)
    if "why_not" in found:
        log.info("no forecast: %s", found["why_not"])
    measures = {**round_.measures, "forecast": found, "forecast_evidence": stored}
    measures["savings"] = saved_of(workplace, round_, campaign, metric, None if sample is None else sample.X)
    return rounds.store(workplace.engine, round_, measures=measures)


def forecast_metric(campaign: Campaign) -> str:
    """Give the measure that is forecast: that of the plateau rule where it names one."""
    plateau = campaign.stop.plateau
    return (plateau.metric if plateau is not None else None) or headline(campaign)


def evidence_of(
    workplace: Workplace, round_: Round, campaign: Campaign, metric: str, sample: Sample | None
) -> Evidence:
    """Gather what a forecast rests on: the rounds so far, and what weaker models say of the sample of the pool."""
    from tasks.evaluation.forecast import gathered
    from tasks.evaluation.forecast.expected import expected_loss

    history = history_of(workplace, round_, metric)
    model = model_of(workplace, round_)
    if not history or sample is None or model is None or campaign.task != "classification":
        return gathered(metric, history)
    said = model.predict(sample.X)
    others = [
        *earlier_models(workplace, round_, sample.X),
        *weaker_models(workplace, round_, campaign, sample.X),
    ]
    found = gathered(metric, history, said, tuple(others))
    if found.expected is None or not len(sample.learnt):
        return found
    # Of the whole sample, the items that were worth a label among it.
    every = np.concatenate([said, sample.learnt])
    return replace(found, expected=expected_loss(metric, every, every))


def history_of(workplace: Workplace, round_: Round, metric: str) -> tuple[Point, ...]:
    """Read what each round measured, up to this one; empty where this one has no model."""
    from tasks.evaluation.forecast import Point

    if round_.model is None:
        return ()
    points = [
        Point(one.measures["counts"]["trained"], found)
        for one in rounds.rounds_of(workplace.engine, round_.campaign)
        if one.number <= round_.number and one.model is not None and one.measures
        and (found := best_estimates(one.measures).get(metric)) is not None
    ]  # fmt: skip
    measured = metric in best_estimates(round_.measures or {})
    return tuple(points) if measured else ()


def earlier_models(
    workplace: Workplace, round_: Round, X: NDArray[np.float32]
) -> list[tuple[int, NDArray[np.float32]]]:
    """Give the labels of the last rounds' models, and what they say of the sample, float32 (m, n_classes)."""
    found: list[tuple[int, NDArray[np.float32]]] = []
    for one in reversed(rounds.rounds_of(workplace.engine, round_.campaign)):
        same = one.features == round_.features and one.number < round_.number
        if same and one.model is not None and len(found) < EARLIER_ROUNDS:
            model = model_of(workplace, one)
            assert model is not None
            found.append(((one.measures or {})["counts"]["trained"], model.predict(X)))
    return found


def weaker_models(
    workplace: Workplace, round_: Round, campaign: Campaign, X: NDArray[np.float32]
) -> list[tuple[int, NDArray[np.float32]]]:
    """Train on parts of the labels; gives how many labels each has, and what it says of the sample."""
    from tasks.evaluation.forecast import subsets

    model = model_of(workplace, round_)
    if campaign.forecast == "rounds" or model is None:
        return []
    assert round_.labels is not None
    labelled = workplace.fetch_table(round_.labels)
    learnt = labelled.filter(usable(labelled, learnt_kinds(campaign)))
    found = []
    for rows in subsets(learnt.num_rows, campaign.seed):
        try:
            weaker = alike(workplace, round_, campaign, model, learnt.take(rows))
        except UsageError as error:
            # A part of the labels that lacks a class gives no model.
            log.info("no model of %d labels: %s", len(rows), error)
            continue
        found.append((len(rows), weaker.predict(X)))
    return found


def forecast_of(
    campaign: Campaign, measures: Mapping[str, Any], stored: Mapping[str, Any], further: int | None = None
) -> dict[str, Any]:
    """Forecast from what a round gathered.

    Parameters
    ----------
    further
        Labels to forecast for, beside the next batch and the rest of the budget.

    Returns
    -------
    dict
        ``metric``, ``labels`` in hand, ``now``, ``points`` and ``curve``, or ``why_not``.
    """
    from tasks.evaluation.forecast import Forecasts, forecast
    from tasks.evaluation.forecast.predict import LEVEL

    wanted = horizons(campaign, measures, further)
    if not wanted:
        return {"why_not": "The budget leaves nothing to buy."}
    trained, labels = measures["counts"]["trained"], measures["counts"]["labels"]
    rest = max(items for _, items in wanted)
    steps = np.unique(np.geomspace(1, rest, CURVE_POINTS).round().astype(int)).tolist()
    asked = [*(items for _, items in wanted), *steps]
    found = forecast(read_evidence(stored), [trained + learnt(campaign, measures, items) for items in asked])
    if not isinstance(found, Forecasts):
        return {"why_not": found.why_not}
    points = [
        {**point.to_json(), "for": name, "labels": labels + items, "cost": campaign.cost_micro(items) / 1e6}
        for (name, items), point in zip(wanted, found.points, strict=False)
    ]
    curve = [
        {
            "labels": labels + items,
            "value": point.quality.value,
            "low": point.quality.low,
            "high": point.quality.high,
        }
        for items, point in zip(steps, found.points[len(wanted) :], strict=True)
    ]
    now = asdict(found.now)
    return {
        "metric": found.metric,
        "level": LEVEL,
        "labels": labels,
        "now": now,
        "points": points,
        "curve": [{"labels": labels, "value": now["value"], "low": now["low"], "high": now["high"]}, *curve],
        "method": found.method,
    }


def read_evidence(stored: Mapping[str, Any]) -> Evidence:
    """Read what `evidence_of` gathered, as a round keeps it."""
    from tasks.evaluation.forecast import Evidence, Point, Weaker

    history = tuple(
        Point(one["labels"], estimates_of({"": one["estimate"]})[""]) for one in stored["history"]
    )
    weaker = tuple(Weaker(**one) for one in stored["weaker"])
    return Evidence(stored["metric"], history, stored["expected"], weaker)


def horizons(
    campaign: Campaign, measures: Mapping[str, Any], further: int | None
) -> Sequence[tuple[str, int]]:
    """Give what is forecast for: a name and the items that would be bought; none when nothing can be."""
    balance = campaigns.Balance(**measures["balance"])
    rest = max(0, campaign.budget.labels - balance.bought)
    if campaign.budget.money_micro is not None:
        left = campaign.budget.money_micro - balance.spent_micro - balance.held_micro
        rest = campaign.affordable(left, rest)
    wanted = [(NEXT, min(campaign.batch.size, rest)), (REST, rest)] if rest else []
    return wanted if further is None else [*wanted, (f"{further} labels", further)]


def learnt(campaign: Campaign, measures: Mapping[str, Any], items: int) -> int:
    """Give how many of so many further items models would learn from: all but those that only measure."""
    if campaign.audit.train == "crossfit":
        return items
    audit = measures["counts"]["audit"]
    return max(
        1, items - round(campaign.audit_items(campaign.batch.size, audit) / campaign.batch.size * items)
    )
