"""Seed labels and hold-outs of campaigns whose labels are sets."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import UsageError
from tasks.pool.read import read_labels
from tasks.pool.schema import Columns
from tasks.pool.store import LocalStore

CLASSES = ("politics", "sport", "7")
GIVEN = [["sport", "politics"], [], ["sport"], ["politics", "sport", "sport"]]
STORED = ['["politics","sport"]', "[]", '["sport"]', '["politics","sport"]']


def read(path: Path, **more: object) -> pa.Table:
    return read_labels(
        LocalStore(), str(path), id="id", label="label", classes=CLASSES, task="multilabel", **more
    )


def write(path: Path, labels: list[object]) -> Path:
    rows = [{"id": f"{n}", "label": one, "n": n} for n, one in enumerate(labels)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "label", "n"])
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_column_of_lists(tmp_path, suffix):
    table = read(write(tmp_path / f"seed.{suffix}", GIVEN))
    assert table["label"].to_pylist() == STORED
    assert table.schema.names == ["id", "label"]


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_a_column_of_json_text(tmp_path, suffix):
    table = read(write(tmp_path / f"seed.{suffix}", [json.dumps(one) for one in GIVEN]))
    assert table["label"].to_pylist() == STORED


def test_other_lists_of_parquet(tmp_path):
    for number, kind in enumerate(
        (pa.large_list(pa.large_string()), pa.list_(pa.dictionary(pa.int8(), pa.string())))
    ):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"id": ["0"], "label": pa.array([["sport", "7"]], kind)}), path)
        assert read(path)["label"].to_pylist() == ['["sport","7"]']
    pq.write_table(
        pa.table({"id": [0], "label": pa.array([[7]], pa.list_(pa.int32()))}), tmp_path / "n.parquet"
    )
    assert read(tmp_path / "n.parquet")["label"].to_pylist() == ['["7"]']


def test_lists_and_text_beside_features(tmp_path):
    path = write(tmp_path / "seed.jsonl", [["sport"], "[]"])
    table = read(path, columns=Columns("key", numeric=("n",), categorical=("label",)))
    assert table.to_pylist() == [
        {"id": "0", "label": '["sport"]', "n": 0.0},
        {"id": "1", "label": "[]", "n": 1.0},
    ]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            [["sport"], ["eggs"]],
            r"1 labels in column 'label' are no lists of classes.*'1': 'eggs' is none of",
        ),
        (["sport"], r"'0': 'sport' is no JSON list of classes, such as \[\"politics\"\]"),
        ([["sport"], None], r"'1': no label; \[\] is an item with none"),
        ([{"sport": 1}], "no JSON list"),
        ([["sport", None]], "none of the classes"),
    ],
)
@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_labels_that_are_no_sets_are_refused(tmp_path, suffix, labels, message):
    with pytest.raises(UsageError, match=message):
        read(write(tmp_path / f"seed.{suffix}", labels))


def test_one_id_with_two_sets(tmp_path):
    path = tmp_path / "seed.jsonl"
    rows = [("a", ["sport", "politics"]), ("a", ["politics", "sport"]), ("b", [])]
    path.write_text("".join(json.dumps({"id": key, "label": label}) + "\n" for key, label in rows))
    assert read(path)["id"].to_pylist() == ["a", "b"]
    path.write_text(path.read_text() + json.dumps({"id": "b", "label": ["7"]}) + "\n")
    with pytest.raises(UsageError, match="id 'b' has two labels"):
        read(path)


def test_a_list_is_no_class(tmp_path):
    path = write(tmp_path / "seed.jsonl", [["sport"]])
    with pytest.raises(UsageError, match="none of the classes"):
        read_labels(LocalStore(), str(path), id="id", label="label", classes=CLASSES)
