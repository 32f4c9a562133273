from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.pool.sampling import hash_ids
from tasks.strategies.candidates import Candidates
from tasks.strategies.kcenter import KCenter
from tasks.strategies.ranking import tie_key
from tasks.strategies.testing import check_strategy


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def make(features, known=None) -> Candidates:
    ids = [f"item-{n}" for n in range(len(features))]
    known = None if known is None else np.asarray(known, np.float32)
    return Candidates(ids=ids, features=np.asarray(features, np.float32), known_features=known)


def choose(candidates: Candidates, k: int):
    return KCenter().select_explained(candidates, k, rng())


def plainly(candidates: Candidates, k: int):
    """Choose by the definition, with all distances at each step."""
    X, hashes = candidates.features.astype(float), hash_ids(candidates.ids, tie_key(rng()))
    cover, chosen, gaps = [] if candidates.known_features is None else list(candidates.known_features), [], []
    for _ in range(k):
        if cover:
            gap = np.min([np.square(X - row).sum(axis=1) for row in cover], axis=0)
        else:
            gap = -np.square(X - X.mean(axis=0)).sum(axis=1)
        free = [n for n in range(len(X)) if n not in chosen]
        best = max(free, key=lambda n: (gap[n], -int(hashes[n])))
        chosen.append(best)
        gaps.append(np.sqrt(max(gap[best], 0)))
        cover.append(X[best])
    return chosen, gaps


# Whole numbers, whose squares are exact: ties are ties.
whole = st.integers(0, 4).map(float)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 16), st.just(2)), elements=whole),
    arrays(np.float32, st.tuples(st.integers(1, 5), st.just(2)), elements=whole),
    st.data(),
)
def test_it_is_the_greedy_choice(features, known, data):
    candidates = make(features, known)
    k = data.draw(st.integers(0, len(features)))
    found, (chosen, gaps) = choose(candidates, k), plainly(candidates, k)
    assert list(found.positions) == chosen
    np.testing.assert_allclose(found.scores, gaps, rtol=1e-6)


@given(arrays(np.float32, st.tuples(st.integers(1, 14), st.just(2)), elements=whole), st.data())
def test_scores_never_rise_and_copies_come_last(features, data):
    candidates = make(features)
    k = data.draw(st.integers(1, len(features)))
    found = choose(candidates, k)
    assert (np.diff(found.scores) <= 0).all()
    distinct = len(np.unique(features, axis=0))
    first = found.positions[: min(k, distinct)]
    assert len(np.unique(features[first], axis=0)) == len(first), "a copy before all are covered"
    assert not found.scores[distinct:].any()


def test_the_first_is_the_item_nearest_to_the_mean():
    features = np.random.default_rng(3).normal(size=(500, 6))
    first = choose(make(features), 1).positions[0]
    assert first == np.square(features - features.mean(axis=0)).sum(axis=1).argmin()


def test_it_starts_far_from_what_is_known():
    features = np.array([[0.0], [1], [2], [10], [20]])
    assert list(choose(make(features, [[20.0], [11]]), 2).positions) == [0, 3 - 1]
    assert list(choose(make(features, [[0.0]]), 2).positions) == [4, 3]


@settings(max_examples=30)
@given(arrays(np.float32, (8, 2), elements=st.floats(-4, 4, width=32)), st.integers(1, 3))
def test_the_radius_is_at_most_twice_the_best(features, k):
    gaps = np.sqrt(np.square(features[:, None].astype(float) - features).sum(axis=2))
    best = min(gaps[list(some)].min(axis=0).max() for some in combinations(range(8), k))
    found = choose(make(features), k).positions
    assert gaps[found].min(axis=0).max() <= 2 * best * (1 + 1e-5) + 1e-6


AWKWARD = {
    "plain": lambda X: X,
    "few values": lambda X: np.rint(X),
    "far from zero": lambda X: X + 1_000,
    "one far away": lambda X: np.vstack([X[:-1], X[-1:] * 1e6]),
    "one column": lambda X: X[:, :1],
}


@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("n_known", [0, 300])
def test_the_same_bits_in_any_order_of_items_and_of_known(kind, n_known):
    X = AWKWARD[kind](np.random.default_rng(0).normal(size=(3_300, 7))).astype(np.float32)
    candidates = make(X[n_known:], X[:n_known])
    mixed = np.random.default_rng(1).permutation(len(candidates))
    other = make(X[n_known:], X[:n_known][::-1]).take(mixed)
    one, two = choose(candidates, 60), choose(other, 60)
    assert list(candidates.ids[one.positions]) == list(other.ids[two.positions])
    assert np.array_equal(one.scores, two.scores)


@pytest.mark.parametrize("kind", AWKWARD)
def test_bounds_do_not_change_the_answer(kind):
    X = AWKWARD[kind](np.random.default_rng(0).normal(size=(500, 7))).astype(np.float32)
    candidates = make(X[200:], X[:200])
    _, gaps = plainly(candidates, 20)
    np.testing.assert_allclose(choose(candidates, 20).scores, gaps, rtol=1e-4)


def test_when_all_are_covered_the_hash_decides():
    candidates = make(np.ones((3_000, 2)), [[1.0, 1.0]])
    found = choose(candidates, 2_000)
    hashes = hash_ids(candidates.ids, tie_key(rng()))
    assert list(found.positions) == list(np.argsort(hashes)[:2_000])
    assert not found.scores.any()


def test_it_keeps_the_contract():
    check_strategy(KCenter())
