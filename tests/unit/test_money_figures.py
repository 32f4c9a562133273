"""Figures of money over rows: they add up, and say nothing where nothing was spent."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.database.money import Bought, Burn, Spent
from tasks import money

rows = st.lists(
    st.builds(
        Spent, st.integers(1, 4), st.sampled_from(money.KINDS), st.sampled_from(["acme", "bolt"]), st.booleans(),
        st.integers(1, 50), st.integers(0, 10**9),
    )
)  # fmt: skip
DAY = date(2026, 3, 1)


@given(rows)
def test_every_way_to_add_up_gives_the_same(some):
    whole = sum(row.spent_micro for row in some)
    for added in (money.by_round, money.by_vendor, money.by_kind, money.by_round_and_kind):
        assert sum(added(some).values()) == whole
    assert set(money.by_kind(some)) == set(money.KINDS)
    assert 0 <= money.further(some) <= whole
    assert (
        money.share(money.further(some), whole) is None or 0 <= money.share(money.further(some), whole) <= 1
    )


@given(st.integers(0, 10**9), st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_a_right_label_costs_no_less_than_a_label(spent, confidences):
    bought = [Bought(1, "work", 1, one) for one in confidences]
    cost = money.cost_per_correct_label(spent, bought)
    assert cost.value == pytest.approx(spent / sum(confidences))
    assert cost.value >= money.cost_per_label(spent, bought) * (1 - 1e-9)
    assert (cost.source, cost.low, cost.n) == ("confidence", None, len(confidences))


def test_nothing_is_said_of_nothing():
    assert money.cost_per_label(5, []) is None
    assert money.cost_per_correct_label(5, [Bought(1, "work", 2, 0.0)]) is None
    assert money.cost_per_correct_answer(10, 0, 0) is None
    assert money.share(0, 0) is None
    assert money.pace(money.Balance(100, 0, 10), [Burn(DAY, 1, 0, 10)], [Burn(DAY, 1, 0, 10)], DAY) is None
    assert money.Balance(None, 5, 5).left_micro is None


@given(st.integers(1, 200), st.integers(0, 200), st.floats(1, 1e6))
def test_the_interval_of_a_right_answer_holds_its_cost(right, wrong, price):
    cost = money.cost_per_correct_answer(price, right, right + wrong)
    assert price * (1 - 1e-9) <= cost.low <= cost.value * (1 + 1e-9)
    assert cost.value <= cost.high * (1 + 1e-9)


def test_without_a_right_answer_it_is_known_what_one_costs_at_least():
    few, many = (money.cost_per_correct_answer(10, 0, n) for n in (4, 40))
    assert (many.value, many.high, many.source, many.n) == (None, None, "gold", 40)
    assert 10 < few.low < many.low


def burns(*spent, step=1):
    return [Burn(DAY + timedelta(days=n * step), n + 1, one, 0) for n, one in enumerate(spent)]


def test_the_pace_is_that_of_the_last_days():
    days = burns(100, 200, 300, 400, step=10)
    found = money.pace(money.Balance(1000, 400, 0), days, days, DAY + timedelta(days=33))
    # In the 14 days to day 33 only the booking of day 20 and 30 lie.
    assert (found.days, found.per_day_micro) == (14, pytest.approx(200 / 14))
    assert found.ends == DAY + timedelta(days=33 + 42)
    assert (found.per_round_micro, found.rounds_left) == (100, 6)


def test_a_round_that_is_out_does_not_count_as_a_cheap_one():
    days = burns(100, 200, 203)
    whole = money.pace(money.Balance(1000, 203, 90), days, days, DAY + timedelta(days=2), open_round=3)
    assert (whole.per_round_micro, whole.rounds_left) == (100, pytest.approx(7.07))
    only = money.pace(money.Balance(1000, 3, 90), days[:1], days[:1], DAY, open_round=1)
    assert (only.per_round_micro, only.rounds_left) == (0, None)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40), st.integers(0, 60), st.integers(0, 10**8))
def test_the_money_ends_when_the_pace_has_used_it_up(costs, later, budget):
    total, spent = 0, []
    for one in costs:
        total += one
        spent.append(total)
    today = DAY + timedelta(days=len(costs) - 1 + later)
    found = money.pace(money.Balance(budget, total, 0), burns(*spent), burns(*spent), today)
    if total == 0:
        assert found is None
        return
    assert 0 <= found.per_day_micro <= total
    if found.ends is None:
        assert found.per_day_micro == 0 or (budget - total) / found.per_day_micro >= 36_524
    else:
        days = (found.ends - today).days
        assert days * found.per_day_micro <= max(0, budget - total) * (1 + 1e-9)
        assert max(0, budget - total) <= (days + 1) * found.per_day_micro * (1 + 1e-9)


def test_without_a_limit_nothing_ends():
    days = burns(100, 200)
    found = money.pace(money.Balance(None, 200, 0), days, days, DAY + timedelta(days=1))
    assert (found.ends, found.rounds_left) == (None, None)
