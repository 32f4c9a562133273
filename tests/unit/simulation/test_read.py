"""Reading labelled files."""

import gzip
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tasks.errors import NotFound, UsageError
from tasks.pool.store import LocalStore
from tasks.simulation.columns import Wanted
from tasks.simulation.read import load


def rows(n=60):
    return {
        "id": [f"i{i}" for i in range(n)],
        "size": [float(i % 17) + 0.5 for i in range(n)],
        "colour": [("red", "green", "blue")[i % 3] for i in range(n)],
        "note": [f"the item number {i} of a row of many words" for i in range(n)],
        "label": [("yes", "no")[i % 2] for i in range(n)],
    }


def write(path, columns):
    table = pa.table(columns)
    if path.name.endswith(".parquet"):
        pq.write_table(table, path)
    elif path.name.endswith(".csv"):
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in table.to_pylist()).encode()))
    return str(path)


def read(path, **wanted):
    return load(LocalStore(), str(path), Wanted(**wanted))


@pytest.mark.parametrize("name", ["d.parquet", "d.csv", "d.jsonl.gz"])
def test_types_are_found_in_every_format_alike(tmp_path, name):
    loaded = read(write(tmp_path / name, rows()))
    columns = loaded.found.columns
    assert (columns.numeric, columns.categorical, columns.text) == (("size",), ("colour",), ("note",))
    assert loaded.data.classes == ("no", "yes")
    assert loaded.data.ids[:2].tolist() == ["i0", "i1"]
    assert loaded.data.y[:2].tolist() == [1, 0]
    assert loaded.notes() == []
    assert loaded.data.digest == read(write(tmp_path / "same.parquet", rows())).data.digest


def test_columns_are_found_whatever_their_case_and_can_be_named(tmp_path):
    columns = rows()
    columns["Label"], columns["ID"] = columns.pop("label"), columns.pop("id")
    columns["kind"] = ["x", "y", "z", "x"] * 15
    path = write(tmp_path / "d.csv", columns)
    assert (read(path).found.label, read(path).found.id) == ("Label", "ID")
    other = read(path, label="kind", drop=("Label", "size"), text=("colour",))
    assert other.data.classes == ("x", "y", "z")
    assert set(other.found.columns.features) == {"colour", "note"}
    assert "colour" in other.found.columns.text


def test_what_cannot_be_used_is_counted_and_said(tmp_path):
    columns = rows()
    columns["label"][3] = None
    columns["label"][4] = " "
    columns["id"][10] = columns["id"][11] = "i9"
    loaded = read(write(tmp_path / "d.parquet", columns))
    assert loaded.set_aside == {"no label": 2, "repeated id": 2}
    assert len(loaded.data) == 56
    assert "2 rows set aside: repeated id" in loaded.notes()


def test_rows_without_an_id_are_known_by_their_number(tmp_path):
    columns = rows()
    del columns["id"]
    loaded = read(write(tmp_path / "d.parquet", columns))
    assert loaded.data.ids[0] == "row-000000001"
    assert any("number" in note for note in loaded.notes())


def test_a_column_without_a_name_is_not_learned_from(tmp_path):
    loaded = read(write(tmp_path / "d.csv", {"": list(range(60)), **rows()}))
    assert "" not in loaded.found.columns.features


def test_whole_numbers_are_classes_in_their_order(tmp_path):
    columns = rows() | {"label": [float(i % 11) for i in range(60)]}
    assert read(write(tmp_path / "d.parquet", columns)).data.classes == tuple(map(str, range(11)))


@pytest.mark.parametrize(
    ("change", "wanted", "said"),
    [
        ({}, {"label": "lable"}, "Did you mean 'label'"),
        ({}, {"id": "key"}, "--id"),
        ({}, {"text": ("words",)}, "--text"),
        ({}, {"text": ("label",)}, "is the label"),
        ({}, {"text": ("note",), "drop": ("note",)}, "both --text and --drop"),
        ({}, {"drop": ("size", "colour", "note")}, "no column to learn from"),
        ({"label": ["yes"] * 60}, {}, "two classes"),
        ({"label": [None] * 60}, {}, "two classes"),
        ({"label": [i / 7 for i in range(25)] + [0.1] * 35}, {}, "not classes"),
        ({"label": [f"n{i}" for i in range(60)]}, {}, "not classes"),
        ({"LABEL": ["a"] * 60, "Label": ["b"] * 60, "label": None}, {}, "--label"),
        ({"label": None}, {}, "say which holds the classes"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path, change, wanted, said):
    columns = {name: values for name, values in (rows() | change).items() if values is not None}
    path = write(tmp_path / "d.parquet", columns)
    with pytest.raises(UsageError, match=said) as caught:
        read(path, **wanted)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_not_what_they_say_are_refused(tmp_path):
    with pytest.raises(NotFound):
        read(tmp_path / "none.csv")
    (tmp_path / "broken.parquet").write_text("no")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "notes.txt").write_text("label")
    for name, said in (
        ("broken.parquet", "cannot be read"),
        ("empty.csv", "empty"),
        ("notes.txt", "no Parquet"),
    ):
        with pytest.raises(UsageError, match=said):
            read(tmp_path / name)
