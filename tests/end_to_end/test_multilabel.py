"""A campaign whose labels are sets, through the command line: from seed labels to the second batch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.end_to_end.user import User, answer

TOPICS = ("politics", "sport", "science")
THRESHOLDS = (0.0, 0.4, 0.8)
NUMBERS = np.random.default_rng(5).normal(size=(700, 4)).round(3)


def truth(item: str) -> list[str]:
    """Give the topics of an item: each has a number of its own that decides."""
    row = NUMBERS[int(item[1:])]
    return [name for name, value, limit in zip(TOPICS, row, THRESHOLDS, strict=False) if value > limit]


def table(first: int, last: int) -> pa.Table:
    ids = [f"n{n}" for n in range(first, last)]
    columns = {f"x{place}": NUMBERS[first:last, place] for place in range(4)}
    return pa.table({"id": ids, **columns})


def careless(payload: Mapping[str, Any]) -> list[str]:
    """Answer with one topic for everything: outvoted by two who know."""
    return ["sport"]


def known(payload: Mapping[str, Any]) -> list[str]:
    # In any order: a set has none.
    return truth(payload["id"])[::-1]


def campaign(user: User, *, seeded: bool = True, **keys: Any) -> str:
    user.put("pool/a.parquet", table(0, 300))
    user.put("pool/b.parquet", table(300, 500))
    sink = io.StringIO()
    csv.writer(sink).writerows([["id", "label"], *([f"n{n}", json.dumps(truth(f"n{n}"))] for n in range(30))])
    held_out = table(500, 700)
    topics = pa.array([truth(one) for one in held_out["id"].to_pylist()], pa.list_(pa.string()))
    return user.campaign(
        "topics",
        task="multilabel",
        classes=list(TOPICS),
        seed_labels={"uri": user.put("seed.csv", sink.getvalue())} if seeded else None,
        holdout={
            "uri": user.put("test.parquet", held_out.append_column("topics", topics)),
            "label": "topics",
        },
        batch={"size": 40, "audit_share": 0.25},
        strategy={"name": "margin_kmeans", "aggregate": "max"},
        model="linear",
        vendors=[{"name": name, "price": "0.10"} for name in ("acme", "bolt", "coda")],
        overlap=3,
        # Its confidence is a share of the votes, which can be told beforehand.
        truth={"method": "majority"},
        **keys,
    )


def test_labels_that_are_sets(user: User) -> None:
    file = campaign(user, stop={"target": {"value": 0.999}, "plateau": {"rounds": 1, "min_gain": 0.0}})
    plan = user.ask("check", file)
    assert plan["seed_items"] == 30
    assert plan["seed_labels"] == {name: sum(name in truth(f"n{n}") for n in range(30)) for name in TOPICS}
    logins = [user.hire(name) for name in ("acme", "bolt", "coda")]

    first = user.ask("round", file)
    assert (first["result"], first["items"], first["labels"]) == ("published", 40, 30)
    assert first["estimates"]["holdout"]["micro_f1"]["n"] == 200
    for login, says in zip(logins, (known, careless, known), strict=True):
        assert answer(login, says) == 40
    assert user.ask("collect", file)["result"] == "closed"

    second = user.ask("round", file)
    assert (second["result"], second["labels"]) == ("published", 70)
    before, after = (one["estimates"]["holdout"]["micro_f1"] for one in (first, second))
    assert after["value"] > before["value"] > 0.7
    assert second["estimates"]["audit"]["subset_accuracy"]["n"] == 10
    chosen = [{row["item_id"] for row in user.batch(number)} for number in (1, 2)]
    assert len(chosen[0]) == len(chosen[1]) == 40
    assert not chosen[0] & chosen[1]
    for number in ("1", "2"):
        assert user.ask("round", file, "--verify", number)["same"]

    labels = {row["item_id"]: row for row in user.ask("labels", "export", file)}
    assert len(labels) == 70
    for item, row in labels.items():
        assert row["label"] == truth(item)
        wrong = row["kind"] != "seed" and truth(item) != ["sport"]
        assert abs(row["confidence"] - (2 / 3 if wrong else 1)) < 1e-6
    rows = list(csv.DictReader(io.StringIO(user.type("labels", "export", file).out)))
    assert {row["item_id"]: json.loads(row["label"]) for row in rows} == {
        item: row["label"] for item, row in labels.items()
    }
    assert {row["method"] for row in rows} == {"seed file", "majority"}


@pytest.mark.slow
def test_a_batch_without_a_model(user: User) -> None:
    """With no label at all the first batch is a cover; the second has a model of what that brought."""
    file = campaign(user, seeded=False)
    logins = [user.hire(name) for name in ("acme", "bolt", "coda")]
    assert user.ask("check", file)["seed_items"] == 0
    assert user.ask("round", file)["estimates"] == {}
    for login in logins:
        assert answer(login, known) == 40
    assert user.ask("collect", file)["result"] == "closed"
    assert user.ask("round", file)["estimates"]["holdout"]["micro_f1"]["value"] > 0.7
