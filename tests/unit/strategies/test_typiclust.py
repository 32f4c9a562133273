import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.strategies import typiclust
from tasks.strategies.candidates import Candidates
from tasks.strategies.typiclust import TypiClust, most_typical


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def make(features, known=None) -> Candidates:
    ids = [f"item-{n}" for n in range(len(features))]
    known = None if known is None else np.asarray(known, np.float32)
    return Candidates(ids=ids, features=np.asarray(features, np.float32), known_features=known)


def choose(candidates: Candidates, k: int):
    return TypiClust().select_explained(candidates, k, rng())


def heaps(*sizes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of heaps far from each other, and the heap of each row."""
    heap = np.repeat(np.arange(len(sizes)), sizes)
    spread = np.random.default_rng(0).normal(size=(len(heap), 3))
    return np.column_stack([heap * 1_000, spread]), heap


def plainly(X, count):
    """Take the most typical of what is left, by the definition."""
    left, taken, worth = list(range(len(X))), [], []
    for _ in range(count):
        rows = X[left].astype(float)
        gaps = np.sqrt(np.square(rows[:, None] - rows).sum(axis=2))
        np.fill_diagonal(gaps, np.inf)
        near = max(1, min(20, len(left) // 2))
        means = np.sort(gaps, axis=1)[:, :near].mean(axis=1)
        typicality = np.where(np.isfinite(means), 1 / (means + 1e-5), 0)
        best = int(typicality.argmax())
        taken.append(left.pop(best))
        worth.append(typicality[best])
    return taken, worth


@settings(max_examples=40)
@given(st.integers(1, 70), st.integers(0, 1000), st.data())
def test_typicality_is_as_defined(n, seed, data):
    X = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    count = data.draw(st.integers(1, n))
    (taken, worth), (plain_taken, plain_worth) = most_typical(X, count), plainly(X, count)
    assert list(taken) == plain_taken
    np.testing.assert_allclose(worth, plain_worth, rtol=1e-6)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 30), st.just(2)), elements=st.sampled_from([0.0, 1.0, 5.0]))
)
def test_copies_are_taken_once_each(X):
    taken, worth = most_typical(X, len(X))
    assert sorted(taken.tolist()) == list(range(len(X)))
    assert np.isfinite(worth).all()
    assert worth[-1] == 0, "an item alone has no neighbours"


def test_taking_in_steps_changes_nothing(monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    whole = most_typical(X, 40)
    monkeypatch.setattr(typiclust, "_TAKEN", 3)
    assert list(most_typical(X, 40)[0]) == list(whole[0])


def test_in_a_large_cluster_a_sample_tells_who_is_typical(monkeypatch):
    monkeypatch.setattr(typiclust, "_NEIGHBOURHOOD", 50)
    X = np.vstack([np.random.default_rng(0).normal(size=(400, 3)), np.full((1, 3), 30.0)]).astype(np.float32)
    taken, _ = most_typical(X, 401)
    assert sorted(taken.tolist()) == list(range(401))
    assert np.abs(X[taken[0]]).max() < 1.5
    assert taken[-1] == 400 or 400 in taken[350:], "the far item comes late"


def test_the_largest_clusters_give_first():
    X, heap = heaps(30, 60, 10, 45)
    found = choose(make(X), 4)
    assert list(heap[found.positions]) == [1, 3, 0, 2]
    assert len(set(found.clusters.tolist())) == 4
    for number, position in enumerate(found.positions):
        own = np.flatnonzero(heap == heap[position])
        assert found.scores[number] == pytest.approx(plainly(X[own].astype(np.float32), 1)[1][0], rel=1e-3)


def test_clusters_with_known_items_give_last():
    X, heap = heaps(30, 60, 10, 45)
    known = X[[np.flatnonzero(heap == 1)[0], np.flatnonzero(heap == 3)[0]]]
    # Six clusters, of which the four heaps take one and more.
    order = heap[choose(make(X, known), 2).positions]
    assert set(order) <= {0, 1, 2, 3}
    far = np.vstack([X, np.column_stack([np.full(8, -9_000), np.random.default_rng(1).normal(size=(8, 3))])])
    known = np.repeat(X[[0]], 3, axis=0)
    assert heap[choose(make(X[heap < 2], known), 1).positions[0]] == 1
    assert choose(make(far, X), 1).positions[0] >= len(X), "only this heap holds nothing known"


def test_small_clusters_give_when_the_large_are_used_up():
    X, heap = heaps(8, 3, 2)
    order = heap[choose(make(X), 13).positions]
    assert list(heap[choose(make(X), 3).positions]) == [0, 0, 0], "clusters of five and fewer are left out"
    assert len(order) == 13


def test_where_all_clusters_are_small_none_is_left_out():
    X, heap = heaps(3, 2, 4, 1)
    found = choose(make(X), 4)
    assert list(heap[found.positions]) == [2, 0, 1, 3]
    assert found.scores[-1] == 0


def test_clusters_give_in_turn_again_and_again():
    X = np.repeat(np.eye(3), [9, 8, 7], axis=0)
    found = choose(make(X), 11)
    assert list(X[found.positions].argmax(axis=1)) == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert len(set(found.positions.tolist())) == 11


def test_there_are_never_more_than_500_clusters(monkeypatch):
    asked = []
    inner = typiclust.partition

    def counting(rows, k, seed):
        asked.append(k)
        return inner(rows, 5, seed)

    monkeypatch.setattr(typiclust, "partition", counting)
    X = np.random.default_rng(0).normal(size=(700, 2))
    for known, k in ((None, 7), (X[:30], 7), (X[:600], 7), (None, 600)):
        assert len(choose(make(X, known), k).positions) == k
    assert asked == [7, 37, 500, 500]


def test_a_large_cluster_needs_no_matrix_of_all_distances():
    X = np.random.default_rng(0).normal(size=(6_000, 5)).astype(np.float32)
    tracemalloc.start()
    most_typical(X, 2)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak < 25, "6,000 x 2,000 distances take 96 MB"
