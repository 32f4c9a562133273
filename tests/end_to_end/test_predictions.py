"""Campaigns with their own predictions, or a network for their texts: whole rounds by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from tests.end_to_end.user import User, answer

DIGITS = load_digits()
NAMES = [str(digit) for digit in range(10)]


class Network:
    """A team's own network, which labelrounds never sees: a regression on pixels."""

    def __init__(self) -> None:
        start = np.concatenate([np.flatnonzero(DIGITS.target == digit)[:1] for digit in range(10)])
        self.items = {int(item): int(DIGITS.target[item]) for item in start}

    def predict(self) -> np.ndarray:
        """Train on the labels so far and predict every image, float64 (1797, 10)."""
        items = sorted(self.items)
        model = LogisticRegression(C=0.01, max_iter=200).fit(
            DIGITS.data[items], [self.items[i] for i in items]
        )
        return model.predict_proba(DIGITS.data)

    def learn(self, user: User, campaign: str) -> None:
        """Take in the labels that the campaign bought, without those that measure."""
        for row in user.ask("labels", "export", campaign):
            if row["kind"] != "audit":
                self.items[int(row["item_id"])] = int(row["label"])


def table(proba: np.ndarray, first: int = 0, last: int = 1797) -> pa.Table:
    numbers = np.arange(first, last)
    return pa.table({"id": numbers, "proba": list(proba[first:last].astype(np.float32))})


def images(user: User) -> None:
    ids = np.arange(1797)
    for start in (0, 900):
        part = ids[start : start + 900]
        user.put(
            f"pool/{start}.parquet", pa.table({"id": part, "image": [f"https://img/{n}.png" for n in part]})
        )


def digit(payload: Any) -> str:
    return str(DIGITS.target[int(payload["image"].split("/")[-1][:-4])])


def campaign(user: User, name: str = "digits", **keys: Any) -> str:
    document: dict[str, Any] = {
        "classes": NAMES,
        "pool": {"uri": user.uri("pool/"), "payload": ["image"], "columns": {"ignore": ["image"]}},
        "predictions": {"uri": user.uri("predictions/")},
        "batch": {"size": 40, "audit_share": 0.5},
    }
    return user.campaign(name, **{**document, **keys})


def accuracy(outcome: Any) -> Any:
    return outcome["estimates"]["audit"]["accuracy"]


def test_rounds_with_predictions_of_a_network(user: User) -> None:
    """The pool has no column to learn from: a network that labelrounds never sees says all that there is."""
    images(user)
    network = Network()
    user.put("predictions/a.parquet", table(network.predict(), 0, 1000))
    rows = [{"id": n, "proba": p.tolist()} for n, p in enumerate(network.predict()) if 1000 <= n < 1760]
    user.put("predictions/b.jsonl", "\n".join(json.dumps(row) for row in rows))
    file = campaign(user, strategy="margin")
    vendor = user.hire()

    plan = user.ask("check", file)
    assert {name: plan["predictions"][name] for name in ("rows", "items", "missing", "unused", "objects")} == {
        "rows": 1760, "items": 1797, "missing": 37, "unused": 0, "objects": 2,
    }  # fmt: skip
    assert plan["predictions"]["missing_examples"] == ["1760", "1761", "1762"]
    first = user.ask("round", file)
    assert first["items"] == 40
    # What has no prediction is as unsure as can be.
    assert {int(row["item_id"]) for row in user.batch(1) if row["kind"] == "work"} <= set(range(1760, 1797))
    assert answer(vendor, digit) == 40
    user.ask("collect", file)

    network.learn(user, file)
    user.storage.put(user.uri("predictions/b.jsonl"), b"")
    user.put("predictions/a.parquet", table(network.predict()))
    second = user.ask("round", file)
    assert accuracy(second)["n"] == 20
    reasons = user.rows(
        "SELECT reason FROM labelrounds.batch_items WHERE kind = 'work' ORDER BY batch_item_id"
    )
    assert all("cold_start" not in row["reason"] for row in reasons)

    # The first round's predictions were overwritten; both rounds are still chosen anew as they were.
    for number in ("1", "2"):
        assert user.ask("round", file, "--verify", number)["same"], number
    answer(vendor, digit)
    user.ask("collect", file)
    network.learn(user, file)
    user.put("predictions/a.parquet", table(network.predict()))
    third = user.ask("round", file)
    assert accuracy(third)["n"] == 40
    models = user.rows("SELECT DISTINCT model ->> 'sha256' AS model FROM labelrounds.rounds")
    assert len(models) == 3


@pytest.mark.slow
def test_a_champion_is_compared_by_its_own_predictions(user: User) -> None:
    """Predictions that are clearly better become champion; worse ones do not."""
    images(user)
    vendor = user.hire()
    lines = "".join(f"{n},{DIGITS.target[n]}\n" for n in range(0, 1797, 20))
    holdout = {"uri": user.put("holdout.csv", "number,label\n" + lines), "id": "number"}
    file = campaign(user, batch={"size": 10}, holdout=holdout)
    good = np.full((1797, 10), 0.05)
    good[np.arange(1797), DIGITS.target] = 0.55
    bad = np.roll(good, 1, axis=1)
    promoted = []
    for proba in (bad, good, bad):
        user.put("predictions/p.parquet", table(proba))
        user.ask("round", file)
        promoted.append(list(user.measures().values())[-1]["promotion"]["promoted"])
        answer(vendor, digit)
        user.ask("collect", file)
    assert promoted == [True, True, False]
    assert user.measures()[2]["estimates"]["holdout"]["accuracy"]["n"] == 90


def test_predictions_of_several_rows_an_item(user: User) -> None:
    """A detector: as many boxes as it finds in an image, each with probabilities of its own five classes."""
    images(user)
    rng = np.random.default_rng(3)
    boxes = [rng.dirichlet([8, 1, 1, 1, 1], size=rng.integers(0, 4)).tolist() for _ in range(1797)]
    unsure = [17, 400, 1500]
    for item in unsure:
        boxes[item] = [[0.96, 0.01, 0.01, 0.01, 0.01], [0.48, 0.48, 0.02, 0.01, 0.01]]
    user.put("predictions/a.parquet", pa.table({"id": np.arange(1797), "boxes": boxes}))
    keys: dict[str, Any] = {
        "classes": ["usable", "broken"],
        "predictions": {"uri": user.uri("predictions/"), "proba": "boxes", "aggregate": "max"},
        "strategy": "margin",
    }
    file = campaign(user, "boxes", **keys)
    vendor = user.hire()
    assert user.ask("round", file)["items"] == 40
    top = [int(row["item_id"]) for row in user.batch(1) if row["kind"] == "work"]
    reserved = {int(row["item_id"]) for row in user.batch(1) if row["kind"] == "audit"}
    assert {item for item in unsure if item not in reserved} <= set(top) | reserved
    assert answer(vendor, lambda payload: "usable") == 40
    user.ask("collect", file)

    for item in top:
        boxes[item] = [[1.0, 0, 0, 0, 0]]
    user.put("predictions/a.parquet", pa.table({"id": np.arange(1797), "boxes": boxes}))
    second = user.ask("round", file)
    assert second["estimates"] == {}
    assert user.measures()[2]["not_measured"].startswith("Not measured: predictions of several rows")
    for number in ("1", "2"):
        assert user.ask("round", file, "--verify", number)["same"], number
    target = user.campaign("target", **{**json.loads(json.dumps(keys)), "stop": {"target": {"value": 0.9}}})
    assert "needs estimates" in user.type("check", target, code=2).err


WRONG: dict[str, tuple[Any, str]] = {
    "logits": ([[2.0, -3.5]] * 6, "of item 'k0', holds -3.5; probabilities are wanted, and these look like logits"),
    "sums": ([[0.5, 0.5]] * 5 + [[1.6, 1.6]], "row 6, of item 'k5', sums to 3.2: probabilities are wanted"),
    "classes": ([[0.2, 0.3, 0.5]] * 6, "has 3 probabilities; the campaign has 2 classes"),
    "rows": ([[[0.5, 0.5]]] * 6, "predictions.aggregate says how"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_predictions_end_in_one_line_and_cost_nothing(user: User, name: str) -> None:
    proba, words = WRONG[name]
    user.put("pool/a.parquet", pa.table({"id": [f"k{n}" for n in range(6)], "x": np.arange(6.0)}))
    user.put("preds.parquet", pa.table({"id": [f"k{n}" for n in range(6)], "proba": proba}))
    file = user.campaign("wrong", predictions={"uri": user.uri("preds.parquet")})
    for verb in ("check", "round"):
        ended = user.type(verb, file, code=2)
        assert words in ended.last_line, ended.err
    assert user.states() == ["failed"]
    assert user.money() == {}


def test_predictions_of_other_items_are_refused(user: User) -> None:
    user.put("pool/a.parquet", pa.table({"id": [f"k{n}" for n in range(6)], "x": np.arange(6.0)}))
    user.put("preds.csv", "nr,p_a,p_b\n" + "".join(f"{n},0.25,0.75\n" for n in range(6)))
    given = {"uri": user.uri("preds.csv"), "id": "nr", "columns": {"a": "p_a", "b": "p_b"}}
    ended = user.type("check", user.campaign("others", predictions=given), code=2)
    assert "6 of the pool's 6 items have no prediction (100.0%)" in ended.last_line
    assert "ids such as 'k0', 'k1', 'k2', the predictions '0', '1', '2'" in ended.last_line


@pytest.mark.slow
def test_items_without_a_prediction_can_be_left_out(user: User) -> None:
    numbers = np.arange(60)
    user.put("pool/a.parquet", pa.table({"id": [f"k{n}" for n in numbers], "x": numbers.astype(float)}))
    lines = "".join(f"k{n},{0.5 + n / 200},{0.5 - n / 200}\n" for n in numbers[:50])
    user.put("preds.csv", "id,p_a,p_b\n" + lines)
    given = {
        "uri": user.uri("preds.csv"),
        "columns": {"a": "p_a", "b": "p_b"},
        "missing": "skip",
        "max_missing": 0.2,
    }
    file = user.campaign("part", predictions=given, strategy="margin", batch={"size": 30, "audit_share": 0})
    vendor = user.hire()
    user.ask("round", file)
    assert {row["item_id"] for row in user.batch(1)} == {f"k{n}" for n in range(30)}
    answer(vendor, lambda payload: "a")
    user.ask("collect", file)
    assert user.ask("round", file)["items"] == 20
    answer(vendor, lambda payload: "b")
    user.ask("collect", file)
    assert user.ask("round", file)["result"] == "stopped"


FAKE = '''
"""Stands in for sentence-transformers: vectors of letters, and a count of what was encoded."""

import os

import numpy as np


class SentenceTransformer:
    def __init__(self, model, device, revision):
        if model != "letters":
            raise OSError(f"{model} is not a model")

    def encode(self, texts, batch_size, show_progress_bar, convert_to_numpy, normalize_embeddings):
        with open(os.environ["ENCODED"], "a") as log:
            log.writelines(f"{len(text)}\\n" for text in texts if text != ".")
        counts = np.array([[text.count(c) + 0.01 for c in "abcdefgh"] for text in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)
'''


@pytest.mark.slow
def test_texts_are_encoded_once_by_a_network(user: User, tmp_path: Path) -> None:
    package = tmp_path / "site" / "sentence_transformers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(FAKE)
    encoded = tmp_path / "encoded"
    encoded.touch()
    words = ["abba", "dada", "cab", "bead", "hedge", "facade"]
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(words, 6)) for _ in range(200)]
    user.put("pool/a.parquet", pa.table({"id": [f"k{n}" for n in range(200)], "text": texts}))
    keys: dict[str, Any] = {
        "pool": {"uri": user.uri("pool/"), "payload": ["text"], "columns": {"text": ["text"]}},
        "features": {"text_dimensions": 16, "text_model": "letters", "text_model_revision": "v1"},
    }
    file = user.campaign("letters", **keys)
    if not _installed():
        ended = user.type("check", file, code=2)
        assert "pip install 'labelrounds[embeddings]'" in ended.last_line
        user.type("round", file, code=2)
    here = {"PYTHONPATH": str(tmp_path / "site"), "ENCODED": str(encoded)}
    vendor = user.hire()

    plan = user.type("check", file, "--json", **here).document
    assert plan["text_model"] == {"name": "letters@v1", "dimension": 8}
    assert user.type("round", file, "--json", **here).document["result"] == "published"
    once = len(encoded.read_text().splitlines())
    assert once == len(set(texts))
    answer(vendor, lambda payload: "ab"["hedge" in payload["text"]])
    user.type("collect", file, **here)
    assert user.type("round", file, "--json", **here).document["labels"] == 20
    for number in [number for number, state in enumerate(user.states(), start=1) if state != "failed"]:
        assert user.type("round", file, "--verify", str(number), "--json", **here).document["same"]
    assert len(encoded.read_text().splitlines()) == once
    missing = user.campaign("nobody", **{**keys, "features": {"text_model": "nobody/knows"}})
    ended = user.type("round", missing, code=2, **here)
    assert "nobody/knows" in ended.last_line


def _installed() -> bool:
    from importlib.util import find_spec

    return find_spec("sentence_transformers") is not None


def test_several_rows_go_with_labels_that_are_sets(user: User) -> None:
    numbers = np.arange(60)
    user.put("pool/a.parquet", pa.table({"id": [f"k{n}" for n in numbers], "x": numbers.astype(float)}))
    boxes = [[[0.5 + n / 120, 0.5 - n / 120]] * (n % 3) for n in numbers]
    user.put("boxes.parquet", pa.table({"id": [f"k{n}" for n in numbers], "proba": boxes}))
    given = {"uri": user.uri("boxes.parquet"), "aggregate": "sum"}
    file = user.campaign("sets", task="multilabel", predictions=given, batch={"size": 10})
    vendor = user.hire()
    for number in (1, 2):
        assert user.ask("round", file)["items"] == 10
        assert user.ask("round", file, "--verify", str(number))["same"]
        assert answer(vendor, lambda payload: ["a", "b"]) == 10
        user.ask("collect", file)
