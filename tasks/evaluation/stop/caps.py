"""The hard caps: what is spent, or over, stops a campaign whatever its model does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tasks.evaluation.stop.evidence import BudgetState, RoundResult, StopSignal


def budget_labels(budget: BudgetState) -> StopSignal:
    """Fire when no label is left to buy."""
    left = budget.labels_left
    if left is None:
        return StopSignal("budget_labels", False, "The campaign has no limit of labels.", False)
    of = "" if budget.labels is None else f" of {budget.labels}"
    if left <= 0:
        reason = f"The budget{of} labels is spent; raise budget.labels to go on."
        return StopSignal("budget_labels", True, reason, True, left, 0)
    return StopSignal("budget_labels", False, f"The budget has {left}{of} labels left.", True, left, 0)


def budget_money(budget: BudgetState) -> StopSignal:
    """Fire when what is left does not pay for one more item."""
    left, price = budget.money_left_micro, budget.price_micro
    if left is None:
        return StopSignal("budget_money", False, "The campaign has no limit of money.", False)
    currency = f" {budget.currency}" if budget.currency else ""
    of = "" if budget.money_micro is None else f" of {budget.money_micro / 1e6:.2f}{currency}"
    said = f"{left / 1e6:.2f}{of or currency} left, one more item costs {price / 1e6:.2f}"
    fired = left < price or left < 0
    reason = f"The money lasts: {said}."
    if fired:
        reason = f"The money is spent: {said}; raise budget.money to go on."
    return StopSignal("budget_money", fired, reason, True, left / 1e6, price / 1e6)


def max_rounds(limit: int | None, history: Sequence[RoundResult]) -> StopSignal:
    """Fire when as many batches as the campaign may have are labelled."""
    # The newest round has only measured so far: its batch would be one more.
    done = max(len(history) - 1, 0)
    if limit is None:
        return StopSignal("max_rounds", False, "The campaign has no limit of rounds.", False, done)
    fired = done >= limit
    advice = "; raise stop.max_rounds to go on" if fired else ""
    reason = f"{done} of at most {limit} batches are labelled{advice}."
    return StopSignal("max_rounds", fired, reason, True, done, limit)


def until(last: date | None, today: date | None) -> StopSignal:
    """Fire after the campaign's last day; the figure is the days that are left."""
    if last is None:
        return StopSignal("date", False, "The campaign has no last day.", False)
    if today is None:
        return StopSignal("date", False, f"The campaign ends after {last}.", True, None, 0)
    left = (last - today).days
    if left < 0:
        reason = f"The campaign was to end on {last}, and today is {today}; set a later stop.until to go on."
        return StopSignal("date", True, reason, True, left, 0)
    return StopSignal("date", False, f"The campaign ends in {left} days, after {last}.", True, left, 0)


def pool_exhausted(items_left: int | None) -> StopSignal:
    """Fire when every item of the pool is labelled or on its way."""
    if items_left is None:
        return StopSignal("pool_exhausted", False, "The pool was not counted yet.")
    if items_left <= 0:
        reason = "No free item is left in the pool; put more there to go on."
        return StopSignal("pool_exhausted", True, reason, True, items_left, 0)
    said = f"{items_left} items of the pool are left to choose from."
    return StopSignal("pool_exhausted", False, said, True, items_left, 0)
