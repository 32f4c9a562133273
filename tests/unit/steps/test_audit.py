"""How many items are kept to measure, and with which probability they are drawn."""

import math
from types import SimpleNamespace

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.campaign import Batch
from tasks.score import reserve_size
from tasks.select import draw_audit


def campaign(labels, size, share):
    batch = Batch(size=size, audit_share=share)
    return SimpleNamespace(
        budget=SimpleNamespace(labels=labels),
        batch=batch,
        name="c",
        pool=SimpleNamespace(payload=("id",)),
        skill_columns=(),
    )


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 300), st.floats(0, 0.5), st.integers(1, 5000))
def test_the_reserve_lasts_and_leaves_the_pool_to_the_strategy(labels, size, share, items):
    given_campaign = campaign(labels, size, share)
    reserve = reserve_size(given_campaign, items)
    buyable = min(labels, items)
    whole, rest = divmod(buyable, size)
    batch = given_campaign.batch
    assert reserve >= whole * batch.audit_items(size) + batch.audit_items(rest)
    assert reserve <= math.ceil(buyable / size) * batch.audit_items(min(size, buyable))
    assert (reserve == 0) == (share == 0 or min(size, buyable) < 2)
    # Rounding up to one item a batch aside, the share is the share.
    assert reserve <= buyable * share + math.ceil(buyable / size) + size * share + 1


def test_items_are_drawn_in_order_with_their_probability():
    reserve = pa.table({"id": ["p", "q", "r", "s"], "__drawn": [True, False, False, False]})
    round_ = SimpleNamespace(measures={"pool": {"drawable": 40}})
    picks = draw_audit(reserve, "id", 2, campaign(10, 5, 0.4), round_)
    assert [pick["item_id"] for pick in picks] == ["q", "r"]
    assert [pick["inclusion_probability"] for pick in picks] == [2 / 40, 3 / 40]
    assert {pick["kind"] for pick in picks} == {"audit"}
