import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.errors import UsageError
from tasks.strategies.base import reach, score_needs
from tasks.strategies.candidates import Candidates
from tasks.strategies.cluster import ClusterCover
from tasks.strategies.density import InformationDensity, mean_cosine
from tasks.strategies.facility import FacilityLocation
from tasks.strategies.kcenter import KCenter
from tasks.strategies.kmeans import KMeansCenters
from tasks.strategies.testing import check_strategy, make_candidates
from tasks.strategies.typiclust import TypiClust
from tasks.strategies.uncertainty import entropy, least_confidence, margin

SPREADING = (KCenter(), KMeansCenters(), TypiClust(), FacilityLocation())


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def make(features, known=None, proba=None) -> Candidates:
    ids = [f"item-{n}" for n in range(len(features))]
    known = None if known is None else np.asarray(known, np.float32)
    return Candidates(ids=ids, features=np.asarray(features, np.float32), known_features=known, proba=proba)


# --- all of them ---


@pytest.mark.parametrize("strategy", SPREADING, ids=lambda s: s.name)
def test_the_first_stage_is_a_uniform_sample_that_needs_no_field(strategy):
    scores = strategy.score(Candidates(ids=[f"item-{n}" for n in range(2_000)]), rng())
    assert abs(scores.mean() - 0.5) < 0.05
    assert score_needs(strategy) == frozenset()
    assert (reach(strategy, 10), reach(strategy, 5_000)) == (20_000, 100_000)


def test_different_names_choose_differently():
    made = make_candidates(300)
    candidates = make(made.features, made.features[:20], made.proba)
    strategies = (*SPREADING, ClusterCover(), InformationDensity())
    batches = {s.name: frozenset(s.select(candidates, 12, rng()).tolist()) for s in strategies}
    assert len(set(batches.values())) == len(strategies)


@pytest.mark.parametrize(
    "strategy", [KCenter(), FacilityLocation(sample=500), InformationDensity()], ids=repr
)
def test_memory_stays_near_the_size_of_the_input(strategy):
    generator, n = np.random.default_rng(0), 50_000
    X = generator.normal(size=(n, 20)).astype(np.float32)  # 4 MB
    candidates = make(X, X[:400] + 1, generator.dirichlet(np.ones(3), n).astype(np.float32))
    strategy.select(candidates.take(np.arange(50)), 5, rng())  # what is imported on the way does not count
    tracemalloc.start()
    strategy.select(candidates, 10, rng())
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak < 20


# --- k-means ---


def test_each_heap_gives_one_item_the_largest_first():
    heap = np.repeat(np.arange(4), [30, 60, 10, 45])
    X = np.column_stack([heap * 100, np.random.default_rng(0).normal(size=(len(heap), 2))])
    found = KMeansCenters().select_explained(make(X), 4, rng())
    assert list(heap[found.positions]) == [1, 3, 0, 2]
    np.testing.assert_allclose(found.scores, np.array([60, 45, 30, 10]) / 145, rtol=1e-6)
    for position in found.positions:
        own = np.flatnonzero(heap == heap[position])
        gaps = np.square(X[own] - X[own].mean(axis=0)).sum(axis=1)
        assert position == own[gaps.argmin()]


# --- facility location ---


def similarities(X, others):
    """All similarities by the definition, in float64."""
    X, others = X.astype(float), others.astype(float)
    width = 2 * np.square(X - X.mean(axis=0)).sum(axis=1).mean() or 1.0
    return np.exp(-np.square(others[:, None] - X).sum(axis=2) / width)


@settings(max_examples=40)
@given(st.integers(2, 40), st.integers(0, 3), st.integers(0, 10_000), st.data())
def test_the_lazy_choice_is_the_greedy_one(n, n_known, seed, data):
    rows = np.random.default_rng(seed).normal(size=(n + n_known, 2)).astype(np.float32)
    X, known = rows[:n], rows[n:]
    k = data.draw(st.integers(1, n))
    found = FacilityLocation().select_explained(make(X, known), k, rng())
    alike, best = similarities(X, X), similarities(X, known).max(axis=0, initial=0)
    for position, score in zip(found.positions, found.scores, strict=True):
        gains = np.maximum(alike - best, 0).mean(axis=1)
        assert gains[position] >= gains.max() - 1e-5
        assert score == pytest.approx(gains[position], abs=1e-5)
        best = np.maximum(best, alike[position])


@settings(max_examples=30)
@given(arrays(np.float32, (9, 2), elements=st.floats(-3, 3, width=32)), st.integers(1, 4))
def test_the_gain_is_within_the_bound_of_the_best(X, k):
    alike = similarities(X, X)
    found = FacilityLocation().select(make(X), k, rng())
    best = max(alike[list(some)].max(axis=0).sum() for some in combinations(range(9), k))
    assert alike[found].max(axis=0).sum() >= (1 - 1 / np.e) * best


def test_what_a_known_item_represents_comes_last():
    X = np.array([[0.0, 0], [0, 0.1], [5, 5], [9, 0]])
    assert FacilityLocation().select(make(X, [[0.0, 0.05]]), 4, rng())[:2].tolist() in ([2, 3], [3, 2])


def test_many_more_candidates_than_the_sample():
    X = np.random.default_rng(0).normal(size=(3_000, 3))
    found = FacilityLocation(sample=100).select_explained(make(X), 200, rng())
    assert len(set(found.positions.tolist())) == 200
    assert (np.diff(found.scores) <= 1e-6).all()
    few, whole = (similarities(X, X[s]).max(axis=0).mean() for s in (
        found.positions[:10], FacilityLocation(sample=3_000).select(make(X), 10, rng())))  # fmt: skip
    assert few > 0.9 * whole


@pytest.mark.parametrize("sample", [0, -1, 2.5, True, "many"])
def test_a_sample_is_a_positive_number(sample):
    with pytest.raises(UsageError, match="facility_location: sample must be an integer of 1 or more"):
        FacilityLocation(sample=sample)


# --- information density ---


@given(
    arrays(np.float32, st.tuples(st.integers(1, 25), st.integers(1, 4)), elements=st.floats(-9, 9, width=16))
)
def test_the_mean_cosine_needs_no_matrix(X):
    lengths = np.linalg.norm(X.astype(float), axis=1, keepdims=True)
    directions = np.divide(X, lengths, out=np.zeros(X.shape), where=lengths > 0)
    np.testing.assert_allclose(mean_cosine(X), (directions @ directions.T).mean(axis=1), atol=1e-6)


def test_the_mean_cosine_has_the_same_bits_in_any_order():
    X = np.random.default_rng(0).normal(size=(40_000, 33)).astype(np.float32)
    mixed = np.random.default_rng(1).permutation(len(X))
    assert np.array_equal(mean_cosine(X)[mixed], mean_cosine(X[mixed]))


@pytest.mark.parametrize("measure", [margin, entropy, least_confidence])
def test_the_score_is_uncertainty_times_density(measure):
    candidates = make_candidates(50)
    strategy = InformationDensity(beta=2, measure=measure.__name__)
    unsure = measure(candidates.proba)
    expected = unsure * ((1 + mean_cosine(candidates.features)) / 2) ** 2
    found = strategy.select_explained(candidates, 50, rng())
    np.testing.assert_allclose(found.scores, expected[found.positions], rtol=1e-5)
    assert (np.diff(found.scores) <= 0).all()
    assert np.array_equal(strategy.score(candidates, rng()), unsure)
    plain = InformationDensity(beta=0, measure=measure.__name__).select_explained(candidates, 50, rng())
    np.testing.assert_allclose(plain.scores, np.sort(unsure)[::-1])


def test_of_equally_unsure_items_the_one_in_a_crowd_comes_first():
    X = np.vstack([np.tile([1.0, 0.1], (8, 1)), [[-1.0, 0.0]]])
    found = InformationDensity().select(make(X, proba=np.full((9, 2), 0.5, np.float32)), 9, rng())
    assert found[-1] == 8


@pytest.mark.parametrize(
    "wrong", [{"beta": -1}, {"beta": np.nan}, {"beta": np.inf}, {"beta": "1"}, {"measure": "x"}]
)
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(UsageError, match=f"information_density: {next(iter(wrong))} must be"):
        InformationDensity(**wrong)


@pytest.mark.parametrize(
    "strategy",
    [FacilityLocation(sample=7), InformationDensity(beta=0.5, measure="entropy"), InformationDensity()],
    ids=repr,
)
def test_they_keep_the_contract(strategy):
    check_strategy(strategy)
