"""What stop rules are asked, and what is forecast for."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from tasks.campaign import Campaign
from tasks.decide import MIN_GAIN, budget_of, gain_of, rules_of
from tasks.evaluation import Estimate
from tasks.evaluation.forecast import Evidence, Point, Weaker
from tasks.foresee import NEXT, REST, forecast_of, horizons, learnt, read_evidence


def campaign(**keys: Any) -> Campaign:
    return Campaign.model_validate(
        {
            "name": "c",
            "classes": ["a", "b"],
            "pool": {"uri": "s3://pool/c/", "payload": ["id"]},
            "budget": {"labels": 500, "money": 30},
            "batch": {"size": 100},
            "vendors": [{"name": "acme", "price": "0.10"}],
        }
        | keys
    )


def measures(**balance: int) -> dict[str, Any]:
    used = {"bought": 200, "spent_micro": 20_000_000, "held_micro": 0} | balance
    return {"balance": used, "counts": {"labels": 200, "trained": 180, "audit": 20}}


def test_rules_that_are_not_set_are_not_there():
    rules = rules_of(campaign())
    assert rules.soft == ()
    assert (rules.max_rounds, rules.until, rules.combine) == (None, None, "any")


@pytest.mark.parametrize(
    ("written", "min_gain", "worth"),
    [({}, MIN_GAIN, None), ({"worth": 20}, None, 20.0), ({"worth": 20, "min_gain": 0.01}, 0.01, 20.0)],
)
def test_a_worth_takes_the_place_of_the_usual_gain(written, min_gain, worth):
    plateau = rules_of(campaign(stop={"plateau": written})).plateau
    assert plateau is not None
    assert (plateau.metric, plateau.min_gain, plateau.worth) == ("accuracy", min_gain, worth)


def test_the_budget_is_what_is_neither_spent_nor_held():
    state = budget_of(campaign(), measures(held_micro=2_500_000))
    assert (state.labels_left, state.money_left_micro, state.price_micro) == (300, 7_500_000, 100_000)


def test_forecasts_are_for_what_can_be_bought():
    assert horizons(campaign(), measures(), None) == [(NEXT, 100), (REST, 100)]
    unlimited = campaign(budget={"labels": 500})
    assert horizons(unlimited, measures(), 50) == [(NEXT, 100), (REST, 300), ("50 labels", 50)]
    assert horizons(unlimited, measures(bought=500), None) == []
    assert horizons(campaign(), measures(spent_micro=30_000_000), None) == []


def test_models_learn_from_all_but_the_audit():
    assert learnt(campaign(), measures(), 100) == 90
    assert learnt(campaign(audit={"train": "crossfit"}), measures(), 100) == 100
    assert learnt(campaign(audit={"enough": 20, "then": 0}), measures(), 100) == 100


def test_a_forecast_can_be_had_again_from_what_the_round_kept():
    history = (Point(90, Estimate(0.9, 0.8, 0.95, 10)), Point(180, Estimate(0.93, 0.85, 0.97, 20)))
    evidence = Evidence("accuracy", history, 0.06, (Weaker(72, 0.03), Weaker(108, 0.02), Weaker(144, 0.01)))
    stored = json.loads(json.dumps(asdict(evidence)))
    assert read_evidence(stored) == evidence
    found = forecast_of(campaign(budget={"labels": 500}), measures(), stored, 50)
    assert [point["for"] for point in found["points"]] == [NEXT, REST, "50 labels"]
    assert [point["labels"] for point in found["points"]] == [300, 500, 250]
    assert [point["cost"] for point in found["points"]] == [10.0, 30.0, 5.0]
    assert found["labels"] == found["curve"][0]["labels"] == 200
    gain = gain_of({"forecast": found})
    assert gain is not None
    assert (gain.labels, gain.cost_micro) == (100, 10_000_000)
    assert gain.low <= gain.value <= gain.high
    assert gain_of({"forecast": {"why_not": "too early"}}) is None
