"""What a column seems to be, and why it is left out."""

from __future__ import annotations

import uuid
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pool.guess import guess
from tasks.pool.schema import resolve
from tasks.pool.spec import PoolSpec

N = 200
COUNTER = "whole numbers that only tell the rows apart"
IDS = "ids, all different"


def shuffled(values):
    return Random(0).sample(values, len(values))


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("row", list(range(N)), COUNTER),
        ("row", [float(i) for i in range(N)], COUNTER),
        ("any", shuffled(list(range(1_000, 1_000 + N))), COUNTER),
        ("customer_id", [i * i + 7 for i in range(N)], COUNTER),
        ("customerId", [i * i + 7 for i in range(N)], COUNTER),
        ("x", [str(uuid.UUID(int=i * 2**90)) for i in range(N)], IDS),
        ("x", [f"INV-2024-{i:05}" for i in range(N)], IDS),
        ("x", ["always"] * N, "always the same"),
        ("x", ["NA", None] * N, "always the same"),
        ("x", [None] * N, "always the same"),
        ("x", [{"a": i} for i in range(N)], "of a type that is not learned from"),
        ("x", [[0.5] * (i % 4) for i in range(N)], "of a type that is not learned from"),
    ],
)
def test_what_is_left_out(name, values, reason):
    found = guess(name, values)
    assert (found.kind, found.reason) == (None, reason)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("numeric", [i * i + 7 for i in range(N)]),  # amounts may all differ
        ("numeric", [*range(N), None]),
        ("numeric", [i / 2 for i in range(N)]),
        ("numeric", list(range(20))),
        ("categorical", [f"user{i % 120}" for i in range(N)]),  # keys that come back
        ("categorical", ["yes", "no"] * N),
        ("text", [chr(97 + i % 26) * (1 + i // 26) + "son" for i in range(N)]),  # names
        ("text", [f"https://example.org/{i}" for i in range(N)]),
        ("text", [f"me{i}@example.org" for i in range(N)]),
        ("text", ["天地玄黃宇宙洪荒" + chr(0x4E00 + i) for i in range(N)]),
        ("text", [str(i + 0.5) for i in range(N)]),
        ("date", [f"2024-{1 + i % 12:02}-01" for i in range(N)]),
        ("date", [f"2024-01-{1 + i % 30:02}T10:00:00+02:00" for i in range(N)] + ["NA", None]),
        ("tags", [["a", "b"][: i % 3] for i in range(N)]),
        ("tags", [["a"], None] * N),
        ("tags", ['["a", "b"]', "[]"] * N),
    ],
)
def test_what_is_learned_from(kind, values):
    assert guess("x", values).kind == kind


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("numeric", ["true", "false", ""]),
        ("numeric", ["Yes", "no"]),
        ("date", ["2024-05-01", "2023-01-31 10:30", "NA"]),
        ("categorical", ["a;b", "b", "a"]),  # a sign between tags is not guessed
        ("categorical", ["2024-05-01", "soon"]),
        (None, [str(i) for i in range(60)]),
    ],
)
def test_cells_of_csv(kind, cells):
    values = pa.array([cell.encode() for cell in cells] * (1 if kind is None else 30))
    assert guess("x", values, typed=False).kind == kind


def test_what_is_left_out_is_said_once_for_each_reason():
    sample = {"id": ["x"], "a": ["same"] * N, "b": [1] * N, "n": list(range(N)), "c": ["u", "v"] * (N // 2)}
    found = resolve(sample, PoolSpec("pool", "id", ("c",)))
    assert found.columns.features == ("c",)
    assert found.notes == (
        "not learned from, always the same: 'a', 'b'",
        f"not learned from, {COUNTER}: 'n'",
    )


SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.datetimes()
    | st.dates()
)


@given(st.lists(SCALAR | st.lists(SCALAR, max_size=3), max_size=30), st.booleans())
def test_any_column_is_guessed(values, typed):
    found = guess("x", values, typed=typed)
    assert (found.kind is None) == bool(found.reason)
