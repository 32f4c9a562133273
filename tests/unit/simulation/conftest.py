"""Small labelled data."""

import numpy as np
import pyarrow as pa
import pytest

from tasks.features import fit_space
from tasks.pool.schema import Columns
from tasks.simulation import LabelledData


def blobs(n, n_classes=2, share=0.5, seed=0):
    """Two columns in which class 0 has 1 - share of the items, and the others the rest."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < share, rng.integers(1, n_classes, n), 0)
    y[: 2 * n_classes] = np.repeat(np.arange(n_classes), 2)
    table = pa.table({"a": rng.normal(y, 0.7), "b": rng.normal(-y, 0.7)})
    space = fit_space(table, Columns("id", numeric=("a", "b")), seed=0)
    ids = np.array([f"item-{i}" for i in range(n)], object)
    return LabelledData(ids, space.transform(table), y, tuple(f"c{i}" for i in range(n_classes)), space)


@pytest.fixture(scope="session")
def data():
    return blobs(90)
