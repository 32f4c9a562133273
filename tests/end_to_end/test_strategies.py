"""Strategies as a campaign writes them: each runs in a round, explains its picks, and can be chosen anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tasks.strategies import names
from tests.end_to_end.user import User, answer

CLASSES = ("a", "b", "c")


def blobs(n: int) -> tuple[pa.Table, np.ndarray]:
    """Points around three centres, each of one of forty senders, every tenth a copy of the one before it."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 4)) + 2 * np.eye(4)[y]
    X[9::10], y[9::10] = X[8::10], y[8::10]
    table = pa.table({"id": [f"p{row}" for row in range(n)], **{f"x{c}": X[:, c] for c in range(4)}})
    return table.append_column("sender", pa.array([f"s{row % 40}" for row in range(n)])), y


def prepare(user: User, name: str, n: int = 400, **keys: Any) -> tuple[str, np.ndarray]:
    """Upload pool and seed labels, and write the campaign."""
    table, y = blobs(n)
    user.put("pool/a.parquet", table)
    seed = "\n".join(["id,label", *(f"p{row},{CLASSES[y[row]]}" for row in range(30))])
    columns = {"numeric": [f"x{c}" for c in range(4)], "ignore": ["sender"]}
    file = user.campaign(
        name,
        classes=list(CLASSES),
        pool={"uri": user.uri("pool/"), "payload": ["id"], "columns": columns},
        seed_labels={"uri": user.put("seed.csv", seed)},
        **keys,
    )
    return file, y


def reasons(user: User) -> list[dict[str, Any]]:
    query = (
        "SELECT item_id, reason, inclusion_probability FROM labelrounds.batch_items "
        "WHERE kind = 'work' ORDER BY rank"
    )
    return user.rows(query)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*names(), "margin > kcenter"])
def test_every_strategy_runs_in_two_rounds(user: User, name: str) -> None:
    file, y = prepare(user, "every", strategy=name)
    vendor = user.hire()
    for number in (1, 2):
        assert user.ask("round", file)["items"] == 20
        assert user.ask("round", file, "--verify", str(number))["same"]
        assert answer(vendor, lambda payload: CLASSES[y[int(payload["id"][1:])]]) == 20
        user.ask("collect", file)
    assert {one["reason"]["strategy"] for one in reasons(user)} == {name}


def test_shares_quotas_and_exploration(user: User) -> None:
    file, _ = prepare(
        user, "mixed", model="auto", batch={"size": 40, "audit_share": 0.1},
        strategy={
            "shares": {"margin_kmeans": 0.5, "badge": 0.3, "vote_entropy": 0.2},
            "params": {}, "explore": 0.25, "quotas": {"per_class": 0.5, "group": "sender", "per_group": 2},
        },
    )  # fmt: skip
    assert user.ask("round", file)["items"] == 40
    picks = reasons(user)
    drawn = [one for one in picks if one["inclusion_probability"] is not None]
    assert {one["reason"]["part"] for one in drawn} == {"random"}
    # 400 items, 30 with seed labels, and the audit's reserve is kept aside: 9 of what is left are drawn.
    assert len(drawn) == 9
    assert all(0.025 < one["inclusion_probability"] < 0.035 for one in drawn)
    chosen = [one for one in picks if one["inclusion_probability"] is None]
    parts = [one["reason"]["part"].split(",")[0] for one in chosen]
    assert [parts.count(name) for name in ("margin_kmeans", "badge", "vote_entropy")] == [14, 8, 5]
    senders = [int(one["item_id"][1:]) % 40 for one in chosen]
    assert max(senders.count(sender) for sender in senders) <= 2
    copies = {row // 10 for one in chosen if (row := int(one["item_id"][1:])) % 10 in (8, 9)}
    assert len(copies) == sum(int(one["item_id"][1:]) % 10 in (8, 9) for one in chosen)
    assert user.ask("round", file, "--verify", "1")["same"]


@pytest.mark.slow
def test_a_bandit_learns_from_the_labels_of_its_arms(user: User) -> None:
    file, y = prepare(user, "arms", strategy="bandit")
    vendor = user.hire()
    for number in (1, 2):
        user.ask("round", file)
        assert user.ask("round", file, "--verify", str(number))["same"]
        answer(vendor, lambda payload: CLASSES[y[int(payload["id"][1:])]])
        user.ask("collect", file)
    assert {one["reason"]["part"] for one in reasons(user)} <= {"margin", "galaxy", "kcenter", "random"}
