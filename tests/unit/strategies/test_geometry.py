import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.errors import UsageError
from tasks.strategies.candidates import Candidates
from tasks.strategies.geometry import (
    finite,
    hash_order,
    known_rows,
    mean_row,
    one_each,
    partition,
    squared_distances,
)


def rows(n: int, width: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


@pytest.mark.parametrize(("bad", "words"), [(np.nan, "NaN"), (np.inf, "infinity"), (-1e30, "beyond 1e\\+17")])
def test_what_has_no_distance_is_refused(bad, words):
    X = rows(6)
    X[3, 2] = bad
    with pytest.raises(UsageError, match=f"known_features.*{words}"):
        finite(X, "known_features")


def test_no_rows_are_finite():
    assert finite(np.zeros((0, 3)), "features").shape == (0, 3)


def test_known_rows_do_not_depend_on_their_order():
    X = np.repeat(rows(4), [1, 3, 2, 1], axis=0)
    for distinct, count in ((True, 4), (False, 7)):
        one = known_rows(Candidates(ids=["a"], known_features=X), 5, distinct=distinct)
        other = known_rows(Candidates(ids=["a"], known_features=X[::-1]), 5, distinct=distinct)
        assert len(one) == count
        assert np.array_equal(one, other)
    assert known_rows(Candidates(ids=["a"]), 5).shape == (0, 5)


def test_hash_order_follows_the_ids():
    ids = np.array([f"item-{n}" for n in range(50)], object)
    mixed = np.random.default_rng(0).permutation(50)
    assert list(ids[hash_order(ids, 3)]) == list(ids[mixed][hash_order(ids[mixed], 3)])
    assert list(hash_order(ids, 3)) != list(hash_order(ids, 4))


def test_distances_have_the_same_bits_wherever_a_row_stands():
    X, others = rows(70_001, 21), rows(70_001, 21, seed=1)
    mixed = np.random.default_rng(2).permutation(len(X))
    for other in (others, others[0]):
        found = squared_distances(X, other)
        again = squared_distances(X[mixed], other if other.ndim == 1 else other[mixed])
        assert np.array_equal(found[mixed], again)
        np.testing.assert_allclose(found, np.square(X.astype(float) - other).sum(axis=1), rtol=1e-5)


@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.floats(-1e6, 1e6, width=32)
    ),
    st.randoms(use_true_random=False),
)
def test_a_mean_has_the_same_bits_in_any_order(X, random):
    order = list(range(len(X)))
    random.shuffle(order)
    assert np.array_equal(mean_row(X), mean_row(X[order]))
    np.testing.assert_allclose(mean_row(X), X.astype(float).mean(axis=0), rtol=1e-9, atol=1e-9)


# --- partition ---


@pytest.mark.parametrize("full_pass", [1e12, 1])
def test_each_row_belongs_to_the_nearest_centre(full_pass):
    X = rows(400)
    clusters, centres, distances = partition(X, 12, 3, full_pass=full_pass)
    every = np.square(X[:, None].astype(float) - centres).sum(axis=2)
    assert centres.shape == (12, 5)
    np.testing.assert_allclose(distances, every.min(axis=1), rtol=1e-4)
    np.testing.assert_allclose(distances, every[np.arange(400), clusters], rtol=1e-4)


@pytest.mark.parametrize("k", [3, 7])
def test_no_more_distinct_rows_than_clusters_are_clusters_each(k):
    X = np.repeat(rows(3), [500, 2, 1], axis=0)
    clusters, centres, distances = partition(X, k, 0)
    assert np.array_equal(centres[clusters], X)
    assert len(centres) == 3
    assert not distances.any()


@pytest.mark.parametrize("full_pass", [1e12, 1])
def test_weights_draw_the_centre(full_pass):
    X = np.array([[0], [1], [2], [10]], np.float32)
    _, even, _ = partition(X, 1, 0, full_pass=full_pass)
    _, drawn, _ = partition(X, 1, 0, np.array([0, 0, 0, 5], np.float32), full_pass=full_pass)
    assert even[0, 0] == pytest.approx(3.25, abs=0.5)
    assert drawn[0, 0] == pytest.approx(10, abs=1e-3)


def test_weights_of_zero_everywhere_count_alike():
    X = rows(60)
    plain, zero = partition(X, 5, 0), partition(X, 5, 0, np.zeros(60, np.float32))
    assert all(np.array_equal(a, b) for a, b in zip(plain, zero, strict=True))


# --- one each ---


@st.composite
def clustered(draw):
    n = draw(st.integers(1, 30))
    clusters = draw(arrays(np.int64, n, elements=st.integers(0, 8)))
    distances = draw(arrays(np.float32, n, elements=st.sampled_from([0.0, 1.0, 2.0, 3.5])))
    return clusters, distances, draw(st.integers(0, n))


@given(clustered())
def test_exactly_k_different_items_come_back(case):
    clusters, distances, k = case
    chosen, numbers = one_each(clusters, distances, k)
    assert len(set(chosen.tolist())) == len(chosen) == k
    assert np.array_equal(numbers, clusters[chosen])
    for number in set(clusters.tolist()):
        mine, own = chosen[numbers == number], np.flatnonzero(clusters == number)
        nearest = own[np.argsort(distances[own], kind="stable")]
        assert list(mine) == list(nearest[: len(mine)]), "a cluster gives its nearest first"
    taken, size = np.bincount(numbers, minlength=9), np.bincount(clusters, minlength=9)
    behind = taken[taken < size]
    assert taken.max(initial=0) <= behind.min(initial=k) + 1, "clusters give in turn"


def test_clusters_come_in_order_of_known_items_then_of_size():
    clusters = np.array([0, 1, 1, 2, 2, 2])
    distances = np.zeros(6, np.float32)
    assert list(one_each(clusters, distances, 3)[1]) == [2, 1, 0]
    assert list(one_each(clusters, distances, 3, np.array([0, 0, 4]))[1]) == [1, 0, 2]


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_one_each_is_close_to_the_best_assignment(seed):
    from scipy.optimize import linear_sum_assignment

    X = rows(200, 3, seed)
    clusters, centres, distances = partition(X, 15, seed)
    chosen, numbers = one_each(clusters, distances, 15)
    cost = np.square(centres[:, None].astype(float) - X).sum(axis=2)
    assert cost[numbers, chosen].sum() <= 1.05 * cost[linear_sum_assignment(cost)].sum() + 1e-6


def test_many_centres_of_many_rows_take_linear_room():
    n, k = 100_000, 10_000
    clusters = np.random.default_rng(0).integers(0, k, n)
    chosen, numbers = one_each(clusters, np.zeros(n, np.float32), k)
    assert len(np.unique(chosen)) == k
    assert len(np.unique(numbers)) == len(np.unique(clusters))
