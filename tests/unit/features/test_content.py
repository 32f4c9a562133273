from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.features.content import content_hash

ROWS = arrays(np.float32, (12, 3), elements=st.sampled_from([0.0, -0.0, 1.0, 2.5, -1.0, np.nan]))


@given(ROWS)
def test_equal_rows_and_no_others_share_a_hash(X):
    plain = [tuple("nan" if np.isnan(v) else float(v) + 0.0 for v in row) for row in X]
    hashes = content_hash(X)
    for one, row in zip(hashes, plain, strict=True):
        assert [int(other) == int(one) for other in hashes] == [other == row for other in plain]


def test_columns_have_their_place():
    assert content_hash(np.array([[1, 2]], np.float32)) != content_hash(np.array([[2, 1]], np.float32))
    assert content_hash(np.zeros((0, 3), np.float32)).shape == (0,)
