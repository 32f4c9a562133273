"""Columns that give the label away are found, and good ones are not taken for them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.features.leakage import leaks
from tasks.pool.schema import Columns

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 200)
THREE = RNG.integers(0, 3, 200)


def found(values, y=Y, kind="categorical", **kwargs):
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return leaks(pa.table({"x": array}), y, Columns("id", **{kind: ("x",)}), **kwargs)


def flipped(y: np.ndarray, count: int) -> np.ndarray:
    other = y.copy()
    other[:count] = 1 - other[:count]
    return other


@pytest.mark.parametrize(
    ("kind", "values", "y", "how"),
    [
        ("categorical", [f"paid{i}" for i in Y], Y, "values"),
        ("categorical", [f"c{i}" for i in flipped(Y, 1)], Y, "values"),
        ("categorical", ["refund" if i else None for i in Y], Y, "values"),
        ("categorical", [f"{i}-{j % 4}" for j, i in enumerate(THREE)], THREE, "values"),
        ("text", [["we refused it", "we paid for it"][i] for i in Y], Y, "values"),
        ("tags", [["closed", "x"] if i else ["x"] for i in Y], Y, "values"),
        ("numeric", Y.astype(float), Y, "values"),
        ("numeric", [1.0 if i else None for i in Y], Y, "values"),
        ("numeric", Y * 5 + RNG.random(200), Y, "thresholds"),
        ("numeric", -THREE + 0.9 * RNG.random(200), THREE, "thresholds"),
        ("numeric", np.where(Y, np.nan, RNG.random(200)), Y, "thresholds"),
        (
            "date",
            pa.array((Y * 10**12 + RNG.integers(0, 10**11, 200)).tolist()).cast(pa.timestamp("us")),
            Y,
            "thresholds",
        ),
    ],
)
def test_columns_that_equal_the_label(kind, values, y, how):
    (leak,) = found(values, y, kind)
    assert (leak.column, leak.how, leak.items) == ("x", how, 200)
    assert leak.share > 0.99
    assert f"{leak.right} of 200 items" in str(leak)


@pytest.mark.parametrize(
    ("kind", "values", "y"),
    [
        ("categorical", [f"c{i}" for i in flipped(Y, 6)], Y),  # 97 %
        ("categorical", [f"id{i}" for i in range(200)], Y),  # each value once
        ("categorical", [f"id{i // 2}" for i in range(200)], np.repeat(Y[:100], 2)),  # pairs
        ("categorical", ["a", "b"] * 100, np.array([0] * 199 + [1])),  # nearly all of one class
        ("categorical", ["a"] * 200, np.zeros(200, int)),  # one class alone
        ("categorical", [f"c{i}" for i in RNG.integers(0, 5, 200)], Y),
        ("numeric", RNG.random(200), Y),
        ("numeric", Y * 2 + RNG.normal(size=200), Y),
        ("numeric", np.full(200, np.nan), Y),
        ("embedding", pa.FixedSizeListArray.from_arrays(pa.array(Y.astype(np.float32)), 1), Y),
    ],
)
def test_columns_that_do_not(kind, values, y):
    assert found(values, y, kind) == ()


def test_few_labels_prove_nothing():
    assert found([f"c{i}" for i in Y[:29]], Y[:29]) == ()
    assert len(found([f"c{i}" for i in Y[:30]], Y[:30])) == 1
    assert found([f"c{i}" for i in Y[:30]], Y[:30], least=31) == ()
    assert found([], Y[:0]) == ()
    numbers = Y * 5 + RNG.random(200)
    assert found(numbers[:59], Y[:59], "numeric") == ()
    assert len(found(numbers[:60], Y[:60], "numeric")) == 1


def test_the_surest_comes_first():
    table = pa.table(
        {"a": flipped(Y, 1).astype(str), "b": Y.astype(str), "c": RNG.permutation(Y).astype(str)}
    )
    assert [leak.column for leak in leaks(table, Y, Columns("id", categorical=("a", "b", "c")))] == ["b", "a"]


def test_table_and_labels_of_different_length_are_refused():
    with pytest.raises(UsageError, match="200 rows, but 199 labels"):
        found(["a"] * 200, Y[1:])


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 300))
@settings(max_examples=40, deadline=None)
def test_chance_is_no_leak(seed, classes, values):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, 150)
    table = pa.table({"c": rng.integers(0, values, 150).astype(str), "n": rng.normal(size=150)})
    assert leaks(table, y, Columns("id", categorical=("c",), numeric=("n",))) == ()
