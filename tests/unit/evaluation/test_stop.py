"""When a campaign stops: what fires, what stops, and what is said."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.evaluation import Estimate, Evidence, Gain, RoundResult, decide_stop, stops
from tasks.evaluation.stop import (
    HARD,
    NAMES,
    SOFT,
    BudgetState,
    Plateau,
    Stable,
    StopRules,
    StopSignal,
    Target,
    Uncertainty,
)

PLENTY = BudgetState(labels_left=100, money_left_micro=None, price_micro=10_000)
TODAY = date(2026, 3, 1)

RULES = StopRules(
    Target("accuracy", 0.9),
    Plateau("accuracy", 2, 0.002),
    max_rounds=9,
    stable=Stable(0.99, 3),
    uncertainty=Uncertainty(0.05),
    until=TODAY,
)

estimates = st.builds(Estimate, *[st.one_of(st.just(math.nan), st.floats(0, 1))] * 3, st.integers(0, 500))
gains = st.builds(
    Gain, st.sampled_from(["accuracy", "auc"]), *[st.floats(-0.01, 0.01)] * 3, st.just(100), st.integers(0, 10**7)
)  # fmt: skip
results = st.builds(
    RoundResult,
    st.integers(1, 20),
    st.integers(0, 1000),
    st.just({}),
    st.none() | gains,
    st.none() | st.floats(0.97, 1),
    st.none() | st.floats(0, 0.1),
)
evidences = st.builds(
    Evidence,
    st.lists(results, max_size=12),
    st.builds(
        BudgetState, st.none() | st.integers(-1, 3), st.none() | st.integers(-1, 30), st.integers(0, 30)
    ),
    st.dictionaries(st.just("accuracy"), estimates),
    st.just("accuracy"),
    st.none() | st.integers(0, 3),
    st.none() | st.integers(-2, 2).map(lambda days: TODAY + timedelta(days)),
    st.sampled_from(["", "There are 12 audit items, and a forecast needs 30."]),
)
rules_of_all_kinds = st.builds(
    StopRules,
    st.none() | st.just(RULES.target),
    st.none() | st.just(RULES.plateau) | st.just(Plateau("accuracy", 1, worth=20.0)),
    st.none() | st.integers(1, 10),
    st.none() | st.just(RULES.stable),
    st.none() | st.just(RULES.uncertainty),
    st.none() | st.just(TODAY),
    st.sampled_from(["any", "all"]),
)


def fired(rules: StopRules, evidence: Evidence) -> set[str]:
    return {signal.name for signal in decide_stop(rules, evidence) if signal.fired}


def history(*gains: Gain | None, kappas: tuple[float | None, ...] = ()) -> list[RoundResult]:
    told = [*kappas, *[None] * (len(gains) - len(kappas))]
    return [RoundResult(at, 100 * at, gain=gain, kappa=told[at - 1]) for at, gain in enumerate(gains, 1)]


def gain(value: float, high: float, cost: float = 10.0) -> Gain:
    return Gain("accuracy", value, value - (high - value), high, 100, round(cost * 1e6))


@given(rules_of_all_kinds, evidences)
@settings(deadline=None, max_examples=50)
def test_each_rule_answers_in_one_sentence_each_round(rules, evidence):
    signals = decide_stop(rules, evidence)
    assert tuple(signal.name for signal in signals) == NAMES
    stopped = stops(rules, signals, campaign="spam")
    for signal in [*signals, *([stopped] if stopped else [])]:
        assert signal.reason.endswith(".")
        assert ". " not in signal.reason
        assert "nan" not in signal.reason.lower()
        assert (
            signal.reason[0].isupper() or signal.reason[0].isdigit() or signal.reason.startswith("accuracy")
        )
        assert signal.set or not signal.fired
    if stopped is not None:
        told = "to go on." in stopped.reason or "`labelrounds resume spam` goes on." in stopped.reason
        assert stopped.fired
        assert told


@given(rules_of_all_kinds, evidences)
@settings(deadline=None, max_examples=50)
def test_all_never_stops_where_any_does_not(rules, evidence):
    signals = decide_stop(rules, evidence)
    both = {
        combine: stops(StopRules(**{**vars(rules), "combine": combine}), signals)
        for combine in ("any", "all")
    }
    assert both["all"] is None or both["any"] is not None
    hard = [signal.name for signal in signals if signal.name in HARD and signal.fired]
    for found in both.values():
        if hard:
            assert found is not None
            assert found.name == hard[0]
    resumed = stops(rules, signals, resumed=True)
    assert (resumed is None) == (not hard)


@given(rules_of_all_kinds)
def test_nothing_fires_without_evidence(rules):
    assert fired(rules, Evidence()) == set()
    assert stops(rules, decide_stop(rules, Evidence())) is None


@given(evidences)
@settings(deadline=None, max_examples=50)
def test_a_rule_that_is_not_set_tells_the_same_figure(evidence):
    usual = StopRules(plateau=Plateau("accuracy", 1, 0.002))
    loose = {signal.name: signal for signal in decide_stop(StopRules(), evidence)}
    kept = {signal.name: signal for signal in decide_stop(RULES, evidence)}
    for name in ("target", "uncertainty", "max_rounds"):
        assert loose[name].value == kept[name].value
        assert not loose[name].set
    told = {signal.name: signal for signal in decide_stop(usual, evidence)}["plateau"]
    if told.value is not None:
        assert told.value == loose["plateau"].value


@pytest.mark.parametrize(
    ("labels", "money", "price", "expected"),
    [
        (0, None, 10, {"budget_labels"}),
        (1, 29, 30, {"budget_money"}),
        (1, 30, 30, set()),
        (None, None, 30, set()),
        (5, 0, 0, set()),
        (5, -1, 0, {"budget_money"}),
        (0, 0, 5, {"budget_labels", "budget_money"}),
    ],
)
def test_budget(labels, money, price, expected):
    assert fired(StopRules(), Evidence(budget=BudgetState(labels, money, price))) == expected


def test_caps_say_what_is_spent_of_what():
    spent = BudgetState(0, 5_000, 10_000, 600, 30_000_000, "EUR")
    told = {signal.name: signal for signal in decide_stop(StopRules(), Evidence(budget=spent))}
    assert told["budget_labels"].reason == "The budget of 600 labels is spent; raise budget.labels to go on."
    assert "0.01 of 30.00 EUR left, one more item costs 0.01" in told["budget_money"].reason


def test_the_last_day_counts():
    rules = StopRules(until=TODAY)
    assert fired(rules, Evidence(today=TODAY)) == set()
    assert fired(rules, Evidence(today=TODAY + timedelta(1))) == {"date"}


def test_rounds_and_pool_end():
    two = [RoundResult(1, 100), RoundResult(2, 200)]
    assert fired(StopRules(max_rounds=2), Evidence(two)) == set()
    assert fired(StopRules(max_rounds=1), Evidence(two)) == {"max_rounds"}
    assert fired(StopRules(), Evidence(items_left=1)) == set()
    assert fired(StopRules(), Evidence(items_left=0)) == {"pool_exhausted"}


def test_target_asks_for_the_worse_end():
    rules = StopRules(target=Target("accuracy", 0.95))

    def seen(value: float, low: float, high: float, metric: str = "accuracy") -> Evidence:
        return Evidence(decision={metric: Estimate(value, low, high, 500)})

    assert fired(rules, seen(0.97, 0.949, 0.99)) == set()
    assert fired(rules, seen(0.97, 0.95, 0.99)) == {"target"}
    assert fired(rules, seen(math.nan, 1.0, 1.0)) == set()
    loss = StopRules(target=Target("log_loss", 0.2))
    assert fired(loss, seen(0.15, 0.1, 0.21, "log_loss")) == set()
    assert fired(loss, seen(0.15, 0.1, 0.2, "log_loss")) == {"target"}


def test_a_plateau_is_forecast_in_rounds_in_a_row():
    rules = StopRules(plateau=Plateau("accuracy", 2, 0.002))
    flat, rising = gain(0.0005, 0.0015), gain(0.001, 0.004)
    assert fired(rules, Evidence(history(flat))) == set()
    assert fired(rules, Evidence(history(flat, flat))) == {"plateau"}
    assert fired(rules, Evidence(history(flat, flat, rising))) == set()
    assert fired(rules, Evidence(history(flat, None, flat))) == set()
    assert fired(rules, Evidence(history(flat, flat, None))) == set()


def test_a_point_that_is_worth_its_price_is_bought():
    batch = gain(0.004, 0.02, cost=10.0)
    dear, cheap = Plateau("accuracy", 1, worth=20.0), Plateau("accuracy", 1, worth=30.0)
    assert fired(StopRules(plateau=dear), Evidence(history(batch))) == {"plateau"}
    assert fired(StopRules(plateau=cheap), Evidence(history(batch))) == set()
    (told,) = (
        s for s in decide_stop(StopRules(plateau=dear), Evidence(history(batch))) if s.name == "plateau"
    )
    assert (told.value, told.threshold) == (0.004, pytest.approx(0.005))
    assert "worth 8.00, less than the 10.00 that they cost" in told.reason
    with pytest.raises(UsageError):
        Plateau("accuracy", 2)


def test_predictions_are_stable_when_each_of_the_last_rounds_agrees():
    rules = StopRules(stable=Stable(0.99, 3))

    def after(*kappas: float | None) -> set[str]:
        return fired(rules, Evidence(history(*[None] * len(kappas), kappas=kappas)))

    assert after(0.995, 0.99, 1.0) == {"stable"}
    assert after(0.5, 0.995, 0.99, 1.0) == {"stable"}
    assert after(1.0, 1.0, 0.98) == set()
    assert after(1.0, 0.98, 1.0) == set()
    assert after(None, 1.0, 1.0) == set()


def test_all_soft_rules_that_are_set_are_named_in_one_sentence():
    rules = StopRules(stable=RULES.stable, uncertainty=RULES.uncertainty, combine="all")
    agreeing = [RoundResult(at, 100 * at, kappa=1.0, uncertainty=0.01) for at in (1, 2, 3)]
    found = stops(rules, decide_stop(rules, Evidence(agreeing)), campaign="spam")
    assert found is not None
    assert found.name == "stable+uncertainty"
    assert "kappa" in found.reason
    assert "mean uncertainty" in found.reason
    unsure = [*agreeing[:2], RoundResult(3, 300, kappa=1.0, uncertainty=0.2)]
    assert stops(rules, decide_stop(rules, Evidence(unsure))) is None


def test_signals_come_back_as_they_were_kept():
    from tasks.evaluation import read_signals

    signals = decide_stop(RULES, Evidence(history(gain(0.1, 0.2))))
    assert read_signals([vars(signal) for signal in signals]) == signals
    assert read_signals([{"name": "target", "fired": True, "reason": "Old."}]) == (
        StopSignal("target", True, "Old."),
    )
    assert set(SOFT) | set(HARD) == set(NAMES)
