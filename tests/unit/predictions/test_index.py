"""Predictions found by id: any order, any objects, any chunks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.pool.store import LocalStore
from tasks.predictions import index as index_module
from tasks.predictions.index import IndexBuilder, PredictionIndex, RepeatedId
from tasks.predictions.spec import PredictionSpec
from tasks.predictions.study import build_index, cover

ids = st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), unique=True, max_size=60)


def rows_for(names: list[str], width: int = 2) -> np.ndarray:
    return np.random.default_rng(len(names)).random((len(names), width), np.float32)


def built(path: Path, parts: list[tuple[list[str], np.ndarray]], width: int = 2) -> str:
    with IndexBuilder(width) as builder:
        for number, (names, rows) in enumerate(parts):
            builder.add(pa.array(names, pa.string()), rows, number, 0)
        return builder.write(path)


@given(ids, st.data())
def test_every_id_finds_its_row_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("index")
    rows = rows_for(names)
    cut = data.draw(st.integers(0, len(names)))
    digest = built(folder / "a", [(names[:cut], rows[:cut]), (names[cut:], rows[cut:])])
    order = data.draw(st.permutations(range(len(names))))
    mixed = [names[place] for place in order]
    assert built(folder / "b", [(mixed, rows[order])]) == digest

    index = PredictionIndex.open(folder / "a")
    assert (len(index), index.width) == (len(names), 2)
    asked = [*mixed, *(f"{name}!" for name in names if f"{name}!" not in names), *mixed[:2]]
    found = index.look_up(pa.chunked_array([asked[: cut // 2], asked[cut // 2 :]], pa.string()))
    truth = dict(zip(names, rows, strict=True))
    for name, row in zip(asked, found, strict=True):
        np.testing.assert_array_equal(row, truth.get(name, np.full(2, np.nan, np.float32)))


def test_a_small_memory_gives_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"k{n}" for n in range(5_000)]
    rows = rows_for(names, 3)
    whole = built(tmp_path / "a", [(names, rows)], 3)
    monkeypatch.setattr(index_module, "_BUFFERED_BYTES", 5_000)
    parts = [(names[at : at + 100], rows[at : at + 100]) for at in range(0, 5_000, 100)]
    assert built(tmp_path / "b", parts, 3) == whole


def test_ids_that_share_the_first_hash_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = index_module.hash_ids

    def colliding(values: Any, key: int) -> np.ndarray:
        return real(values, key) % np.uint64(3) if key == index_module._FIRST else real(values, key)

    monkeypatch.setattr(index_module, "hash_ids", colliding)
    names = [f"k{n}" for n in range(200)]
    rows = rows_for(names)
    built(tmp_path / "a", [(names, rows)])
    index = PredictionIndex.open(tmp_path / "a")
    np.testing.assert_array_equal(index.look_up(names), rows)
    assert (index.find([f"x{n}" for n in range(200)]) == -1).all()


def test_a_repeated_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepeatedId) as caught:
        built(tmp_path / "a", [(["x", "y"], rows_for(["x", "y"])), (["z", "x"], rows_for(["z", "x"]))])
    assert (caught.value.earlier, caught.value.later) == ((0, 0), (1, 1))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    built(path, [(["x"], rows_for(["x"]))])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UsageError, match="cut short"):
        PredictionIndex.open(path)
    path.write_bytes(b"something else")
    with pytest.raises(UsageError, match="no index of predictions"):
        PredictionIndex.open(path)


SPEC = PredictionSpec("", "id", ("a", "b"))


def spec_of(folder: Path, **keys: Any) -> PredictionSpec:
    return PredictionSpec(str(folder), "id", ("a", "b"), **keys)


def test_objects_of_all_formats_make_one_index(tmp_path: Path) -> None:
    folder = tmp_path / "predictions"
    folder.mkdir()
    pq.write_table(pa.table({"id": [1, 2], "proba": [[0.5, 0.5], [1.0, 0.0]]}), folder / "a.parquet")
    (folder / "b.jsonl").write_text('{"id": "3", "proba": [0.25, 0.75]}\n')
    (folder / "c.csv").write_text('id,proba\n04,"[0.1, 0.9]"\n')
    (folder / "_SUCCESS").touch()
    study = build_index(LocalStore(), spec_of(folder), tmp_path / "index")
    assert (study.rows, study.examples) == (4, ("1", "2", "3"))
    assert [Path(one.uri).name for one in study.objects] == ["a.parquet", "b.jsonl", "c.csv"]
    found = PredictionIndex.open(tmp_path / "index").look_up(["04", "3", "4", "1"])
    np.testing.assert_allclose(found, [[0.1, 0.9], [0.25, 0.75], [np.nan, np.nan], [0.5, 0.5]])


def test_mistakes_name_object_row_and_item(tmp_path: Path) -> None:
    folder = tmp_path / "predictions"
    folder.mkdir()
    rows = [{"id": f"k{n}", "proba": [0.5, 0.5]} for n in range(9_000)]
    rows[8_500]["proba"] = [1.6, 1.6]
    (folder / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(UsageError, match=r"a\.jsonl: row 8501, of item 'k8500', sums to 3\.2"):
        build_index(LocalStore(), spec_of(folder), tmp_path / "index")
    rows[8_500] = {**rows[8_500], "proba": [1, 0], "id": "k17"}
    (folder / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(UsageError, match=r"a\.jsonl: row 8501 has the id of .*a\.jsonl row 18"):
        build_index(LocalStore(), spec_of(folder), tmp_path / "index")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "id,p\n1,0.5\n", "no column 'proba' of predictions; it has id, p"),
        ("a.csv", 'id,proba\n1,"[0.5, 0.5]"\n2,3,4\n', "other"),
        ("a.jsonl", '{"id": 1, "proba": [0.5, 0.5]}\nnonsense\n', "row 2 is no JSON object"),
        ("a.jsonl", "", "have no rows"),
        ("a.parquet", "nonsense", "predictions cannot be read"),
        ("a.txt", "nonsense", "no Parquet, JSON Lines or CSV objects there"),
    ],
)
def test_files_that_are_no_predictions(tmp_path: Path, name: str, content: str, words: str) -> None:
    folder = tmp_path / "predictions"
    folder.mkdir()
    (folder / name).write_text(content)
    with pytest.raises(UsageError) as caught:
        build_index(LocalStore(), spec_of(folder), tmp_path / "index")
    assert words in str(caught.value)


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40), min_size=1), st.floats(0, 1))
def test_coverage_is_counted_and_judged(
    tmp_path_factory: pytest.TempPathFactory, pool: set[int], given_: set[int], share: float
) -> None:
    folder = tmp_path_factory.mktemp("coverage")
    (folder / "p.csv").write_text("id,pa,pb\n" + "".join(f"{n},0.5,0.5\n" for n in given_))
    study = build_index(LocalStore(), spec_of(folder, columns=("pa", "pb")), folder / "index")
    index = PredictionIndex.open(folder / "index")
    names = [str(n) for n in sorted(pool)]
    chunks = [pa.chunked_array([names[at : at + 7]], pa.string()) for at in range(0, len(pool), 7)]
    missing = len(pool - given_)
    if pool and missing / len(pool) > share:
        with pytest.raises(UsageError, match=r"have no prediction .*check predictions\.id"):
            cover(study, index, chunks, max_missing=share, uri="u")
        return
    found = cover(study, index, chunks, max_missing=share, uri="u")
    assert (found.items, found.missing, found.unused) == (len(pool), missing, len(given_ - pool))
    assert len(found.missing_examples) == min(3, missing)
