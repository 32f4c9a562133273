"""Dates and lists of categories, however they are written."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pool.cast import cast_array, cast_values

MAY = datetime.datetime(2024, 5, 1, 10, 30)
DAY = datetime.datetime(2024, 5, 1)
SECONDS = int(MAY.replace(tzinfo=datetime.UTC).timestamp())


def cast(array, kind):
    found, wrong = cast_array(array, kind)
    assert found.type == (pa.timestamp("us") if kind == "date" else pa.list_(pa.string()))
    return found.to_pylist(), [] if wrong is None else np.flatnonzero(wrong).tolist()


@pytest.mark.parametrize(
    ("array", "times", "wrong"),
    [
        (pa.array([MAY, None]), [MAY, None], []),
        (pa.array([MAY], pa.timestamp("ns")), [MAY], []),
        (pa.array([MAY.replace(tzinfo=datetime.UTC)], pa.timestamp("s", "Europe/Berlin")), [MAY], []),
        (pa.array([DAY.date(), None]), [DAY, None], []),
        (pa.array([DAY.date()], pa.date64()), [DAY], []),
        (pa.array(["2024-05-01", "NA", "", None, " 2024-05-01T10:30 "]), [DAY, None, None, None, MAY], []),
        (pa.array(["2024-05-01T12:30:00+02:00", "2024-05-01T10:30:00Z", "2024-05-01"]), [MAY, MAY, DAY], []),
        (pa.array(["20240501", "soon", "2024-02-30", "0000-01-01"]), [DAY, None, None, None], [1, 2, 3]),
        (pa.array([SECONDS, SECONDS * 1_000, SECONDS * 10**6, SECONDS * 10**9]), [MAY] * 4, []),
        (pa.array([str(SECONDS), f"{SECONDS}000", f"{SECONDS}.0"]), [MAY] * 3, []),
        (pa.array([float(SECONDS), np.nan, np.inf]), [MAY, None, None], []),
        (pa.array([10**18], pa.timestamp("s")), [None], [0]),
        (pa.array([2**31 - 1], pa.int32()).cast(pa.date32()), [None], [0]),
        (pa.array([True, None]), [None, None], [0]),
        (pa.array([[1]]), [None], [0]),
        (pa.nulls(1), [None], []),
    ],
)
def test_times(array, times, wrong):
    assert cast(array, "date") == (times, wrong)


@pytest.mark.parametrize(
    ("array", "tags", "wrong"),
    [
        (pa.array([["a", "b"], None, []]), [["a", "b"], None, []], []),
        (pa.array([["x"], ["a", None], None]).slice(1), [["a", None], None], []),
        (pa.array([["a"]], pa.large_list(pa.large_string())), [["a"]], []),
        (pa.array([["a"], None], pa.list_(pa.string(), 1)), [["a"], None], []),
        (pa.array([["a"]], pa.list_(pa.dictionary(pa.int8(), pa.string()))), [["a"]], []),
        (pa.array([[1, 2], [3]]), [["1", "2"], ["3"]], []),
        (pa.array([[1.0, 2.5]]), [["1", "2.5"]], []),
        (pa.array([[b"a"], [b"\xff"], [b"b"]]), [["a"], [None], ["b"]], [1]),
        (pa.array([[[1]], None]), [None, None], [0]),
        (pa.array([{"a": 1}]), [None], [0]),
        (
            pa.array(["a|b, c", "a; b,c", "a,,b ", "solo", "", None]),
            [["a", "b, c"], ["a", "b,c"], ["a", "b"], ["solo"], None, None],
            [],
        ),
        (
            pa.array(['["x", 1, 2.0, true, null]', "[]", "[1", '[{"a": 1}]']),
            [["x", "1", "2", "true"], [], None, None],
            [2, 3],
        ),
        (pa.array([7, None]), [["7"], None], []),
    ],
)
def test_tags(array, tags, wrong):
    assert cast(array, "tags") == (tags, wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(JSON, max_size=6), st.sampled_from(["date", "tags"]))
def test_any_json_is_cast_or_marked(values, kind):
    array, wrong = cast_values(values, kind)
    assert len(array) == len(values)
    marked = np.zeros(len(values), dtype=bool) if wrong is None else wrong
    for value, bad in zip(values, marked, strict=True):
        assert not (bad and value is None)
        assert bad or not isinstance(value, dict)


@given(st.lists(st.datetimes() | st.none(), min_size=1))
def test_written_times_are_read_as_typed_ones(times):
    written = pa.array([None if time is None else time.isoformat() for time in times], pa.string())
    assert cast(written, "date") == cast(pa.array(times, pa.timestamp("us")), "date") == (times, [])
