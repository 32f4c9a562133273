import datetime

import pyarrow as pa
import pytest

from tasks.errors import PoolRejected
from tasks.pool.schema import Columns, resolve_columns
from tasks.pool.spec import PoolSpec

N = 100


def spec(**kwargs) -> PoolSpec:
    return PoolSpec("s3://pool/x/", "id", ("t",), **kwargs)


def sample(**columns):
    ids = pa.array([f"item-{i}" for i in range(N)])
    return {"id": ids, "t": pa.array([f"some words of item {i}" for i in range(N)]), **columns}


def test_auto_by_types():
    columns = resolve_columns(
        sample(
            i=pa.array([i % 7 for i in range(N)]),
            f=pa.array([i / 7 for i in range(N)]),
            b=pa.array([i % 2 == 0 for i in range(N)]),
            at=pa.array([datetime.datetime(2024, 1, 1 + i % 20) for i in range(N)]),
            e=pa.array([[0.5, float(i), 1.0] for i in range(N)]),
            fixed=pa.array([[0.5, 1.0]] * N, pa.list_(pa.float32(), 2)),
            ragged=pa.array([[1.0] * (1 + i % 3) for i in range(N)]),
            s=pa.array([{"a": i} for i in range(N)]),
            same=pa.array([["a", "b"]] * N),
            words=pa.array([["a", "b"][: i % 3] for i in range(N)]),
            numbers=pa.array([list(range(i % 3)) for i in range(N)]),
            row=pa.array(range(N)),
            day=pa.array([datetime.date(2024, 1, 1 + i % 20) for i in range(N)]),
            image=pa.array([b"\xff\xfe%d" % i for i in range(N)]),
            nothing=pa.nulls(N),
            constant=pa.array(["same"] * N),
        ),
        spec(),
    )
    assert columns == Columns(
        "id",
        text=("t",),
        numeric=("i", "f", "b"),
        embedding=("e", "fixed"),
        payload=("t",),
        dimensions=(3, 2),
        date=("at", "day"),
        tags=("words", "numbers"),
    )


def test_auto_by_values_of_strings():
    columns = resolve_columns(
        sample(
            colour=pa.array(["red", "blue", None, "green"] * (N // 4)),
            code=pa.array([f"x{i}" for i in range(N)]),
            long=pa.array(["a" * 80, "b" * 80] * (N // 2)),
            encoded=pa.array(["u", "v"] * (N // 2)).dictionary_encode(),
        ),
        spec(),
    )
    assert columns.categorical == ("colour", "encoded")
    assert columns.text == ("t", "long")


def test_numbers_in_csv_are_found_but_codes_are_not():
    cells = sample(
        age=pa.array(["31", "", "4.5", "NA"] * (N // 4)),
        zip=pa.array(["01234", "99999"] * (N // 2)),
    )
    columns = resolve_columns(cells, spec(), typed=False)
    assert columns.numeric == ("age",)
    assert columns.categorical == ("zip",)
    assert resolve_columns(cells, spec()).numeric == ()


def test_ignored_columns_are_no_features():
    columns = resolve_columns(sample(label=pa.array(["a", "b"] * 50)), spec(ignore=("label",)))
    assert columns.features == ("t",)


def test_named_columns_are_taken_as_named():
    columns = resolve_columns(sample(i=pa.array(range(N))), spec(categorical=("i",)))
    assert columns.features == ("i",)
    assert columns.names == ("id", "i", "t")
    assert columns.kind("t") == "payload"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"numeric": ("age",)}, "column 'age' of the campaign is not in the pool, which has id, t"),
        ({"embedding": ("t",)}, "embedding column 't' has no lists of numbers"),
        ({"ignore": ("t",)}, "no column to learn from"),
    ],
)
def test_refusals(kwargs, message):
    with pytest.raises(PoolRejected, match=message):
        resolve_columns(sample(), spec(**kwargs))
