"""Several vendors of several kinds in one campaign, through the command line: one of them is mostly wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.end_to_end.user import User, answer

NUMBERS = np.random.default_rng(11).normal(size=(900, 5)).round(3)


def truth(item: str) -> str:
    row = NUMBERS[int(item[1:])]
    return "b" if row[0] + row[1] > 0 else "a"


def table(first: int, last: int) -> pa.Table:
    ids = [f"n{n}" for n in range(first, last)]
    language = ["de" if n % 3 == 0 else "en" for n in range(first, last)]
    columns = {f"x{place}": NUMBERS[first:last, place] for place in range(5)}
    return pa.table({"id": ids, "language": language, **columns})


def knows(payload: Mapping[str, Any]) -> str:
    return truth(payload["id"])


def careless(payload: Mapping[str, Any]) -> str:
    """Answer as somebody who is mostly wrong: the same whatever the order of the tasks."""
    right = truth(payload["id"])
    return right if int(payload["id"][1:]) % 8 == 0 else {"a": "b", "b": "a"}[right]


def campaign(user: User, **keys: Any) -> str:
    user.put("pool/a.parquet", table(0, 700))
    seed = "id,label\n" + "".join(f"n{n},{truth(f'n{n}')}\n" for n in range(120))
    return user.campaign(
        "several",
        seed_labels={"uri": user.put("seed.csv", seed)},
        batch={"size": 60, "audit_share": 0.1},
        model="linear",
        **keys,
    )


def files_of(user: User, prefix: str) -> dict[str, list[dict[str, Any]]]:
    """Read JSON Lines below a prefix."""
    listed = user.storage.list(user.uri(prefix))
    return {one.uri: list(map(json.loads, user.storage.get(one.uri).decode().splitlines())) for one in listed}


def test_three_vendors_of_whom_one_is_careless(user: User) -> None:
    file = campaign(
        user,
        vendors=[
            {"name": "acme", "price": "0.10", "share": 0.4},
            {"name": "dice", "price": "0.05", "share": 0.3},
            {
                "name": "post", "price": "0.08 EUR", "share": 0.3,
                "connector": "files", "options": {"uri": user.uri("post/")},
            },
        ],
        budget={"labels": 1000, "money": "50", "exchange": {"EUR": "1.5"}},
        gold={"share": 0.5},
        truth={"max_answers": 3, "confidence": 0.8},
        instructions="a or b",
    )  # fmt: skip
    acme, dice = user.hire("acme"), user.hire("dice")
    assert user.ask("round", file)["result"] == "published"

    # Publishing brings the third vendor its tasks at once.
    batches = [rows for uri, rows in files_of(user, "post/out/several/").items() if "/batch-" in uri]
    tasks = [row for rows in batches for row in rows]
    assert len({row["assignment_id"] for row in tasks}) == len(tasks) >= 15
    shown = json.dumps(tasks)
    assert "gold" not in shown
    assert "audit" not in shown
    lines = [
        json.dumps({"assignment_id": row["assignment_id"], "label": truth(row["payload"]["id"])})
        for row in tasks
    ]
    user.put("post/in/several/monday.jsonl", "\n".join([*lines, "{broken", lines[0]]) + "\n")
    assert answer(acme, knows) > 20
    assert answer(dice, careless) > 20

    first = user.ask("collect", file)
    report = {row["vendor"]: row for row in user.ask("vendor", "report", "several")}
    assert report["dice"]["state"] == "suspended"
    assert "gold answers are wrong" in report["dice"]["reason"]
    assert [report[name]["state"] for name in ("acme", "post")] == ["active", "active"]
    assert report["post"]["answered"] == len(tasks)
    assert sum(report["post"]["rejected"].values()) == 1
    assert report["acme"]["gold"]["rate"] == 1.0
    assert report["dice"]["gold"]["upper"] < 0.9
    assert report["dice"]["accuracy"] < 0.7 < report["acme"]["accuracy"]
    ((uri, told),) = (
        (uri, rows) for uri, rows in files_of(user, "post/reports/several/").items() if "results" in uri
    )
    assert "monday.jsonl" in uri
    assert sum(row.get("result") == "accepted" for row in told) == len(tasks)

    # What the suspended one said leaves doubt, so others are asked; nobody is asked twice about an item.
    for _ in range(4):
        if first["result"] == "closed":
            break
        answer(acme, knows)
        waiting = [
            row
            for uri, rows in files_of(user, "post/out/several/").items()
            if "/batch-" in uri
            for row in rows
        ]
        more = [
            {"assignment_id": row["assignment_id"], "label": truth(row["payload"]["id"])} for row in waiting
        ]
        user.put("post/in/several/tuesday.jsonl", "".join(json.dumps(row) + "\n" for row in more))
        first = user.ask("collect", file)
    assert first["result"] == "closed"
    labels = [row for row in user.ask("labels", "export", file) if row["kind"] != "seed"]
    assert len(labels) == 60
    assert sum(row["label"] == truth(row["item_id"]) for row in labels) >= 58
    twice = user.rows(
        "SELECT 1 FROM labelrounds.annotations WHERE disposition <> 'surplus' AND revision = 1 "
        "GROUP BY batch_item_id, vendor_id HAVING count(*) > 1"
    )
    assert twice == []
    assert user.type("vendor", "enable", "dice").out.strip() == "vendor dice is active"
    check_money(user)


def check_money(user: User) -> None:
    """Every cent of the budget is accounted for, and who is paid in euros is owed euros."""
    found = user.ask("money", "several")
    assert (found["budget"], found["held"], found["labels"]) == (50, 0, 60)
    assert found["spent"] + found["left"] == pytest.approx(50)
    assert sum(part["spent"] for part in found["by_kind"].values()) == pytest.approx(found["spent"])
    assert min(found["by_kind"][kind]["spent"] for kind in ("work", "audit", "gold")) > 0
    vendors = {row["vendor"]: row for row in found["by_vendor"]}
    (owed,) = vendors["post"]["owed"]
    assert (owed["currency"], owed["price"], owed["rate"]) == ("EUR", 0.08, 1.5)
    assert owed["amount"] == pytest.approx(0.08 * vendors["post"]["answers"])
    assert vendors["post"]["spent"] == pytest.approx(0.12 * vendors["post"]["answers"])
    right = {name: row["cost_per_correct_answer"] for name, row in vendors.items()}
    assert right["acme"]["value"] == pytest.approx(0.1)
    # Who is half the price and mostly wrong is dearer by the right answer.
    assert right["dice"]["low"] > right["acme"]["value"]
    (listed,) = [row for row in user.ask("vendor", "list") if row["name"] == "post"]
    assert listed["earned"] == {"EUR": pytest.approx(owed["amount"])}
    told = user.type("money", "several").out
    assert "spent by vendor (USD)" in told
    assert f"{owed['amount']:,.2f} EUR ({owed['answers']} x 0.08 at 1.5)" in told
    user.type("money", "nobody", code=2)


@pytest.mark.slow
def test_skills_decide_who_labels_what(user: User) -> None:
    file = campaign(
        user,
        vendors=[
            {"name": "acme", "price": "0.10", "skills": {"language": ["en"]}},
            {"name": "berlin", "price": "0.10", "skills": {"language": ["de"]}},
        ],
    )
    acme, berlin = user.hire("acme"), user.hire("berlin")
    assert user.ask("round", file)["result"] == "published"
    seen: dict[str, list[int]] = {"acme": [], "berlin": []}

    def asked(name: str) -> Any:
        def label(payload: Mapping[str, Any]) -> str:
            assert set(payload) == {"id"}
            seen[name].append(int(payload["id"][1:]))
            return truth(payload["id"])

        return label

    assert answer(acme, asked("acme")) + answer(berlin, asked("berlin")) == 60
    assert all(n % 3 for n in seen["acme"])
    assert not any(n % 3 for n in seen["berlin"])
    assert user.ask("collect", file)["result"] == "closed"


@pytest.mark.slow
def test_labels_in_doubt_are_asked_again_and_corrections_followed(user: User) -> None:
    file = campaign(
        user,
        vendors=[{"name": name, "price": "0.10"} for name in ("acme", "bolt")],
        relabel=0.25,
        distinct_by="vendor",
    )
    acme, bolt = user.hire("acme"), user.hire("bolt")
    assert user.ask("round", file)["result"] == "published"
    assert answer(acme, careless) == 60
    assert user.ask("collect", file)["result"] == "closed"
    assert user.ask("round", file)["result"] == "published"
    kinds = [row["kind"] for row in user.batch(2)]
    assert kinds.count("relabel") == round(0.25 * 54)
    assert kinds.count("audit") == 6
    # Who was wrong is not asked again.
    assert answer(acme, knows) == 60 - kinds.count("relabel")
    assert answer(bolt, knows) == kinds.count("relabel")
    assert user.ask("collect", file)["result"] == "closed"
    assert user.ask("round", file, "--verify", "2")["same"]
    versions = user.rows(
        "SELECT item_id, version, n_answers FROM labelrounds.labels WHERE version > 1 AND kind = 'work'"
    )
    assert {row["n_answers"] for row in versions} >= {2}
    early = {row["item_id"]: row for row in user.ask("labels", "export", file, "--as-of", "2")}
    late = {row["item_id"]: row for row in user.ask("labels", "export", file)}
    assert len(early) == 120 + 60
    assert len(late) == len(early) + 60 - kinds.count("relabel")
