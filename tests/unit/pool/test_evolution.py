"""Columns that change: between rounds, and between the objects of one pool."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import PoolChanged, PoolRejected
from tasks.pool.evolution import follow
from tasks.pool.manifest import Manifest
from tasks.pool.read import read_pool
from tasks.pool.schema import Columns
from tasks.pool.spec import PoolSpec
from tasks.pool.store import LocalStore
from tasks.pool.take import take_manifest

STORE = LocalStore()
AUTO = PoolSpec("pool", "id", ("t",), max_set_aside=0.1)
EARLIER = Columns("id", ("t",), ("n",), ("c",), ("e",), ("t",), dimensions=(2,), date=("d",), tags=("g",))


def rows(first: int = 0, count: int = 60, **changes) -> list[dict]:
    made = []
    for i in range(first, first + count):
        row = {
            "id": f"{i:04}",
            "t": f"some words of item {i}",
            "n": i / 7,
            "c": "abc"[i % 3],
            "e": [0.5, float(i)],
            "d": f"2024-05-{1 + i % 30:02}",
            "g": ["x", "y"][: i % 3],
        }
        made.append({name: value for name, value in (row | changes).items() if value is not ...})
    return made


def sample(**changes) -> dict:
    table = pa.Table.from_pylist(rows(**changes))
    return dict(zip(table.column_names, [column.combine_chunks() for column in table.columns], strict=True))


def write(path: Path, items: list[dict]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(items), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(item) + "\n" for item in items))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(items[0]))
            writer.writeheader()
            writer.writerows(items)


def take(folder: Path, spec: PoolSpec = AUTO, earlier: Columns | None = None) -> Manifest:
    return take_manifest(STORE, str(folder), spec, earlier=earlier)


def read(manifest: Manifest) -> pa.Table:
    return pa.concat_tables([chunk.table for chunk in read_pool(STORE, manifest)])


# -- between rounds -----------------------------------------------------------------------------------------


def test_the_same_columns_go_on_whatever_they_look_like_now():
    assert follow(EARLIER, sample(), AUTO).columns == EARLIER
    found = follow(EARLIER, sample(c="now long enough to be taken for a text by its words"), AUTO)
    assert found.columns == EARLIER
    assert found.notes == ()


def test_added_columns_are_named_and_not_used():
    found = follow(EARLIER, sample() | {"new": pa.array([i / 3 for i in range(60)])}, AUTO)
    assert found.columns == EARLIER
    assert found.notes == (
        "not learned from, as the last round did not either: 'new'; name all columns to learn from in pool.columns "
        "to add them",
    )


def test_what_the_campaign_names_is_used():
    spec = PoolSpec("pool", "id", ("t",), text=("t",), numeric=("new",), categorical=("d",))
    found = follow(EARLIER, sample() | {"new": pa.array([i / 3 for i in range(60)])}, spec)
    assert found.columns == Columns("id", ("t",), ("new",), ("d",), payload=("t",))
    assert found.notes == (
        "learned from now, and not before: 'new'",
        "learned from before, and not now: 'n', 'c', 'e', 'g'",
        "learned from as another kind than before: 'd' (date, now categorical)",
    )


def test_what_the_campaign_ignores_by_now_is_left_out():
    found = follow(EARLIER, sample(), PoolSpec("pool", "id", ("t",), ignore=("n", "e")))
    assert found.columns.features == ("t", "c", "d", "g")
    assert found.columns.dimensions == ()
    assert found.notes == ("learned from before, and ignored by the campaign now: 'n', 'e'",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": "many"}, "column 'n' was numeric when .* now holds string such as 'many'. Put back"),
        ({"c": 0.25}, "column 'c' was categorical .* now holds double such as 0.25"),
        ({"t": ["a"]}, "column 't' was text .* holds list<"),
        ({"d": "soon"}, "column 'd' was date .* such as 'soon'"),
        ({"g": {"a": 1}}, "column 'g' was tags .* holds struct<"),
        ({"e": [1.0, 2.0, 3.0]}, "vectors of column 'e' had 2 numbers .* have 3 now"),
        ({"e": "none"}, "column 'e' was embedding"),
    ],
)
def test_another_kind_is_refused_with_what_changed(changes, message):
    with pytest.raises(PoolChanged, match=message):
        follow(EARLIER, sample(**changes), AUTO)


def test_vectors_of_another_length_are_refused_though_they_are_named():
    spec = PoolSpec("pool", "id", ("t",), embedding=("e",))
    with pytest.raises(PoolChanged, match="had 2 numbers"):
        follow(EARLIER, sample(e=[1.0, 2.0, 3.0]), spec)


def test_single_misfits_are_rows_and_no_other_kind():
    table = sample()
    table["n"] = pa.array(["1.5"] * 59 + ["many"])
    assert follow(EARLIER, table, AUTO).columns == EARLIER


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_column_that_is_gone_is_refused(tmp_path, suffix):
    write(tmp_path / f"a.{suffix}", rows())
    earlier = take(tmp_path).columns
    assert earlier == EARLIER
    write(tmp_path / f"a.{suffix}", rows(n=..., c=...))
    with pytest.raises(
        PoolChanged, match=r"columns 'n' \(numeric\), 'c' \(categorical\), .* in no object any more"
    ):
        take(tmp_path, earlier=earlier)
    named = PoolSpec("pool", "id", ("t",), text=("t",))
    assert take(tmp_path, named, earlier).columns.features == ("t",)


def test_a_column_that_only_the_first_object_lacks_is_not_gone(tmp_path):
    write(tmp_path / "b.parquet", rows())
    earlier = take(tmp_path).columns
    write(tmp_path / "a.parquet", rows(100, 20, n=..., new=7.5))
    manifest = take(tmp_path, earlier=earlier)
    assert manifest.columns == earlier
    assert read(manifest)["n"].null_count + read(manifest)["n"].is_nan().to_pylist().count(True) == 20


# -- within one pool ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_found_columns_that_an_object_lacks_are_missing_values(tmp_path, suffix):
    gone = {"e": ..., "g": ...} if suffix == "csv" else {}
    write(tmp_path / f"a.{suffix}", rows(**gone))
    write(tmp_path / f"b.{suffix}", rows(100, 40, n=..., d=..., new=1, **gone))
    manifest = take(tmp_path)
    assert manifest.rows == 100
    assert [item.absent for item in manifest.objects] == [(), ("n", "d")]
    table = read(manifest)
    assert table.schema == manifest.columns.schema()
    assert table["d"].is_null().to_pylist() == [False] * 60 + [True] * 40
    assert table["n"].is_null(nan_is_null=True).to_pylist() == [False] * 60 + [True] * 40
    place = f"(first: {tmp_path}/b.{suffix}); it counts as a missing value there"
    assert f"column 'n' is missing in 1 of 2 objects, 40.0% of the rows {place}" in manifest.notes
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_named_columns_that_an_object_lacks_set_it_aside(tmp_path):
    write(tmp_path / "a.parquet", rows())
    write(tmp_path / "b.parquet", rows(100, 40, n=...))
    with pytest.raises(PoolRejected, match="missing column n: 1"):
        take(tmp_path, PoolSpec("pool", "id", ("t",), numeric=("n",)))


def test_manifests_of_before_are_read(tmp_path):
    write(tmp_path / "a.csv", rows(e=..., g=..., d=...))
    manifest = take(tmp_path)
    meta = json.loads(pq.read_schema(pa.BufferReader(manifest.to_bytes())).metadata[b"labelrounds.manifest"])
    assert set(meta["columns"]) == {
        "id", "text", "numeric", "categorical", "embedding", "payload", "dimensions"
    }  # fmt: skip
    assert set(meta["objects"][0]) == {"uri", "etag", "size", "format", "rows"}
    assert "notes" not in meta
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
