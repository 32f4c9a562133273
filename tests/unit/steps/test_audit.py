"""How many items are kept to measure, and with which probability they are drawn."""

import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.audit import (
    DRAWN,
    FRAME,
    RANK,
    WEIGHT,
    Draw,
    active_weights,
    evenly_drawn,
    frontier_after,
    inclusion_weights,
    kept_in_window,
    oversampled,
    reserve_size,
)
from tasks.audit_draw import audit_rows, audit_state
from tasks.campaign import Audit, Batch, Oversample
from tasks.errors import UsageError
from tasks.evaluation import lure_weights
from tasks.select import draw_audit


def campaign(labels, size, share, **audit):
    return SimpleNamespace(
        budget=SimpleNamespace(labels=labels),
        batch=Batch(size=size, audit_share=share),
        audit=Audit(**audit),
        name="c",
        pool=SimpleNamespace(payload=("id",)),
        skill_columns=(),
    )


def reserve(drawn, ranks=None, weights=None):
    n = len(drawn)
    return pa.table(
        {
            "id": [chr(ord("p") + row) for row in range(n)],
            WEIGHT: pa.array(np.ones(n) if weights is None else weights, pa.float64()),
            DRAWN: pa.array(drawn, pa.bool_()),
            RANK: pa.array((np.arange(n) + 1) / 100 if ranks is None else ranks, pa.float64()),
        }
    )


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 300), st.floats(0, 0.5), st.integers(1, 5000))
def test_the_reserve_lasts_and_leaves_the_pool_to_the_strategy(labels, size, share, items):
    given_campaign = campaign(labels, size, share)
    kept = reserve_size(given_campaign, items)
    buyable = min(labels, items)
    whole, rest = divmod(buyable, size)
    batch = given_campaign.batch
    assert kept >= whole * batch.audit_items(size) + batch.audit_items(rest)
    assert kept <= math.ceil(buyable / size) * batch.audit_items(min(size, buyable))
    assert (kept == 0) == (share == 0 or min(size, buyable) < 2)
    # Rounding up to one item a batch aside, the share is the share.
    assert kept <= buyable * share + math.ceil(buyable / size) + size * share + 1


def test_an_active_audit_draws_from_a_frame():
    assert reserve_size(campaign(1000, 100, 0.1, mode="active"), 100_000) == FRAME
    assert reserve_size(campaign(1000, 100, 0.1, mode="active"), 1_000) == 200
    assert reserve_size(campaign(1000, 100, 0, mode="active"), 1_000) == 0


def test_items_are_drawn_in_order_with_their_probability():
    round_ = SimpleNamespace(measures={"pool": {"drawable": 40}})
    picks = draw_audit(reserve([True, False, False, False]), "id", 2, campaign(10, 5, 0.4), round_, None)
    assert [pick["item_id"] for pick in picks] == ["q", "r"]
    assert [pick["inclusion_probability"] for pick in picks] == [2 / 40, 3 / 40]
    assert {pick["kind"] for pick in picks} == {"audit"}


def test_a_draw_keeps_its_frontier():
    round_ = SimpleNamespace(measures={"pool": {"drawable": 40}})
    table = reserve([True, False, True, False], ranks=[0.01, 0.02, 0.03, 0.04])
    state = audit_state(table, "id", [{"item_id": "q"}], campaign(10, 5, 0.4), round_)
    assert state["frontier"] == 0.04
    assert (state["drawn"], state["frame"], state["drawable"]) == (1, 4, 40)
    everything = [{"item_id": "q"}, {"item_id": "s"}]
    assert audit_state(table, "id", everything, campaign(10, 5, 0.4), round_)["frontier"] == 0.04
    assert frontier_after(table, [1, 3], True) == 1.0


def test_oversampled_items_say_how_likely_they_were():
    spec = campaign(10, 5, 0.4, oversample=[{"column": "n", "above": 3, "weight": 5}])
    table = pa.table({"n": [1.0, 9.0, None, 4.0]})
    assert oversampled(spec, table).tolist() == [1, 5, 1, 5]
    assert oversampled(campaign(10, 5, 0.4), table) is None
    with pytest.raises(UsageError, match="there is no column sender"):
        oversampled(
            campaign(10, 5, 0.4, oversample=[Oversample(column="sender", missing=True, weight=2)]), table
        )
    round_ = SimpleNamespace(measures={"pool": {"drawable": 40}})
    drawn = reserve([False, False], ranks=[0.01, 0.02], weights=[1.0, 5.0])
    _, told = audit_rows(drawn, "id", 2, spec, round_, None)
    assert [one["weight"] for one in told] == [1.0, 5.0]
    assert [one["probability"] for one in told] == [0.01, 0.1]


def rounds_of_draws(rng, weights, born, per_round):
    """Draw so many items in each round as the steps do; gives who was drawn, and every round's frontier."""
    ranks = rng.random(len(weights)) / weights
    draws, frontiers = {}, {}
    for number, count in enumerate(per_round, start=1):
        here = np.flatnonzero(born <= number)
        order = here[np.argsort(ranks[here])]
        table = pa.table(
            {RANK: ranks[order], DRAWN: pa.array([item in draws for item in order.tolist()], pa.bool_())}
        )
        rows = [row for row, item in enumerate(order.tolist()) if item not in draws][:count]
        frontiers[number] = frontier_after(table, rows, True)
        for place, row in enumerate(rows, start=1):
            draws[int(order[row])] = Draw(number, place, float(weights[order[row]]), None)
    return draws, frontiers


@pytest.mark.parametrize("case", ["grows", "oversampled", "both"])
def test_the_weighted_audit_is_right_on_average(case):
    """The pool's mean over many draws, where half of the pool comes later or a part is drawn more often."""
    rng = np.random.default_rng(5)
    n = 240
    born = np.where(np.arange(n) < 120, 1, 3) if case != "oversampled" else np.ones(n, int)
    weights = np.where(np.arange(n) % 4 == 0, 6.0, 1.0) if case != "grows" else np.ones(n)
    loss = (born == 3) * 1.0 + (np.arange(n) % 4 == 0) * 2.0
    weighted, plain = [], []
    for _ in range(300):
        draws, frontiers = rounds_of_draws(rng, weights, born, [40, 4, 4, 4])
        items = list(draws)
        weight = inclusion_weights([draws[item] for item in items], frontiers)
        # Where the later draws passed the first ones' frontier, all were equally likely.
        weighted.append(float(np.average(loss[items], weights=weight)))
        plain.append(float(loss[items].mean()))
    error = np.std(weighted) / np.sqrt(len(weighted))
    assert abs(np.mean(weighted) - loss.mean()) < 4 * error + 0.02
    assert abs(np.mean(plain) - loss.mean()) > 8 * error


def test_equal_chances_have_no_weights():
    draws, frontiers = rounds_of_draws(np.random.default_rng(1), np.ones(90), np.ones(90, int), [10, 10])
    assert inclusion_weights(list(draws.values()), frontiers) is None
    assert inclusion_weights(list(draws.values()), {1: frontiers[1]}) is None
    assert inclusion_weights([], {}) is None


def test_an_even_part_of_a_weighted_draw():
    ids = [f"i{n}" for n in range(4000)]
    weight = np.where(np.arange(4000) % 2 == 0, 0.5, 2.0)
    even = evenly_drawn(ids, weight, 3)
    assert even[1::2].all()
    assert 0.2 < even[::2].mean() < 0.3
    assert evenly_drawn(ids, None, 3).all()
    assert evenly_drawn([], np.zeros(0), 3).shape == (0,)


def test_an_active_draw_is_weighed_by_its_order():
    draws = {"a": Draw(1, 1, 1.0, 0.5), "b": Draw(1, 2, 1.0, 0.25), "c": Draw(2, 1, 1.0, 0.4)}
    found = active_weights(draws, ["c", "a"], 10)
    assert found is not None
    assert found.tolist() == lure_weights([0.5, 0.25, 0.4], 10)[[2, 0]].tolist()
    assert active_weights(draws, ["z"], 10) is None


def test_the_newest_window_measures():
    draws = {f"i{n}": Draw(1 + n // 3, n % 3 + 1, 1.0, None) for n in range(9)}
    assert kept_in_window(draws, 4) == {"i5", "i6", "i7", "i8"}
    assert kept_in_window(draws, 100) == set(draws)
