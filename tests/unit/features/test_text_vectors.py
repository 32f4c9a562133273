from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.errors import DeviceUnavailable, NotFound, UsageError
from tasks.features.encoder import LaterEncoder, SentenceEncoder
from tasks.features.vectors import CachedEncoder, add_vectors
from tasks.pool.store import LocalStore


@dataclass
class Letters:
    """Counts the letters a to d, and remembers what it was asked."""

    name: str = "letters"
    dimension: int = 4
    asked: list[str] = field(default_factory=list)

    def encode(self, texts: list[str]) -> np.ndarray:
        self.asked += texts
        return np.array([[text.count(letter) for letter in "abcd"] for text in texts], np.float32)


class Files(LocalStore):
    """Objects in a directory, written whole."""

    def get(self, uri: str) -> bytes:
        with self.open(uri) as file:
            return file.read()

    def put(self, uri: str, data: bytes) -> None:
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
        Path(uri).write_bytes(data)


TEXTS = ["abc", "ddd", "", "abc", "ünïcode a"]


def objects(folder: Path, suffix: str) -> list[Path]:
    return sorted(folder.rglob(f"*{suffix}"))


def test_vectors_are_those_of_the_encoder_in_the_order_of_the_texts(tmp_path):
    cached = CachedEncoder(Letters(), Files(), str(tmp_path))
    np.testing.assert_array_equal(cached.encode(TEXTS), Letters().encode(TEXTS))
    assert cached.encode([]).shape == (0, 4)


def test_nothing_is_encoded_twice_across_runs_and_orders(tmp_path):
    first, second = Letters(), Letters()
    CachedEncoder(first, Files(), str(tmp_path)).encode(TEXTS)
    assert sorted(first.asked) == sorted(set(TEXTS))
    later = CachedEncoder(second, Files(), str(tmp_path))
    texts = ["new", *reversed(TEXTS)]
    np.testing.assert_array_equal(later.encode(texts), Letters().encode(texts))
    assert second.asked == ["new"]
    later.encode(texts)
    assert second.asked == ["new"]


def test_another_model_has_vectors_of_its_own(tmp_path):
    CachedEncoder(Letters(), Files(), str(tmp_path)).encode(TEXTS)
    other = Letters(name="other")
    CachedEncoder(other, Files(), str(tmp_path)).encode(["abc"])
    assert other.asked == ["abc"]


def test_many_texts_are_many_bounded_objects(tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.features.vectors._CHUNK", 10)
    monkeypatch.setattr("tasks.features.vectors._OPEN", 2)
    texts = [f"text {'abcd'[i % 4] * (i % 7)} {i}" for i in range(95)]
    CachedEncoder(Letters(), Files(), str(tmp_path)).encode(texts)
    tables = [pq.read_table(path) for path in objects(tmp_path, ".parquet")]
    assert sorted(table.num_rows for table in tables) == [5] + [10] * 9
    assert tables[0].schema.field("vector").type == pa.list_(pa.float32(), 4)
    again = Letters()
    shuffled = [texts[i] for i in np.random.default_rng(0).permutation(95)]
    np.testing.assert_array_equal(
        CachedEncoder(again, Files(), str(tmp_path)).encode(shuffled), Letters().encode(shuffled)
    )
    assert again.asked == []


def test_a_process_that_died_between_vectors_and_keys_costs_one_object(tmp_path):
    CachedEncoder(Letters(), Files(), str(tmp_path)).encode(TEXTS)
    objects(tmp_path, ".keys")[0].unlink()
    again = Letters()
    cached = CachedEncoder(again, Files(), str(tmp_path))
    np.testing.assert_array_equal(cached.encode(TEXTS), Letters().encode(TEXTS))
    assert len(again.asked) == 4
    assert len(objects(tmp_path, ".parquet")) == len(objects(tmp_path, ".keys")) == 1


@pytest.mark.parametrize("harm", ["delete", "cut", "foreign"])
def test_vectors_that_are_lost_are_encoded_again(tmp_path, harm):
    CachedEncoder(Letters(), Files(), str(tmp_path)).encode(TEXTS)
    path = objects(tmp_path, ".parquet")[0]
    if harm == "delete":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        pq.write_table(pa.table({"something": [1]}), path)
    again = Letters()
    cached = CachedEncoder(again, Files(), str(tmp_path))
    for _ in range(2):
        np.testing.assert_array_equal(cached.encode(TEXTS), Letters().encode(TEXTS))
    assert len(again.asked) == 4


def test_a_missing_bucket_is_not_taken_for_an_empty_cache():
    class NoBucket(Files):
        def put(self, uri: str, data: bytes) -> None:
            raise NotFound("no bucket vectors")

    with pytest.raises(NotFound, match="no bucket"):
        CachedEncoder(Letters(), NoBucket(), "/nowhere/vectors").encode(["a"])


def test_an_encoder_that_gives_another_size_than_it_says_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"'letters' gave an array of shape \(1, 4\)"):
        CachedEncoder(Letters(dimension=5), Files(), str(tmp_path)).encode(["a"])


def test_a_column_of_vectors_is_added_and_rows_without_text_have_none():
    table = pa.table({"t": ["ab", None, "  "], "u": ["c", "", None]})
    column = add_vectors(table, ("t", "u"), Letters(), "vector").column("vector")
    assert column.type == pa.list_(pa.float32(), 4)
    assert column.to_pylist() == [[1, 1, 1, 0], None, None]
    page = pa.table({"t": ["<p class='abcd'>a</p>"]})
    assert add_vectors(page, ("t",), Letters(), "v").column("v").to_pylist() == [[1, 0, 0, 0]]
    assert add_vectors(table.slice(0, 0), ("t",), Letters(), "v").num_rows == 0


class SentenceTransformer:
    """The part of the package's class that we use, with its signatures (sentence-transformers 3 to 6)."""

    def __init__(self, model_name_or_path=None, *, device=None, revision=None):
        if device == "cuda":
            raise AssertionError("Torch not compiled with CUDA enabled")
        if model_name_or_path == "no/model":
            raise OSError("no/model is not a local folder\nand not on the hub")

    def encode(self, sentences, *, batch_size, show_progress_bar, convert_to_numpy, normalize_embeddings):
        rows = np.array([[len(text), 1.0, 0.0] for text in sentences], np.float64)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def package(monkeypatch):
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)


@pytest.mark.usefixtures("package")
def test_a_sentence_encoder_gives_float32_of_its_dimension():
    encoder = SentenceEncoder("some/model", revision="v1")
    assert (encoder.name, encoder.dimension) == ("some/model@v1", 3)
    vectors = encoder.encode(["one", "three"])
    assert (vectors.dtype, vectors.shape) == (np.float32, (2, 3))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1])
    assert encoder.encode([]).shape == (0, 3)


@pytest.mark.usefixtures("package")
def test_a_directory_is_known_by_its_content(tmp_path):
    for where, weights in (("a/model", b"1"), ("b/model", b"1"), ("c/model", b"2")):
        folder = tmp_path / where
        folder.mkdir(parents=True)
        (folder / "weights.bin").write_bytes(weights)
    a, b, c = (SentenceEncoder(str(tmp_path / where)).name for where in ("a/model", "b/model", "c/model"))
    assert a == b
    assert a != c
    assert a.startswith("model@")


def test_a_later_encoder_loads_nothing_until_it_must(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    encoder = LaterEncoder("some/model", revision="v1")
    assert encoder.name == "some/model@v1"
    with pytest.raises(UsageError, match=r"labelrounds\[embeddings\]"):
        _ = encoder.dimension
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    np.testing.assert_array_equal(encoder.encode(["one"]), SentenceEncoder("some/model").encode(["one"]))
    assert encoder.dimension == 3


@pytest.mark.usefixtures("package")
def test_what_cannot_be_loaded_is_said():
    with pytest.raises(UsageError, match=r"hub's model 'no/model' cannot be loaded .* and not on the hub"):
        SentenceEncoder("no/model")
    with pytest.raises(DeviceUnavailable, match="does not start on cuda: Torch not compiled"):
        SentenceEncoder("some/model", device="cuda")


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UsageError, match=r"pip install 'labelrounds\[embeddings\]'"):
        SentenceEncoder("some/model")
