import datetime
import json
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pool.cast import cast_array, cast_values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def cast(values, kind, dimension=0):
    array, wrong = cast_array(values, kind, dimension)
    return array.to_pylist(), [] if wrong is None else np.flatnonzero(wrong).tolist()


@pytest.mark.parametrize(
    ("array", "ids", "wrong"),
    [
        (pa.array(["007", None, " "]), ["007", None, " "], []),
        (pa.array([7, None]), ["7", None], []),
        (pa.array([7.0, 2.5, None, math.nan]), ["7", None, None, None], [1]),
        (pa.array([True, None]), [None, None], [0]),
        (pa.array([Decimal("7.00"), Decimal("7.50")]), ["7", None], [1]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"], []),
        (pa.array([b"a", b"\xff"]), ["a", None], [1]),
        (pa.array([[1]]), [None], [0]),
        (pa.nulls(2), [None, None], []),
    ],
)
def test_ids(array, ids, wrong):
    text, found = cast(array, "id")
    assert found == wrong
    assert [value for at, value in enumerate(text) if at not in wrong] == [
        value for at, value in enumerate(ids) if at not in wrong
    ]


@pytest.mark.parametrize(
    ("array", "numbers", "wrong"),
    [
        (pa.array(["1", " 2.5 ", "NA", "", None, "1e3"]), [1, 2.5, None, None, None, 1000], []),
        (pa.array(["1", "x", "1_000", "-inf", "+3"]), [1, None, None, None, 3], [1, 2]),
        (pa.array([True, False, None]), [1, 0, None], []),
        (pa.array([datetime.datetime(1970, 1, 2), None]), [86_400, None], []),
        (pa.array([datetime.date(1970, 1, 3)]), [172_800], []),
        (pa.array([1_500], pa.duration("ms")), [1.5], []),
        (pa.array([math.inf, 2.0]), [None, 2], []),
        (pa.array([Decimal("1.25")]), [1.25], []),
        (pa.array([np.float16(0.5)]), [0.5], []),
        (pa.array([{"a": 1}, None]), [None, None], [0]),
    ],
)
def test_numbers(array, numbers, wrong):
    values, found = cast(array, "numeric")
    assert found == wrong
    assert [None if math.isnan(value) else value for value in values] == numbers


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2), pa.list_(pa.int16())],
)
def test_vectors_of_any_list_type(kind):
    vectors, wrong = cast(pa.array([[1, 2], None, [3, 4]], kind), "embedding", 2)
    assert vectors == [[1, 2], None, [3, 4]]
    assert wrong == []


def test_vectors_that_do_not_fit():
    array = pa.array([[1.0, 2.0], [1.0], [1.0, None], [1.0, math.nan], [1e300, 1.0], [], None])
    vectors, wrong = cast(array, "embedding", 2)
    assert vectors[0] == [1, 2]
    assert wrong == [1, 2, 3, 4, 5]


def test_vectors_as_text():
    vectors, wrong = cast(pa.array(["[1, 2]", "[1]", "x", None]), "embedding", 2)
    assert vectors[0] == [1, 2]
    assert wrong == [1, 2]


def test_slices_are_cast_like_whole_arrays():
    array = pa.array([[9.0, 9.0], [1.0, 2.0], None, [3.0]]).slice(1)
    assert cast(array, "embedding", 2)[0][0] == [1, 2]
    assert cast(array, "embedding", 2)[1] == [2]


def test_payload_is_shown_as_text():
    values = ["plain", 3, 3.0, True, None, {"b": [1, "ä"]}]
    text, wrong = cast_values(values, "payload")
    assert text.to_pylist() == ["plain", "3", "3", "true", None, '{"b": [1, "ä"]}']
    assert wrong is None


@given(
    st.lists(JSON, max_size=6),
    st.sampled_from(["id", "text", "numeric", "categorical", "embedding", "payload"]),
)
def test_any_json_is_cast_or_marked(values, kind):
    array, wrong = cast_values(values, kind, 2)
    assert len(array) == len(values)
    marked = np.zeros(len(values), dtype=bool) if wrong is None else wrong
    for value, result, bad in zip(values, array.to_pylist(), marked, strict=True):
        if value is None:
            assert not bad
        if isinstance(value, str) and kind in ("id", "text", "categorical", "payload"):
            assert bad or result == value
        if isinstance(value, dict) and kind != "payload":
            assert bad
        if isinstance(value, list) and kind == "payload" and not bad:
            assert json.dumps(value, ensure_ascii=False) == result


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.text(max_size=3) | st.none(), min_size=1))
def test_mixed_ids_are_cast_by_value(values):
    array, wrong = cast_values(values, "id")
    assert wrong is None
    assert array.to_pylist() == [None if value is None else str(value) for value in values]
