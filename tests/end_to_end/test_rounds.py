"""Whole campaigns through the command line, on data of many shapes."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits

from tests.end_to_end.user import User, answer, lease


def points(first: int, last: int) -> pa.Table:
    """Items k<first> to k<last - 1> of two numbers; the first decides the class."""
    numbers = np.arange(first, last)
    return pa.table(
        {"id": [f"k{n}" for n in numbers], "x": (numbers % 17).astype(float), "y": (numbers * 7 % 23) / 2}
    )


def truth(payload: Any) -> str:
    """Give the class of a point by its id."""
    return "ab"[int(int(payload["id"][1:]) % 17 > 8)]


def seed_labels(user: User, first: int = 0, last: int = 12) -> dict[str, str]:
    lines = [f"k{n},{truth({'id': f'k{n}'})}" for n in range(first, last)]
    return {"uri": user.put("seed.csv", "\n".join(["id,label", *lines]))}


def test_from_a_cold_start_to_the_last_cent(user: User) -> None:
    """Ten classes that are numbers, no label at all, and money for 107 items in batches of 60."""
    digits = load_digits()
    names = [f"pixel {place}" for place in range(64)]
    table = pa.table({"nr": np.arange(1797), **dict(zip(names, digits.data.T, strict=True))})
    for start in range(0, 1797, 600):
        user.put(f"pool/{start}.parquet", table.slice(start, 600))
    file = user.campaign(
        "digits",
        classes=list(range(10)),
        pool={"uri": user.uri("pool/"), "id": "nr", "payload": ["nr"]},
        budget={"labels": 500, "money": "10.79"},
        batch={"size": 60},
        cold_start={"min_per_class": 1},
        model="auto",
    )
    plan = user.ask("check", file)
    assert (plan["items"], plan["batch"], plan["audit"], plan["cost_micro"]) == (1797, 60, 6, 6_000_000)
    vendor = user.hire()

    assert user.ask("round", file)["result"] == "published"
    assert user.ask("round", file, code=1)["result"] == "waiting"
    assert answer(vendor, lambda payload: str(digits.target[int(payload["nr"])])) == 60
    assert user.ask("collect", file)["result"] == "closed"
    second = user.ask("round", file)
    assert (second["items"], second["labels"]) == (47, 60)
    assert second["estimates"]["audit"]["accuracy"]["n"] == 6
    answer(vendor, lambda payload: str(digits.target[int(payload["nr"])]))
    user.ask("collect", file)
    last = user.ask("round", file)

    assert last["result"] == "stopped"
    assert "money is spent" in last["message"]
    assert user.money() == {"reserve": 10_700_000, "settle": 10_700_000}
    labels = user.ask("labels", "export", file)
    assert {int(row["item_id"]): row["label"] for row in labels} == {
        int(row["item_id"]): str(digits.target[int(row["item_id"])]) for row in labels
    }
    assert len(labels) == 107
    assert user.ask("round", "digits")["result"] == "stopped"
    assert user.states() == ["closed", "closed", "stopped"]


@pytest.mark.slow
def test_a_pool_that_is_used_up_and_grows(user: User) -> None:
    user.put("pool/first.parquet", points(0, 45))
    # Never a model: what is tested here is what is left to choose from.
    file = user.campaign("growth", seed_labels=seed_labels(user), cold_start={"min_per_class": 100})
    vendor = user.hire()
    sizes = []
    while (outcome := user.ask("round", file))["result"] == "published":
        sizes.append(outcome["items"])
        answer(vendor, truth)
        user.ask("collect", file)
    assert sizes == [20, 13]
    assert "No free item is left" in outcome["message"]
    assert user.ask("round", file)["result"] == "stopped"

    user.put("pool/second.csv", "id,x,y\n" + "".join(f"k{n},{n % 17},{n}\n" for n in range(100, 130)))
    grown = user.ask("round", file)
    assert (grown["result"], grown["items"]) == ("published", 20)
    assert {int(row["item_id"][1:]) >= 100 for row in user.batch(4)} == {True}
    spaces = user.rows(
        "SELECT DISTINCT features ->> 'sha256' FROM labelrounds.rounds WHERE features IS NOT NULL"
    )
    assert len(spaces) == 1, "a pool that grows keeps its features while the columns stay"


@pytest.mark.parametrize("seeded", [False, True], ids=["cold start", "model"])
def test_the_batch_does_not_depend_on_the_objects(user: User, tmp_path: Path, seeded: bool) -> None:
    """The same items in one object, and in others and another order under another prefix."""
    table = points(0, 900).append_column(
        "colour", pa.array([["red", "blue", "green"][n % 3] for n in range(900)])
    )
    mixed = table.take(np.random.default_rng(1).permutation(900))
    user.put("one/all.parquet", table)
    for start in (0, 200, 650):
        user.put(f"parts/{start}.parquet", mixed.slice(start, 450 if start else 200).slice(0, 450))
    keys = {"seed_labels": seed_labels(user)} if seeded else {}
    batches = []
    for name in ("one", "parts"):
        pool = {"uri": user.uri(f"{name}/"), "payload": ["id"], "max_set_aside": 0.5}
        file = user.campaign(f"{name}", pool=pool, batch={"size": 25, "audit_share": 0.2}, seed=3, **keys)
        user.ask("round", file)
        batches.append(
            user.rows(
                "SELECT i.kind, i.rank, i.item_id, i.score FROM labelrounds.batch_items i "
                "JOIN labelrounds.campaigns USING (campaign_id) WHERE name = %s ORDER BY i.kind, i.rank",
                name,
            )
        )
    assert len(batches[0]) == 25
    assert batches[0] == batches[1]


def test_values_and_ids_of_all_kinds(user: User) -> None:
    """What Parquet can hold reaches the vendor as JSON; only the id that no database can keep is set aside."""
    strange = ["a b", "o'brien", 'q"uote', "日本", "😀", "tab\tx", "back\\slash", "%s", "comma,x", "nul\x00"]
    ids = strange + [f"i{n}" for n in range(190)]
    n = len(ids)
    user.put(
        "pool/a.parquet",
        pa.table(
            {
                "id": pa.array(ids, pa.large_string()),
                "text": [f"слово {i % 5} données 漢字 {i % 3}\x00" for i in range(n)],
                "kind": pa.array([["x", "y", None][i % 3] for i in range(n)]).dictionary_encode(),
                "price": pa.array([None if i % 7 == 0 else i / 4 for i in range(n)]).cast(
                    pa.decimal128(9, 2)
                ),
                "when": [dt.datetime(2024, 1, 1) + dt.timedelta(hours=i) for i in range(n)],
                "flag": [i % 2 == 0 for i in range(n)],
                "nested": [{"a": i, "b": [1.5, None]} for i in range(n)],
                "ratio": [float("nan") if i % 3 else float(i) for i in range(n)],
                "vector": pa.array(
                    [[float(i % 4), 1.0, float(i % 9)] for i in range(n)], pa.list_(pa.float32())
                ),
            }
        ),
    )
    pool = {"uri": user.uri("pool/"), "payload": ["id", "text", "nested", "ratio"], "max_set_aside": 0.01}
    file = user.campaign("kinds", pool=pool, batch={"size": 250}, budget={"labels": 500})
    vendor = user.hire()
    plan = user.ask("check", file)
    assert plan["columns"] == {
        "text": ["text"],
        "numeric": ["price", "flag", "ratio"],
        "categorical": ["kind"],
        "embedding": ["vector"],
        "date": ["when"],
        "tags": [],
    }
    assert [(one["reason"], one["count"]) for one in plan["set_aside"]] == [("wrong type", 1)]

    user.ask("round", file)
    seen = {task["payload"]["id"]: task["payload"] for task in lease(vendor)}
    assert set(seen) == set(ids) - {"nul\x00"}
    assert seen["i3"] == {
        "id": "i3",
        "text": "слово 3 données 漢字 1",
        "nested": '{"a": 13, "b": [1.5, null]}',
        "ratio": None,
    }


def test_three_vendors_decide_by_majority(user: User) -> None:
    user.put("pool/a.parquet", points(0, 100))
    offers = [{"name": f"v{n}", "price": f"0.{n}"} for n in (1, 2, 3)]
    file = user.campaign(
        "overlap",
        vendors=offers,
        overlap=3,
        batch={"size": 10, "audit_share": 0},
        budget={"labels": 20, "money": 9},
    )
    logins = [user.hire(offer["name"]) for offer in offers]
    user.ask("round", file)
    for login, says in zip(logins, (truth, truth, lambda _: "a"), strict=True):
        assert answer(login, says) == 10
    assert user.ask("collect", file)["result"] == "closed"
    labels = user.ask("labels", "export", file)
    assert [row["label"] for row in labels] == [truth({"id": row["item_id"]}) for row in labels]
    assert {row["vendors"] for row in labels} == {"v1,v2,v3"}
    # Held at the dearest price, paid at each vendor's own.
    assert user.money() == {"reserve": 9_000_000, "settle": 6_000_000, "release": 3_000_000}


def test_what_nobody_answers(user: User) -> None:
    """Lapsed leases are free again, skips cost and label nothing, and a round closes with its share."""
    user.put("pool/a.parquet", points(0, 200))
    vendors = [{"name": "acme", "price": "0.10", "lease_minutes": 0.01}]
    file = user.campaign("late", vendors=vendors, close={"share": 0.8}, seed_labels=seed_labels(user))
    vendor = user.hire()
    user.ask("round", file)
    assert len(lease(vendor, 7)) == 7
    time.sleep(0.7)
    user.ask("sweep")
    assert answer(vendor, truth, at_most=15) == 15
    assert user.ask("collect", file)["result"] == "published"
    assert answer(vendor, lambda _: None, at_most=1) == 1
    closed = user.ask("collect", file)
    assert (closed["result"], closed["items"], closed["complete"]) == ("closed", 16, 16)
    assert user.money() == {"reserve": 2_000_000, "settle": 1_600_000, "release": 400_000}
    assert len(user.ask("labels", "export", file)) == 12 + 15


def test_a_failed_round_is_mended_by_the_next(user: User) -> None:
    user.put("pool/a.parquet", points(0, 60))
    failed = user.type("round", user.campaign("gpu", model={"device": "cuda"}), code=1)
    assert "device: cuda does not work here" in failed.last_line
    assert "Traceback" not in failed.err
    file = user.campaign("gpu", model={"device": "cpu"})
    assert user.ask("round", file)["round"] == 2
    assert user.states() == ["failed", "published"]

    other = user.type("round", user.campaign("gpu", classes=["a", "b", "c"]), code=2)
    assert "start a campaign with another name" in other.last_line
    assert len(user.rows("SELECT item_id FROM labelrounds.batch_items")) == 20


WRONG: dict[str, tuple[int, dict[str, Any], str]] = {
    "empty prefix": (1, {"pool": {"uri": "s3://{bucket}/nothing/", "payload": ["id"]}}, "no Parquet, CSV or JSON"),
    "no bucket": (2, {"pool": {"uri": "s3://no-such-bucket/p/", "payload": ["id"]}}, "no bucket no-such-bucket"),
    "no column": (1, {"pool": {"uri": "s3://{bucket}/pool/", "payload": ["colour"]}}, "column 'colour'"),
    "too dirty": (1, {"pool": {"uri": "s3://{bucket}/dirty/", "payload": ["id"]}}, "pool.max_set_aside allows"),
    "strange seed": (2, {"seed_labels": {"uri": "s3://{bucket}/strange.csv"}}, "none of the classes a, b"),
    "no seed": (2, {"seed_labels": {"uri": "s3://{bucket}/nothing.csv"}}, "no such object"),
    "poor hold-out": (2, {"holdout": {"uri": "s3://{bucket}/seed.csv"}}, "missing column"),
    "no strategy": (2, {"strategy": "margim"}, "Did you mean margin?"),
}  # fmt: skip


def test_wrong_input_ends_in_one_line_and_writes_nothing(user: User) -> None:
    user.put("pool/a.parquet", points(0, 60))
    user.put("dirty/a.csv", "id,x,y\n1,1,2\n1,3,4\n,5,6\n2,8,9\n")
    user.put("strange.csv", "id,label\nk1,a\nk2,c\n")
    seed_labels(user)
    for name, (code, keys, words) in WRONG.items():
        filled = {key: _fill(value, user.bucket) for key, value in keys.items()}
        ended = user.type("check", user.campaign(name.replace(" ", "-"), **filled), code=code)
        lines = ended.err.strip().splitlines()
        assert len(lines) == 1, (name, ended.err)
        assert words in lines[0], name
        assert ended.out == "", name
    for words in (("round", "nobody"), ("round", "nowhere.yaml"), ("vendor", "add", "ACME Inc.")):
        ended = user.type(*words, code=2)
        assert ended.last_line.startswith("labelrounds: "), words
        assert "Traceback" not in ended.err
    assert user.rows("SELECT name FROM labelrounds.campaigns") == []


def _fill(value: Any, bucket: str) -> Any:
    if isinstance(value, dict):
        return {key: _fill(one, bucket) for key, one in value.items()}
    return value.format(bucket=bucket) if isinstance(value, str) else value
