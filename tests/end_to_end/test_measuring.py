"""One campaign that measures, forecasts, is held up by a guard, stops by itself, and goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.end_to_end.user import User, answer

SEED = {f"k{n}": "ab"[n % 17 > 8] for n in range(30)}


def points(first: int, last: int, shift: float = 0.0) -> pa.Table:
    """Items k<first> to k<last - 1>; x decides the class, and y may move away."""
    numbers = np.arange(first, last)
    rng = np.random.default_rng(first)
    return pa.table(
        {
            "id": [f"k{n}" for n in numbers],
            "x": (numbers % 17).astype(float),
            "y": rng.normal(shift, 1, len(numbers)),
        }
    )


def truth(payload: Any) -> str:
    """Give the class of a point by its id."""
    return "ab"[int(payload["id"][1:]) % 17 > 8]


def labelled(user: User, file: str, *vendors: str) -> None:
    """Have all answer, and take it in."""
    for vendor in vendors:
        while answer(vendor, truth):
            pass
    assert user.ask("collect", file)["result"] == "closed"


def test_a_campaign_that_measures_itself(user: User) -> None:
    user.put("pool/first.parquet", points(0, 400))
    seed = "\n".join(["id,label", *(f"{item},{label}" for item, label in SEED.items())])
    file = user.campaign(
        "honest",
        seed_labels={"uri": user.put("seed.csv", seed)},
        batch={"size": 20, "audit_share": 0.5},
        audit={
            "enough": 20, "then": 0.1, "overlap": 2, "train": "crossfit",
            "oversample": [{"column": "x", "above": 12, "weight": 4}],
        },
        vendors=[{"name": "acme", "price": "0.10"}, {"name": "bolt", "price": "0.10 EUR"}],
        budget={"labels": 200, "money": 30, "exchange": {"EUR": 1.1}},
        stop={"target": {"value": 0.5}, "uncertainty": {"below": 0.4}, "combine": "all"},
        model={"kind": "xgboost", "params": {"num_boost_round": 20}},
        forecast="models",
    )  # fmt: skip
    acme, bolt = user.hire(), user.hire("bolt")
    assert "no round was measured yet" in user.type("forecast", file, code=2).err

    assert user.ask("round", file)["result"] == "published"
    audit = user.rows("SELECT reason, n_need FROM labelrounds.batch_items WHERE kind = 'audit'")
    assert len(audit) == 10
    assert {row["n_need"] for row in audit} == {2}
    assert {row["reason"]["weight"] for row in audit} == {1.0, 4.0}
    labelled(user, file, acme, bolt)

    # Half of the pool is of another kind now: nothing is bought before somebody has looked.
    user.put("pool/second.parquet", points(400, 1200, shift=6.0))
    held = user.ask("round", file, code=1)
    assert held["result"] == "guarded"
    assert "--override drift" in held["message"]
    (swept,) = user.ask("sweep", file)
    assert "waits for a person's word: drift" in swept["done"]
    assert "There is no guard weather" in user.type("round", file, "--override", "weather", code=2).err
    assert user.ask("round", file, "--override", "drift")["result"] == "published"
    second = user.measures()[2]
    assert {one["name"]: (one["tripped"], one["overridden"]) for one in second["guards"]}["drift"] == (
        True,
        True,
    )
    assert second["counts"]["trained"] == second["counts"]["labels"] == 50
    assert (second["audit"]["labels"], second["audit"]["weighted"]) == (10, True)
    assert second["estimates"]["audit"]["accuracy"]["n"] == 10
    assert len(second["by_class"]["audit"]["recall"]) == 2
    assert second["promotion"]["promoted"]
    assert set(second["rivals"]) >= {"random", "margin"}
    labelled(user, file, acme, bolt)

    stopped = user.ask("round", file)
    assert stopped["result"] == "stopped", user.measures()[3]["signals"]
    assert "labelrounds resume honest" in stopped["message"]
    third = user.measures()[3]
    assert third["promotion"]["champion"] == 2
    assert 0 < third["stability"]["kappa"] <= 1
    found = user.ask("forecast", file, "--labels", "40")
    assert [point["for"] for point in found["points"]] == ["next batch", "rest of the budget", "40 labels"]
    for point in found["points"]:
        assert point["low"] <= point["value"] <= point["high"]
        assert point["cost"] > 0
    assert user.ask("round", file)["result"] == "stopped"
    assert user.ask("resume", file)["until_round"] == 4
    outcome = user.ask("round", file)
    assert (outcome["result"], outcome["round"]) == ("published", 4)
    # Twenty audit labels are in: a tenth of a batch is enough from now on.
    assert len(user.rows("SELECT 1 FROM labelrounds.batch_items WHERE kind = 'audit' AND round_id = 4")) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "audit", [{"mode": "active"}, {"train": "window", "window": 20}], ids=["active", "window"]
)
def test_other_ways_to_audit(user: User, audit: dict[str, Any]) -> None:
    user.put("pool/all.parquet", points(0, 900))
    seed = "\n".join(["id,label", *(f"{item},{label}" for item, label in SEED.items())])
    file = user.campaign(
        "ways",
        seed_labels={"uri": user.put("seed.csv", seed)},
        batch={"size": 30, "audit_share": 0.5},
        audit=audit,
        budget={"labels": 200},
        model={"kind": "xgboost", "params": {"num_boost_round": 20}},
    )
    acme = user.hire()
    for number in (1, 2):
        assert user.ask("round", file)["round"] == number
        labelled(user, file, acme)
    user.ask("round", file)
    assert "the same, item by item" in user.type("round", file, "--verify", "2").out
    second, third = user.measures()[2], user.measures()[3]
    reasons = [
        row["reason"]
        for row in user.rows(
            "SELECT reason FROM labelrounds.batch_items WHERE kind = 'audit' ORDER BY round_id, rank"
        )
    ]
    if audit.get("mode") == "active":
        assert second["audit"]["frame"] == 180
        assert third["audit"]["labels"] == 30
        assert third["audit"]["weighted"]
        assert all(0 < reason["active"] <= 1 for reason in reasons)
        # Half of the chance is shared evenly, the other half by how unsure the model is.
        chances = [reason["active"] * (180 - place) for place, reason in enumerate(reasons)]
        assert min(chances) >= 0.5
        assert max(chances) > 1.5
    else:
        assert third["audit"]["labels"] == 20
        assert third["counts"]["released"] == 10
        assert third["counts"]["trained"] == third["counts"]["labels"] - 20
    accuracy = third["estimates"]["audit"]["accuracy"]
    assert 0 <= accuracy["low"] <= accuracy["value"] <= accuracy["high"] <= 1
