"""When a campaign stops: every rule says each round whether it fired, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tasks.evaluation.estimate import LOSSES, Estimate


@dataclass(frozen=True)
class Target:
    """Stop when a metric is good enough with confidence: the worse end of its interval reaches `value`."""

    metric: str
    value: float


@dataclass(frozen=True)
class Plateau:
    """Stop when the best of the last `rounds` rounds is less than `min_gain` better than the best before."""

    metric: str
    rounds: int
    min_gain: float


@dataclass(frozen=True)
class StopRules:
    """A campaign's stop rules; None = not set."""

    target: Target | None = None
    plateau: Plateau | None = None
    max_rounds: int | None = None


@dataclass(frozen=True)
class RoundResult:
    """What a finished round measured.

    Attributes
    ----------
    number : int
        From 1.
    labels : int
        Labels that its model was trained on.
    metrics : dict of str to Estimate
    """

    number: int
    labels: int
    metrics: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True)
class BudgetState:
    """What may still be spent; None = no limit.

    Attributes
    ----------
    labels_left : int or None
    money_left_micro : int or None
        In millionths of the currency, without what is reserved.
    price_micro : int
        Price of one item with its overlap: what the cheapest vendors of all its tasks cost.
    """

    labels_left: int | None
    money_left_micro: int | None
    price_micro: int


@dataclass(frozen=True)
class StopSignal:
    """A rule's answer.

    Attributes
    ----------
    name : str
    fired : bool
    reason : str
        One sentence for people.
    """

    name: str
    fired: bool
    reason: str


def decide_stop(
    rules: StopRules, history: Sequence[RoundResult], budget: BudgetState
) -> tuple[StopSignal, ...]:
    """Ask every stop rule.

    Parameters
    ----------
    rules : StopRules
    history : sequence of RoundResult
        Rounds so far, in order, with the one just measured last.
    budget : BudgetState

    Returns
    -------
    tuple of StopSignal
        ``budget_labels``, ``budget_money``, ``target``, ``plateau``, ``max_rounds``, always all five. The
        campaign stops when any fired.
    """
    return (
        _budget_labels(budget),
        _budget_money(budget),
        _target(rules.target, history),
        _plateau(rules.plateau, history),
        _max_rounds(rules.max_rounds, history),
    )


def _budget_labels(budget: BudgetState) -> StopSignal:
    left = budget.labels_left
    if left is None:
        return StopSignal("budget_labels", False, "The campaign has no limit of labels.")
    if left <= 0:
        return StopSignal(
            "budget_labels", True, "The budget of labels is spent; raise budget.labels to go on."
        )
    return StopSignal("budget_labels", False, f"The budget has {left} labels left.")


def _budget_money(budget: BudgetState) -> StopSignal:
    left, price = budget.money_left_micro, budget.price_micro
    if left is None:
        return StopSignal("budget_money", False, "The campaign has no limit of money.")
    both = f"{left / 1e6:.2f} left, one more item costs {price / 1e6:.2f}"
    if left < price or left < 0:
        return StopSignal("budget_money", True, f"The money is spent: {both}; raise budget.money to go on.")
    return StopSignal("budget_money", False, f"The money lasts: {both}.")


def _target(target: Target | None, history: Sequence[RoundResult]) -> StopSignal:
    if target is None:
        return StopSignal("target", False, "No target is set.")
    found = history[-1].metrics.get(target.metric) if history else None
    if found is None or found.value != found.value:
        return StopSignal("target", False, f"{target.metric} was not measured yet.")
    loss = target.metric in LOSSES
    fired = found.high <= target.value if loss else found.low >= target.value
    end, word = (found.high, "upper") if loss else (found.low, "lower")
    verb = "reaches" if fired else "does not reach"
    return StopSignal(
        "target",
        fired,
        f"The {word} end of {target.metric}, {end:.4g} ({found.value:.4g} on {found.n} items), {verb} "
        f"the target {target.value:.4g}.",
    )


def _plateau(plateau: Plateau | None, history: Sequence[RoundResult]) -> StopSignal:
    if plateau is None:
        return StopSignal("plateau", False, "No plateau rule is set.")
    sign = -1 if plateau.metric in LOSSES else 1
    values = [sign * r.metrics[plateau.metric].value for r in history if plateau.metric in r.metrics]
    values = [value for value in values if value == value]  # NaN: not measured
    if len(values) <= plateau.rounds:
        said = f"{plateau.metric} was measured in {len(values)} rounds; a plateau needs {plateau.rounds + 1}."
        return StopSignal("plateau", False, said)
    gain = max(values[-plateau.rounds :]) - max(values[: -plateau.rounds])
    fired = gain < plateau.min_gain
    compared = "less than" if fired else "at least"
    return StopSignal(
        "plateau",
        fired,
        f"The last {plateau.rounds} rounds made {plateau.metric} better by {gain:.4g}, {compared} "
        f"{plateau.min_gain:.4g}.",
    )


def _max_rounds(limit: int | None, history: Sequence[RoundResult]) -> StopSignal:
    if limit is None:
        return StopSignal("max_rounds", False, "The campaign has no limit of rounds.")
    # The newest round has only measured so far: its batch would be one more.
    done = max(len(history) - 1, 0)
    fired = done >= limit
    return StopSignal("max_rounds", fired, f"{done} of at most {limit} batches are labelled.")
