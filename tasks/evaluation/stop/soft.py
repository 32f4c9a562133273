"""The soft rules: the model is good enough, or more labels would hardly change it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tasks.evaluation.estimate import LOSSES
from tasks.evaluation.stop.evidence import Evidence, Gain, RoundResult, StopSignal
from tasks.evaluation.stop.rules import Plateau, Stable, Target, Uncertainty


def target(rule: Target | None, evidence: Evidence) -> StopSignal:
    """Fire when the worse end of the metric's interval reaches the target.

    The interval must be one that may be looked at in every round: with an ordinary one of 95 %, the chance that it
    ever lies wrongly above the target grows with each look.
    """
    metric = rule.metric if rule is not None else evidence.metric
    found = None if metric is None else evidence.decision.get(metric)
    end = None
    if found is not None:
        end = found.high if metric in LOSSES else found.low
        if math.isnan(found.value) or math.isnan(end):  # not measured
            end = None
    if rule is None:
        return StopSignal("target", False, "No target is set.", False, end)
    if found is None or end is None:
        return StopSignal("target", False, f"{rule.metric} was not measured yet.", True, None, rule.value)
    fired = end <= rule.value if rule.metric in LOSSES else end >= rule.value
    word = "upper" if rule.metric in LOSSES else "lower"
    reason = (
        f"The {word} end of {rule.metric}, {end:.4g} ({found.value:.4g} on {found.n} items), "
        f"{'reaches' if fired else 'does not reach'} the target {rule.value:.4g}."
    )
    return StopSignal("target", fired, reason, True, end, rule.value)


def plateau(rule: Plateau | None, evidence: Evidence) -> StopSignal:
    """Fire when the next batch is forecast to gain too little, in so many rounds in a row."""
    gain = evidence.history[-1].gain if evidence.history else None
    if rule is None:
        logged = None if gain is None else gain.high
        return StopSignal("plateau", False, "No plateau rule is set.", False, logged)
    if gain is None or gain.metric != rule.metric:
        why = evidence.why_no_gain.rstrip(".") or "there is too little to forecast from"
        return StopSignal("plateau", False, f"{rule.metric} was not forecast: {_small(why)}.")
    row = _in_a_row(rule, evidence.history)
    fired = row >= rule.rounds
    value, threshold = _held_against(rule, gain)
    said = _of_gain(rule, gain, evidence.budget.currency)
    times = "this round" if row == 1 else f"{row} rounds in a row"
    reason = f"{said}; so it was {times}, of {rule.rounds} that it takes." if row else f"{said}."
    return StopSignal("plateau", fired, reason, True, value, threshold)


def stable(rule: Stable | None, history: Sequence[RoundResult]) -> StopSignal:
    """Fire when the models of the last rounds hardly differ (Bloodgood and Vijay-Shanker, CoNLL 2009).

    There the mean of the last kappas is held against the threshold; here each of them, so that one round in which
    much moved is not made up for by others.
    """
    kappas = [one.kappa for one in history]
    newest = kappas[-1] if kappas else None
    if rule is None:
        return StopSignal("stable", False, "No rule of stable predictions is set.", False, newest)
    last = [kappa for kappa in kappas[-rule.rounds :] if kappa is not None]
    if len(last) < rule.rounds:
        said = f"{len(last)} of {rule.rounds} agreements of successive models are known."
        return StopSignal("stable", False, said, True, newest, rule.kappa)
    worst = min(last)
    fired = worst >= rule.kappa
    reason = (
        f"Over the last {rule.rounds} rounds successive models agreed with kappa {worst:.4f} or more, "
        f"{'not less' if fired else 'less'} than {rule.kappa:g}."
    )
    return StopSignal("stable", fired, reason, True, worst, rule.kappa)


def uncertainty(rule: Uncertainty | None, history: Sequence[RoundResult]) -> StopSignal:
    """Fire when the model hardly doubts its predictions over the pool (Zhu, Wang and Hovy, EMNLP 2008)."""
    found = history[-1].uncertainty if history else None
    if rule is None:
        return StopSignal("uncertainty", False, "No rule of uncertainty is set.", False, found)
    if found is None:
        said = "How sure the model is of the pool is not known yet."
        return StopSignal("uncertainty", False, said, True, None, rule.below)
    fired = found < rule.below
    reason = (
        f"The model's mean uncertainty over the pool, {found:.4f}, is "
        f"{'below' if fired else 'not below'} {rule.below:g}."
    )
    return StopSignal("uncertainty", fired, reason, True, found, rule.below)


def _in_a_row(rule: Plateau, history: Sequence[RoundResult]) -> int:
    """Count the rounds up to now whose forecast gain was too little; a round without a forecast ends the row."""
    count = 0
    for one in reversed(history):
        if one.gain is None or one.gain.metric != rule.metric or not _too_little(rule, one.gain):
            break
        count += 1
    return count


def _too_little(rule: Plateau, gain: Gain) -> bool:
    value, threshold = _held_against(rule, gain)
    return value < threshold


def break_even(worth: float, gain: Gain) -> float:
    """Give the gain at which the batch is worth what it costs; `worth` is money for .01 of the metric."""
    return gain.cost_micro / 1e6 / worth / 100


def _held_against(rule: Plateau, gain: Gain) -> tuple[float, float]:
    """Give the figure and what it is held against: where a point has a price, the expected gain that pays."""
    if rule.worth is not None:
        return gain.value, break_even(rule.worth, gain)
    assert rule.min_gain is not None
    return gain.high, rule.min_gain


def _of_gain(rule: Plateau, gain: Gain, currency: str) -> str:
    value, threshold = _held_against(rule, gain)
    less = "less" if value < threshold else "not less"
    said = f"The next {gain.labels} labels are forecast to make {rule.metric} better by {gain.value:.4f}"
    if rule.worth is None:
        return f"{said} and at most by {value:.4f}, {less} than {threshold:g}"
    unit = f" {currency}" if currency else ""
    worth, cost = value * 100 * rule.worth, gain.cost_micro / 1e6
    return f"{said}, worth {worth:.2f}{unit}, {less} than the {cost:.2f}{unit} that they cost"


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
