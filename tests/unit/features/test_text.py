from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.features.text import fit_text, join_documents

COLUMNS = ("title", "body")
RNG = np.random.default_rng(0)
TOPICS = [["goal", "team", "match", "score", "keeper"], ["stock", "bank", "rate", "price", "share"]]


def texts_of(topics, length=8):
    return [" ".join(RNG.choice(TOPICS[topic], length)) for topic in topics]


def table_of(bodies, titles=None):
    titles = ["title"] * len(bodies) if titles is None else titles
    return pa.table({"title": pa.array(titles, pa.string()), "body": pa.array(bodies, pa.string())})


TOPIC = RNG.integers(0, 2, 300)
TABLE = table_of(texts_of(TOPIC), [f"number {row % 7}" for row in range(300)])
SPACE = fit_text(TABLE, COLUMNS, dimensions=8, seed=0)
WHOLE = SPACE.transform(TABLE)


@given(st.lists(st.integers(0, 300), max_size=6), st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_row_has_the_same_bits_in_any_company(cuts, seed):
    ends = [0, *sorted(cuts), 300]
    parts = [SPACE.transform(TABLE.slice(a, b - a)) for a, b in pairwise(ends)]
    np.testing.assert_array_equal(np.vstack(parts), WHOLE)
    order = np.random.default_rng(seed).permutation(300)
    np.testing.assert_array_equal(SPACE.transform(TABLE.take(pa.array(order))), WHOLE[order])


def test_misspelt_and_inflected_words_stay_near():
    known, others = (
        table_of(["the team scored goals"]),
        table_of(["teams scoring goalz", "bankers pricing stox"]),
    )
    target, (near, far) = SPACE.transform(known)[0], SPACE.transform(others)
    cosine = [row @ target / np.linalg.norm(row) / np.linalg.norm(target) for row in (near, far)]
    assert cosine[0] > 0.8
    assert cosine[1] < 0.3


def test_dimensions_keep_their_own_variance():
    # A rare topic: the dimension that tells it must stay small beside the one of the two common ones.
    rare = table_of([*texts_of(TOPIC[:290]), *["zebra giraffe"] * 10], [""] * 300)
    spread = fit_text(rare, ("body",), dimensions=8, seed=0).transform(rare).var(axis=0)
    assert spread.mean() == pytest.approx(1, rel=1e-3)
    assert spread.max() > 3 * spread.min()


def test_all_columns_count():
    by_title = table_of(["", ""], ["team goal", "bank stock"])
    by_body = table_of(["team goal", "bank stock"], ["", ""])
    np.testing.assert_array_equal(SPACE.transform(by_title), SPACE.transform(by_body))
    missing = table_of([None, None], ["team goal", "bank stock"])
    np.testing.assert_array_equal(SPACE.transform(missing), SPACE.transform(by_title))


def test_a_text_without_known_terms_is_zero():
    assert not SPACE.transform(table_of(["", "ώψϕ", "!!!"], ["", "", ""])).any()


def test_the_same_sample_and_seed_give_the_same_arrays():
    again = fit_text(TABLE, COLUMNS, dimensions=8, seed=0)
    for name in ("idf", "components"):
        np.testing.assert_array_equal(getattr(again, name), getattr(SPACE, name))
    np.testing.assert_array_equal(again.words.keys, SPACE.words.keys)
    np.testing.assert_array_equal(again.ngrams.keys, SPACE.ngrams.keys)


def test_a_bounded_fit_is_much_like_a_whole_one(monkeypatch):
    monkeypatch.setattr("tasks.features.text._MOST_COUNTS", 8_000)  # every third row or so
    bounded = fit_text(TABLE, COLUMNS, dimensions=8, seed=0)
    one, other = bounded.transform(TABLE)[:, 0], WHOLE[:, 0]
    assert not np.array_equal(bounded.components, SPACE.components)
    assert abs(np.corrcoef(one, other)[0, 1]) > 0.99


def test_html_tells_what_a_reader_sees():
    page = "<html><style>p {goal: team}</style><p>stock&nbsp;<b>pri</b>ce</p></html>"
    documents = join_documents(table_of([page, "a < b & c > d"], ["", ""]), COLUMNS).to_pylist()
    assert documents[0].split() == ["stock", "price"]
    assert documents[1] == "\na < b & c > d"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["今日は良い天気です", "良い天気の日"], ["株式市場が下落した", "株式の下落"]),
        (["อากาศดีมาก", "วันนี้อากาศดี"], ["หุ้นตกมาก", "ราคาหุ้นตก"]),
        (["отличная погода сегодня", "погода отлична"], ["акции упали в цене", "цены акций падают"]),
        (["طقس جميل اليوم", "الطقس جميل"], ["انخفضت أسعار الأسهم", "سعر السهم انخفض"]),
    ],
)
def test_topics_part_in_any_script(first, second):
    table = table_of(first * 5 + second * 5, [""] * 20)
    space = fit_text(table, ("body",), dimensions=3, seed=0)
    rows = space.transform(table)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    alike = rows @ rows.T
    within = min(alike[:10, :10].min(), alike[10:, 10:].min())
    assert within > alike[:10, 10:].max()
