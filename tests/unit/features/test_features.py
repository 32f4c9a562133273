from __future__ import annotations

from itertools import pairwise
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.features import FeatureSpace, fit_space
from tasks.features.tokens import tokenise
from tasks.pool.schema import Columns

ALL = Columns(id="id", text=("title", "body"), numeric=("n", "m"), categorical=("k",), embedding=("e",))
TEXT = Columns(id="id", text=("body",))


def make_table(rows: int = 200, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    topics = [["goal", "team", "match", "score"], ["stock", "bank", "rate", "price"]]
    topic = rng.integers(0, 2, rows)
    body = [" ".join(rng.choice(topics[t], 12)) for t in topic]
    vectors = rng.normal(size=(rows, 3)).astype(np.float32)
    vectors[:, 1] = 7
    numbers = [None if i % 9 == 0 else float(v) for i, v in enumerate(rng.normal(5, 100, rows))]
    return pa.table(
        {
            "id": [str(i) for i in range(rows)],
            "title": pa.array([None if i % 5 == 0 else f"Title {i % 3}" for i in range(rows)]),
            "body": body,
            "n": pa.array(numbers, pa.float64()),
            "m": pa.array(np.full(rows, 3.0)),
            "k": pa.array([None if i % 7 == 0 else "abc"[i % 3] for i in range(rows)]),
            "e": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 3),
        }
    )


def text_table(texts: list[str | None]) -> pa.Table:
    return pa.table({"id": [str(i) for i in range(len(texts))], "body": pa.array(texts, pa.string())})


def test_columns_become_typed_named_float32_and_constants_are_left_out():
    table = make_table()
    space = fit_space(table, ALL, seed=1)
    matrix = space.transform(table)
    assert matrix.dtype == np.float32
    assert matrix.shape == (200, len(space.names)) == (200, len(space.types))
    assert len(set(space.names)) == len(space.names)
    assert "m" not in space.names
    assert "e.0" in space.names
    assert "e.1" not in space.names
    assert space.types[space.names.index("k")] == "c"
    missing = np.isnan(matrix[:, space.names.index("n")])
    assert np.flatnonzero(missing).tolist() == list(range(0, 200, 9))


def test_same_sample_and_seed_give_the_same_bytes():
    first, second = (fit_space(make_table(), ALL, seed=3) for _ in range(2))
    assert first.to_bytes() == second.to_bytes()
    assert first.digest == second.digest


def test_a_space_survives_its_file():
    table = make_table()
    space = fit_space(table, ALL, seed=0)
    again = FeatureSpace.from_bytes(space.to_bytes())
    matrix = space.transform(table)
    np.testing.assert_array_equal(again.transform(table), matrix)
    np.testing.assert_array_equal(again.embed(matrix), space.embed(matrix))
    assert (again.names, again.types, again.digest) == (space.names, space.types, space.digest)


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_damaged_file_is_a_usage_error(data):
    with pytest.raises(UsageError, match="cannot be read"):
        FeatureSpace.from_bytes(data)


@given(cuts=st.lists(st.integers(0, 200), max_size=5))
@settings(max_examples=15, deadline=None)
def test_transform_does_not_depend_on_chunks(cuts):
    table, space = make_table(), SPACE
    ends = [0, *sorted(cuts), 200]
    parts = [space.transform(table.slice(a, b - a)) for a, b in pairwise(ends)]
    np.testing.assert_array_equal(np.vstack(parts), WHOLE)


SPACE = fit_space(make_table(), ALL, seed=0)
WHOLE = SPACE.transform(make_table())


def test_embed_has_no_nan_and_blocks_weigh_the_same():
    columns = Columns(id="id", numeric=("n",), categorical=("k",), embedding=("e",))
    space = fit_space(make_table(2000), columns, seed=0)
    embedded = space.embed(space.transform(make_table(2000)))
    assert embedded.dtype == np.float32
    assert np.isfinite(embedded).all()
    variance = embedded.var(axis=0)  # n, e.0, e.2, then the indicators of k
    assert [variance[0], variance[1:3].sum(), variance[3:].sum()] == pytest.approx([1, 1, 1], rel=0.01)


def test_one_wild_number_does_not_rule_the_distances():
    values = np.random.default_rng(0).normal(size=500)
    values[3], values[4] = 1e30, np.inf
    table = pa.table({"id": [str(i) for i in range(500)], "n": values})
    space = fit_space(table, Columns(id="id", numeric=("n",)), seed=0)
    matrix = space.transform(table)
    assert np.isfinite(matrix).all()
    embedded = space.embed(matrix)
    assert np.abs(embedded).max() < 10
    assert np.delete(embedded, [3, 4]).std() > 0.5


def test_an_unseen_category_is_rare_and_a_missing_vector_is_missing():
    later = make_table(4).to_pydict()
    later["k"] = ["new", "a", "b", None]
    table = pa.table(later, schema=make_table().schema)
    codes = SPACE.transform(table)[:, SPACE.names.index("k")]
    assert np.isnan(codes).tolist() == [False, False, False, True]
    assert codes[0] == 3  # after the codes of a, b and c
    later["e"] = [None, [1, 2, 3], [4, 5, 6], None]
    vectors = SPACE.transform(pa.table(later, schema=make_table().schema))
    assert np.isnan(vectors[:, SPACE.names.index("e.0")]).tolist() == [True, False, False, True]
    assert vectors[2, SPACE.names.index("e.2")] == 6
    assert np.isfinite(SPACE.embed(vectors)).all()


@pytest.mark.parametrize(
    "texts",
    [
        ["word"] * 10 + [""] * 5,
        ["a", "b"],
        [None, "one two"],
        ["!!!", "???", "...", "x"],
        ["same same", "same"],
        [f"unique{i}" for i in range(80)],
    ],
)
def test_tiny_texts_fit(texts):
    table = text_table(texts)
    space = fit_space(table, TEXT, seed=0, text_dimensions=64)
    matrix = space.transform(table)
    assert np.isfinite(matrix).all()
    assert np.isfinite(space.embed(matrix)).all()
    assert len(np.unique(matrix, axis=0)) > 1 or len(set(texts)) == len(texts) == 80


@pytest.mark.parametrize("texts", [[""] * 6, [None] * 3, ["the same"] * 9])
def test_texts_that_tell_nothing_are_refused(texts):
    with pytest.raises(UsageError, match="tells the items apart"):
        fit_space(text_table(texts), TEXT, seed=0)


def test_an_empty_sample_is_refused():
    with pytest.raises(UsageError, match="empty sample"):
        fit_space(text_table([]), TEXT, seed=0)


def test_an_empty_table_becomes_an_empty_matrix():
    matrix = SPACE.transform(make_table().slice(0, 0))
    assert matrix.shape == (0, len(SPACE.names))
    assert SPACE.embed(matrix).shape[0] == 0


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), min_size=2, max_size=30))
@settings(max_examples=40, deadline=None)
def test_any_text_fits_or_is_refused(texts):
    table = text_table(texts)
    try:
        space = fit_space(table, TEXT, seed=0, text_dimensions=4)
    except UsageError:
        return
    matrix = space.transform(table)
    assert np.isfinite(matrix).all()
    assert FeatureSpace.from_bytes(space.to_bytes()).digest == space.digest


def test_latent_dimensions_separate_topics():
    table = make_table(300)
    space = fit_space(table, TEXT, seed=0, text_dimensions=2)
    matrix = space.transform(table)[:, [space.names.index("text.0"), space.names.index("text.1")]]
    sport = np.array(["goal" in text or "team" in text for text in table["body"].to_pylist()])
    assert np.linalg.norm(matrix[sport].mean(0) - matrix[~sport].mean(0)) > 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, WORLD! it's", ["hello", "world", "it", "s"]),
        ("Grüße aus Köln", ["grüße", "aus", "köln"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("日本語です", ["日", "本", "語", "で", "す"]),
        ("snake_case 12:30", ["snake", "case", "12", "30"]),
        ("", []),
    ],
)
def test_words_of_any_script(text, words):
    tokens = tokenise(pa.array([text], pa.large_string()))
    assert [tokens.words[int(code)].as_py() for code in tokens.codes] == [
        normalize("NFKD", word) for word in words
    ]


def test_names_that_xgboost_forbids_are_replaced():
    rng = np.random.default_rng(0)
    table = pa.table({"id": ["a", "b", "c"], "x[0]": rng.normal(size=3), "x(0)": rng.normal(size=3)})
    space = fit_space(table, Columns(id="id", numeric=("x[0]", "x(0)")), seed=0)
    assert len(set(space.names)) == 2
    assert not any(sign in name for name in space.names for sign in "[]<")


def test_a_missing_or_changed_column_is_named():
    table = make_table()
    with pytest.raises(UsageError, match="'body' is missing"):
        SPACE.transform(table.drop_columns(["body"]))
    other = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(400, np.float32)), 2)
    with pytest.raises(UsageError, match="fitted on lists of 3"):
        SPACE.transform(table.set_column(table.column_names.index("e"), "e", other))
