import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pool.sampling import BottomK, IdSet, hash_ids, purpose_key

GOLDEN = [3153833648948353158, 14634059415991762717, 15338870714021403105, 10754925320446290585]
GOLDEN_KEY = 11369751890996666253
IDS = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=60)


def table(ids: list[str]) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.string())})


def draw(ids: list[str], k: int, key: int = 7, exclude: IdSet | None = None) -> list[str]:
    rows = BottomK(k, key, exclude=exclude).update(ids, table(ids)).result()
    return rows["id"].to_pylist()


def test_hashes_never_change():
    assert hash_ids(["a", "b", "spam/0001", "ä"], 7).tolist() == GOLDEN
    assert purpose_key(7, "audit") == GOLDEN_KEY


def test_hashes_do_not_depend_on_the_container():
    ids = ["x", "y", "z"]
    expected = hash_ids(ids, 1).tolist()
    for form in (
        np.array(ids, dtype=object),
        np.array(ids),
        pa.array(ids),
        pa.chunked_array([["x"], ["y", "z"]]),
    ):
        assert hash_ids(form, 1).tolist() == expected
    assert hash_ids(pa.array(ids, pa.large_string()), 1).tolist() == expected


def test_hashes_are_uniform_and_keys_independent():
    ids = [str(i) for i in range(20_000)]
    first, second = (hash_ids(ids, key) / 2.0**64 for key in (1, 2))
    for hashes in (first, second):
        counts = np.histogram(hashes, bins=20, range=(0, 1))[0]
        assert ((counts - 1_000) ** 2 / 1_000).sum() < 60  # chi-square, 19 degrees: p < 1e-5
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.04


@given(IDS, st.integers(0, 20), st.randoms())
def test_draw_does_not_depend_on_order(ids, k, random):
    shuffled = random.sample(ids, len(ids))
    assert draw(ids, k) == draw(shuffled, k)


@given(IDS, st.integers(1, 20), st.lists(st.integers(0, 60), max_size=4))
def test_merged_shards_equal_the_whole(ids, k, cuts):
    bounds = [0, *sorted(min(cut, len(ids)) for cut in cuts), len(ids)]
    merged = BottomK(k, 7)
    for start, stop in itertools.pairwise(bounds):
        part = ids[start:stop]
        merged.merge(BottomK(k, 7).update(part, table(part)))
    whole = BottomK(k, 7).update(ids, table(ids))
    assert merged.result().equals(whole.result())
    assert (merged.threshold, merged.seen) == (whole.threshold, whole.seen)


@given(IDS, st.integers(0, 10), st.integers(0, 10))
def test_smaller_k_is_a_subset(ids, k, more):
    assert draw(ids, k) == draw(ids, k + more)[:k]


@given(IDS, IDS, st.integers(1, 20))
def test_excluded_ids_are_never_drawn(ids, excluded, k):
    rest = [value for value in ids if value not in set(excluded)]
    assert draw(ids, k, exclude=IdSet(excluded)) == draw(rest, k)


@given(IDS, IDS)
def test_membership(members, others):
    assert IdSet(members).contains(others).tolist() == [value in set(members) for value in others]


def test_inclusion_probability_is_the_share_drawn():
    ids = [str(i) for i in range(400)]
    drawn = np.zeros(400)
    for key in range(300):
        sample = BottomK(40, key).update(ids, table(ids))
        drawn[[int(value) for value in sample.result()["id"].to_pylist()]] += 1
    assert sample.inclusion_probability() == 0.1
    assert drawn.sum() == 40 * 300
    assert drawn.std() == pytest.approx(np.sqrt(300 * 0.1 * 0.9), rel=0.2)  # binomial
    assert sample.inclusion_probability(20) == 1.0


def test_memory_stays_with_k():
    sample = BottomK(10, 3)
    for start in range(0, 50_000, 5_000):
        ids = [str(i) for i in range(start, start + 5_000)]
        sample.update(ids, pa.table({"id": ids, "text": ["x" * 1_000] * 5_000}))
    assert sample.result().num_rows == 10
    assert sample.result().get_total_buffer_size() < 20_000


def test_samples_of_other_keys_do_not_merge():
    with pytest.raises(ValueError, match="equal size and key"):
        BottomK(3, 1).merge(BottomK(3, 2))
