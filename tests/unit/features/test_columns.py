"""Categories, dates and tags as numbers."""

from __future__ import annotations

import datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.features import FeatureSpace, fit_space
from tasks.features.blocks import MOST_CATEGORIES, MOST_TAGS
from tasks.pool.schema import FEATURE_KINDS, Columns

UTC = datetime.UTC


def fit(table: pa.Table, **kinds) -> tuple[FeatureSpace, dict[str, np.ndarray]]:
    space = fit_space(table, Columns("id", **kinds), seed=0)
    return space, dict(zip(space.names, space.transform(table).T, strict=True))


def zipf(rows: int = 4_000, values: int = 3_000) -> list[str]:
    p = 1 / np.arange(1, values + 1)
    return [f"v{i}" for i in np.random.default_rng(0).choice(values, rows, p=p / p.sum())]


def test_the_commonest_categories_have_codes_and_the_others_share_one():
    values = zipf()
    table = pa.table({"c": pa.array([*values, None])})
    space, columns = fit(table, categorical=("c",))
    assert space.names == ("c", "c.frequency")
    assert space.types == ("c", "q")
    codes, counts = columns["c"][:-1], np.array([values.count(value) for value in values])
    assert codes.max() == MOST_CATEGORIES
    assert len(np.unique(codes)) == MOST_CATEGORIES + 1
    assert counts[codes < MOST_CATEGORIES].min() >= counts[codes == MOST_CATEGORIES].max()
    assert np.isnan([columns["c"][-1], columns["c.frequency"][-1]]).all()
    seen_twice = counts >= 2
    np.testing.assert_allclose(
        columns["c.frequency"][:-1][seen_twice], np.log1p(counts[seen_twice]), rtol=1e-6
    )
    assert (columns["c.frequency"][:-1][~seen_twice] == 0).all()


def test_an_unknown_category_is_rare_and_not_missing():
    space, _ = fit(pa.table({"c": zipf()}), categorical=("c",))
    later = space.transform(pa.table({"c": ["never seen", "v0", None]}))
    assert later[:2].tolist() == [[MOST_CATEGORIES, 0], [0, pytest.approx(later[1, 1])]]
    assert np.isnan(later[2]).all()
    assert np.isfinite(space.embed(later)).all()


def test_few_categories_need_no_frequency():
    space, _ = fit(pa.table({"c": ["a", "b", "b", "c"] * 50}), categorical=("c",))
    assert space.names == ("c",)


def test_values_that_all_differ_tell_nothing():
    with pytest.raises(UsageError, match="No column tells the items apart"):
        fit(pa.table({"c": [f"x{i}" for i in range(500)]}), categorical=("c",))


def test_dates_are_split_in_the_parts_that_vary():
    times = [datetime.datetime(2020, 2, 29, 18), datetime.datetime(2024, 12, 31, 6), None]
    _, columns = fit(pa.table({"d": pa.array(times * 20, pa.timestamp("us"))}), date=("d",))
    assert columns["d.days"][0] == np.float32(18321.75)
    assert columns["d.weekday"][:2].tolist() == [5, 1]  # a Saturday, a Tuesday
    assert columns["d.hour"][:2].tolist() == [18, 6]
    angle = 2 * np.pi * 59 / 366
    assert [columns["d.year.sin"][0], columns["d.year.cos"][0]] == pytest.approx(
        [np.sin(angle), np.cos(angle)]
    )
    assert [columns["d.hour.sin"][0], columns["d.hour.sin"][1]] == pytest.approx([-1, 1])
    assert all(np.isnan(values[2]) for values in columns.values())


@given(st.lists(st.datetimes(), min_size=2, max_size=20, unique=True))
@settings(deadline=None)
def test_parts_of_a_date_agree_with_the_calendar(times):
    _, columns = fit(pa.table({"d": pa.array(times, pa.timestamp("us"))}), date=("d",))
    if "d.weekday" in columns:
        assert columns["d.weekday"].tolist() == [time.weekday() for time in times]
    if "d.hour" in columns:
        hours = [
            (time - time.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 3600
            for time in times
        ]
        np.testing.assert_allclose(columns["d.hour"], np.float32(hours), atol=1e-5)
    # Of dates that share one of the two the other alone is left.
    if {"d.year.sin", "d.year.cos"} <= columns.keys():
        angle = np.arctan2(columns["d.year.sin"], columns["d.year.cos"]) % (2 * np.pi)
        days = [time.timetuple().tm_yday - 1 for time in times]
        assert np.abs(angle / (2 * np.pi) * 365.5 - days).max() < 1.5


def test_days_alone_have_no_hours_and_a_year_no_season():
    days = [datetime.datetime(2024, 1, 1) + datetime.timedelta(days=i) for i in range(300)]
    space, _ = fit(pa.table({"d": pa.array(days, pa.timestamp("us"))}), date=("d",))
    assert space.names == ("d.days", "d.weekday")


def test_tags_become_indicators_and_a_count():
    lists = [["a", "b"], ["a"], [], None, ["a", "a", None, "new"], ["b", "c"]]
    table = pa.table({"g": pa.array(lists * 20, pa.list_(pa.string()))})
    space, columns = fit(table.slice(0, 100), tags=("g",))
    assert space.names == ("g.a", "g.b", "g.c", "g.new", "g.count")
    assert [values[:6].tolist() for values in list(columns.values())[:2]] == [
        [1, 1, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 1],
    ]
    count = space.transform(table)[:6, -1]
    assert np.isnan(count[3])
    assert np.delete(count, 3).tolist() == [2, 1, 0, 2, 2]
    later = space.transform(pa.table({"g": pa.array([["unseen", "b"]], pa.list_(pa.string()))}))
    assert later.tolist() == [[0, 1, 0, 0, 2]]


def test_only_the_commonest_tags_have_a_column():
    rng = np.random.default_rng(0)
    lists = [[f"t{i}" for i in np.flatnonzero(rng.random(200) < 1 / np.arange(2, 202))] for _ in range(500)]
    space, columns = fit(pa.table({"g": pa.array([["all", *tags] for tags in lists])}), tags=("g",))
    assert len(space.names) == MOST_TAGS + 1
    assert "g.all" not in columns
    assert "g.t0" in columns


def test_a_column_of_another_type_is_named():
    table = pa.table({"d": ["2024-05-01"], "g": ["a"]})
    with pytest.raises(UsageError, match="'d' is declared as a date but is string"):
        fit(table, date=("d",))
    with pytest.raises(UsageError, match="'g' is declared as tags but is string"):
        fit(table, tags=("g",))


# -- whatever comes -----------------------------------------------------------------------------------------

WORDS = st.text(max_size=6) | st.sampled_from(["a", "b", "c"])
VALUES = {
    "text": st.text(max_size=20),
    "numeric": st.floats(),
    "categorical": WORDS,
    "embedding": st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2),
    "date": st.datetimes(),
    "tags": st.lists(WORDS | st.none(), max_size=4),
}
TYPES = Columns("id", **{kind: (kind,) for kind in FEATURE_KINDS}, dimensions=(2,)).schema(FEATURE_KINDS)


@st.composite
def tables(draw, least: int = 1):
    rows = draw(st.integers(least, 55))
    column = {
        kind: draw(st.lists(st.none() | one, min_size=rows, max_size=rows)) for kind, one in VALUES.items()
    }
    return pa.table(column, schema=TYPES)


@given(
    tables(),
    tables(0),
    st.lists(st.integers(0, 60), max_size=3),
    st.sets(st.sampled_from(FEATURE_KINDS), min_size=1),
)
@settings(max_examples=25, deadline=None)
def test_any_table_becomes_a_matrix_of_fixed_width(sample, later, cuts, kinds):
    columns = Columns(
        "id", **{kind: (kind,) for kind in kinds}, dimensions=(2,) if "embedding" in kinds else ()
    )
    try:
        space = fit_space(sample, columns, seed=0, text_dimensions=3)
    except UsageError:  # no column tells the items apart
        return
    again = FeatureSpace.from_bytes(space.to_bytes())
    assert again.digest == space.digest
    for table in (sample, later):
        matrix = space.transform(table)
        assert matrix.dtype == np.float32
        assert matrix.shape == (table.num_rows, len(space.names))
        assert not np.isinf(matrix).any()
        assert np.isfinite(space.embed(matrix)).all()
        ends = [0, *sorted(min(cut, table.num_rows) for cut in cuts), table.num_rows]
        parts = [again.transform(table.slice(a, b - a)) for a, b in pairwise(ends)]
        np.testing.assert_array_equal(np.vstack(parts), matrix)


@given(tables(2), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_vocabularies_do_not_depend_on_the_order_of_rows(sample, random):
    kinds = {kind: (kind,) for kind in ("numeric", "categorical", "date", "tags")}
    order = random.sample(range(sample.num_rows), sample.num_rows)
    try:
        space = fit_space(sample, Columns("id", **kinds), seed=0)
    except UsageError:
        return
    other = fit_space(sample.take(pa.array(order)), Columns("id", **kinds), seed=0)
    assert [block.to_parts() for block in other.blocks] == [block.to_parts() for block in space.blocks]
