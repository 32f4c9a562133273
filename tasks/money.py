"""Figures of a campaign's money, over the rows of `infra.database.money`: nothing is read here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from infra.database.money import Bought, Burn, Spent

Key = TypeVar("Key")
KINDS = ("work", "audit", "gold", "relabel")
PACE_DAYS = 14
PACE_ROUNDS = 3


@dataclass(frozen=True)
class Balance:
    """What became of a budget, in micro units.

    Parameters
    ----------
    budget_micro
        None without a limit.
    left_micro
        Neither spent nor held; below 0 when the budget was lowered below what is used. None without a limit.
    """

    budget_micro: int | None
    spent_micro: int
    held_micro: int

    @property
    def left_micro(self) -> int | None:
        """What may still be published for."""
        return None if self.budget_micro is None else self.budget_micro - self.spent_micro - self.held_micro


@dataclass(frozen=True)
class Cost:
    """What a correct label or answer costs, in micro units.

    Parameters
    ----------
    value
        Money over the expected number of right ones; None where none is known to be right.
    low, high
        From the interval of the accuracy; None where there is none, or it reaches 0.
    source
        ``gold``: answers to items whose label is known; ``confidence``: what the labels are believed with.
    n
        Gold answers, or labels.
    """

    value: float | None
    low: float | None
    high: float | None
    source: str
    n: int


@dataclass(frozen=True)
class Pace:
    """How fast the money goes, and how long it lasts.

    Parameters
    ----------
    per_day_micro
        Mean over the last days.
    days
        How many they are.
    ends
        The day on which the budget is spent at this pace; None without a limit, or when nothing is spent.
    per_round_micro
        Mean of the last rounds.
    rounds_left
        Such rounds that what is neither spent nor held pays for; None without a limit, or when nothing is
        spent.
    """

    per_day_micro: float
    days: int
    ends: date | None
    per_round_micro: float
    rounds_left: float | None


def by_round(rows: Sequence[Spent]) -> dict[int, int]:
    """Add up by number of the round."""
    return _added(rows, lambda row: row.round)


def by_vendor(rows: Sequence[Spent]) -> dict[str, int]:
    """Add up by vendor."""
    return _added(rows, lambda row: row.vendor)


def by_kind(rows: Sequence[Spent]) -> dict[str, int]:
    """Add up by kind, each of `KINDS`."""
    return dict.fromkeys(KINDS, 0) | _added(rows, lambda row: row.kind)


def by_round_and_kind(rows: Sequence[Spent]) -> dict[tuple[int, str], int]:
    """Add up by round and kind."""
    return _added(rows, lambda row: (row.round, row.kind))


def _added(rows: Sequence[Spent], key: Callable[[Spent], Key]) -> dict[Key, int]:
    found: Counter[Key] = Counter()
    for row in rows:
        found[key(row)] += row.spent_micro
    return dict(found)


def further(rows: Sequence[Spent]) -> int:
    """Add up what answers beyond the first of their items cost: overlap, and those asked for in doubt."""
    return sum(row.spent_micro for row in rows if row.further)


def share(part: int, whole: int) -> float | None:
    """Give a part of the money; None of nothing."""
    return part / whole if whole else None


def cost_per_label(spent_micro: int, bought: Sequence[Bought]) -> float | None:
    """Give all money, gold, audit and overlap among it, over the labels that are believed; None of none."""
    labels = sum(row.labels for row in bought)
    return spent_micro / labels if labels else None


def cost_per_correct_label(spent_micro: int, bought: Sequence[Bought]) -> Cost | None:
    """Give all money over the expected number of right labels; None while there are none.

    The expectation is the sum of the labels' confidences, so it is as good as they are: it has no interval.
    """
    right = sum(row.expected_right for row in bought)
    labels = sum(row.labels for row in bought)
    return Cost(spent_micro / right, None, None, "confidence", labels) if right > 0 else None


def cost_per_correct_answer(price_micro: float, right: int, n: int) -> Cost | None:
    """Give what a vendor is paid for an answer over its accuracy on gold, with the interval of that accuracy.

    Parameters
    ----------
    price_micro
        Mean of what it was paid for an answer.
    right, n
        Right answers to gold, and all.

    Returns
    -------
    Cost or None
        With the interval of Clopper and Pearson (1934) of 95 %. Without a right answer there is a lower end
        only: so much a right one costs at least. None without gold.
    """
    from tasks.truth import rates

    if n == 0:
        return None
    found = rates([right], [n])
    value, least, most = (
        None if accuracy <= 0 else price_micro / accuracy
        for accuracy in (right / n, float(found.upper[0]), float(found.lower[0]))
    )
    return Cost(value, least, most, "gold", n)


def pace(
    balance: Balance, days: Sequence[Burn], rounds: Sequence[Burn], today: date, open_round: int | None = None
) -> Pace | None:
    """Project the present pace: the mean of the last days, and of the last rounds.

    Parameters
    ----------
    days, rounds
        As the ledger has them, oldest first.
    today
        Days without an entry up to here count; the pace is over the last 14 days, or since the first entry.
    open_round
        Number of the round that is out, which is not whole and is left out of the mean.

    Returns
    -------
    Pace or None
        None while nothing is spent.
    """
    if not days or balance.spent_micro <= 0:
        return None
    since = max(days[0].day, today - timedelta(days=PACE_DAYS - 1))
    before = max((row.spent_micro for row in days if row.day < since), default=0)
    length = max(1, (today - since).days + 1)
    per_day = max(0, balance.spent_micro - before) / length
    costs = [
        row.spent_micro - earlier
        for row, earlier in zip(rounds, [0, *(row.spent_micro for row in rounds)], strict=False)
        if row.round != open_round
    ][-PACE_ROUNDS:]
    per_round = sum(costs) / len(costs) if costs else 0.0
    left = balance.left_micro
    return Pace(
        per_day,
        length,
        _ends(balance, per_day, today),
        per_round,
        None if left is None or per_round <= 0 else max(0, left) / per_round,
    )


def _ends(balance: Balance, per_day: float, today: date) -> date | None:
    if balance.budget_micro is None or per_day <= 0:
        return None
    days = max(0.0, balance.budget_micro - balance.spent_micro) / per_day
    # A century is for ever.
    return today + timedelta(days=int(days)) if days < 36_525 else None
