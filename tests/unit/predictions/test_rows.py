"""What counts as predictions, and what is said of all else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.predictions.rows import BadRow, ids_of, probabilities
from tasks.predictions.spec import PredictionSpec
from tasks.strategies.rows import proxy_of_rows

ONE = PredictionSpec("u", "id", ("a", "b", "c"))
COLUMNS = PredictionSpec("u", "id", ("a", "b", "c"), columns=("pa", "pb", "pc"))
MANY = PredictionSpec("u", "id", ("a", "b"), aggregate="mean", measure="entropy")

weights = st.lists(st.floats(0.0009765625, 1, width=32), min_size=3, max_size=3)


def rows_of(n: list[list[float]]) -> np.ndarray:
    values = np.array(n, np.float64).reshape(-1, 3)
    return values / values.sum(axis=1, keepdims=True)


@given(st.lists(weights, max_size=20))
def test_all_forms_of_the_same_probabilities_are_read_alike(drawn: list[list[float]]) -> None:
    rows = rows_of(drawn)
    lists = pa.array(rows.tolist(), pa.list_(pa.float64()))
    found = probabilities([lists], ONE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, rows, atol=1e-6)
    forms: list[tuple[list[Any], PredictionSpec]] = [
        ([lists.cast(pa.large_list(pa.float64()))], ONE),
        ([lists.cast(pa.list_(pa.float64(), 3))], ONE),
        ([pa.array([json.dumps(row) for row in rows.tolist()], pa.string())], ONE),
        ([pa.chunked_array([lists]).combine_chunks()], ONE),
        ([pa.array(column) for column in rows.T], COLUMNS),
        ([[repr(value) for value in column.tolist()] for column in rows.T], COLUMNS),
    ]
    if len(rows):
        forms.append(([rows.tolist()], ONE))
    for values, spec in forms:
        np.testing.assert_array_equal(probabilities(values, spec), found)


@given(st.lists(weights, min_size=1, max_size=20), st.data())
def test_any_part_of_an_array_is_read_as_by_itself(drawn: list[list[float]], data: st.DataObject) -> None:
    lists = pa.array(rows_of(drawn).tolist())
    whole = probabilities([lists], ONE)
    start = data.draw(st.integers(0, len(drawn) - 1))
    np.testing.assert_array_equal(probabilities([lists.slice(start)], ONE), whole[start:])


@given(st.lists(st.lists(weights, max_size=4), min_size=1, max_size=10), st.data())
def test_several_rows_become_how_unsure_they_are(drawn: list[list[list[float]]], data: st.DataObject) -> None:
    boxes = [rows_of(item).tolist() if item else [] for item in drawn]
    start = data.draw(st.integers(0, len(boxes) - 1))
    array = pa.array(boxes, pa.list_(pa.list_(pa.float64())))
    found = probabilities([array], MANY)
    assert found.shape == (len(boxes), 2)
    np.testing.assert_array_equal(probabilities([array.slice(start)], MANY), found[start:])
    for item, row in zip(boxes, found, strict=True):
        flat = np.array(item, np.float64).reshape(-1, 3)
        (wanted,) = proxy_of_rows(flat, [0, len(flat)], measure="entropy", how="mean")
        np.testing.assert_allclose(row, wanted, atol=1e-6)
    if any(boxes):
        np.testing.assert_array_equal(probabilities([boxes], MANY), found)


WRONG: list[tuple[Any, PredictionSpec, int, str]] = [
    ([[1, 0, 0], [2.0, -1.0, 0.5]], ONE, 1, "holds -1; probabilities are wanted, and these look like logits"),
    ([[0.5, 0.3, 0.2], [1.6, 1.6, 0.0]], ONE, 1, "sums to 3.2: probabilities are wanted"),
    ([[20.0, 30.0, 50.0]], ONE, 0, "these are per cent"),
    (np.log([[0.2, 0.3, 0.5]]).tolist(), ONE, 0, "their logarithms"),
    ([[0.5, 0.5]], ONE, 0, "has 2 probabilities; the campaign has 3 classes"),
    ([[0.5, 0.5, None]], ONE, 0, "holds nan"),
    ([[0.5, 0.5, float("inf")]], ONE, 0, "holds inf"),
    ([[1, 0, 0], None], ONE, 1, "has no probabilities"),
    ([[[0.5, 0.5]]], ONE, 0, "predictions.aggregate says how"),
    ([["a", "b", "c"]], ONE, 0, "a list of probabilities is wanted"),
    ([{"a": 1}], ONE, 0, "a list of probabilities is wanted"),
    ([0.5], ONE, 0, "a list of probabilities is wanted"),
    ([[1.0, 0.0, 0.0]], MANY, 0, "leave predictions.aggregate out"),
    ([[[1.0, 0.0]], None], MANY, 1, "[] is an item in which nothing was found"),
    ([[], [[1.0, 0.0], [0.7, 0.7]]], MANY, 1, "sums to 1.4: probabilities are wanted in its row 2"),
    ([[[1.0, 0.0]], [[0.5, 0.2, 0.3]]], MANY, 1, "all rows have as many"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "spec", "row", "words"), WRONG)
def test_what_is_none_is_named(values: Any, spec: PredictionSpec, row: int, words: str) -> None:
    with pytest.raises(BadRow) as caught:
        probabilities([values], spec)
    assert words in str(caught.value)
    assert caught.value.row == row


def test_rounded_probabilities_pass_and_sum_to_one() -> None:
    found = probabilities([[[0.333, 0.333, 0.333], [0.0, 0.0, 1.0]]], ONE)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    with pytest.raises(BadRow, match=r"sums to 0\.98"):
        probabilities([[[0.98, 0.0, 0.0]]], ONE)


def test_ids_are_those_of_the_pool() -> None:
    assert ids_of(pa.array([7, 8])).to_pylist() == ["7", "8"]
    assert ids_of([7.0, "x"]).to_pylist() == ["7", "x"]
    with pytest.raises(BadRow, match="row 2 has no id"):
        ids_of(["x", None])
    with pytest.raises(BadRow, match="row 2 has an id that is no text"):
        ids_of(["x", {"a": 1}])
