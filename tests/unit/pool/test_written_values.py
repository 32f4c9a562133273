"""Values that formats without types write as text, and ids that no database keeps."""

import io
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.pool.cast import cast_array
from tasks.pool.decode import REASONS, decode_rows
from tasks.pool.schema import Columns


@settings(deadline=None)
@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1))
def test_times_written_as_text_are_the_times(times):
    typed, _ = cast_array(pa.array(times, pa.timestamp("us", "UTC")), "numeric")
    written, wrong = cast_array(pa.array([time.isoformat() for time in times]), "numeric")
    assert wrong is None
    np.testing.assert_allclose(written.to_numpy(), typed.to_numpy(), rtol=0, atol=1e-3)


def test_booleans_dates_and_numbers_may_be_mixed():
    values, wrong = cast_array(pa.array(["true", "False", "2.5", "2024-01-02", "", "red"]), "numeric")
    day = datetime(2024, 1, 2, tzinfo=UTC).timestamp()
    np.testing.assert_array_equal(values.to_numpy()[:5], [1, 0, 2.5, day, np.nan])
    assert wrong.tolist() == [False] * 5 + [True]


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_an_id_with_nul_is_set_aside(form):
    ids = ["a", "b\x00c", "d"]
    file = io.BytesIO()
    if form == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"id": ids}), file)
    elif form == "csv":
        file.write(("id\n" + "\n".join(ids) + "\n").encode())
    else:
        file.write(b'{"id": "a"}\n{"id": "b\\u0000c"}\n{"id": "d"}\n')
    file.seek(0)
    (rows,) = decode_rows(file, form, Columns("id"), ["id"])
    assert [REASONS[code] for code in rows.codes] == ["usable", "wrong type", "usable"]
    assert rows.explain(1) == "column 'id' is 'b\\x00c'"
