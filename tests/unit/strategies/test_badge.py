from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.models.boosting import train
from tasks.models.leaves import leaf_table
from tasks.pool.sampling import hash_ids
from tasks.strategies import Candidates
from tasks.strategies.badge import Badge, embed, gradients
from tasks.strategies.seeding import exponential, seed_far_apart
from tasks.strategies.testing import check_strategy, make_candidates
from tasks.strategies.uncertainty import least_confidence


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def dense(candidates: Candidates) -> np.ndarray:
    """e(x) written out, by the definition."""
    assert candidates.leaves is not None
    assert candidates.proba is not None
    table, leaves = candidates.leaf_table, candidates.leaves
    g = candidates.proba.astype(float)
    g[np.arange(len(g)), g.argmax(axis=1)] -= 1
    parts = []
    for tree in range(leaves.shape[1]):
        nodes = int(leaves.max()) + 1
        here = np.eye(nodes)[leaves[:, tree]]
        if table is None:
            columns = g[:, 1:] if g.shape[1] == 2 else g
            parts += [here * columns[:, [c]] for c in range(columns.shape[1])]
        else:
            c = 1 if g.shape[1] == 2 else table.group[tree]
            h = table.hessian[tree, :nodes] + table.reg_lambda
            parts.append(here * g[:, [c]] / np.sqrt(h))
    return np.hstack(parts)


@given(n_classes=st.integers(2, 5), seed=st.integers(0, 99), with_table=st.booleans())
@settings(max_examples=25, deadline=None)
def test_distances_are_those_of_the_vectors_written_out(n_classes, seed, with_table):
    candidates = make_candidates(20, seed=seed, n_classes=n_classes)
    if not with_table:
        candidates = replace(candidates, leaf_table=None)
    vectors, items = dense(candidates), embed(candidates)
    np.testing.assert_allclose(items.squared_norms(), (vectors**2).sum(axis=1), rtol=1e-9)
    rows, others = np.arange(13), np.arange(4, 20)
    expected = ((vectors[rows, None] - vectors[others]) ** 2).sum(axis=-1)
    np.testing.assert_allclose(items.squared_distances(rows, others), expected, rtol=1e-9, atol=1e-12)


@given(n_classes=st.integers(2, 4), seed=st.integers(0, 99), rows=st.integers(1, 8))
@settings(max_examples=25, deadline=None)
def test_equal_leaves_and_gradients_are_at_distance_0(n_classes, seed, rows):
    candidates = make_candidates(8, seed=seed, n_classes=n_classes)
    twice = embed(
        replace(candidates.take(np.arange(16) % 8), ids=np.array([f"t{n}" for n in range(16)], object))
    )
    found = twice.squared_distances(np.arange(8, 8 + rows), np.arange(8))
    assert (np.diagonal(found) == 0).all()
    assert (found >= 0).all()
    each = [twice.squared_distances(np.array([row]), np.arange(8))[0] for row in range(8, 8 + rows)]
    np.testing.assert_array_equal(found, each)


@given(seed=st.integers(0, 99), damped=st.floats(0.5, 50))
@settings(max_examples=25, deadline=None)
def test_with_one_hessian_distances_count_shared_leaves(seed, damped):
    candidates = make_candidates(12, seed=seed, n_classes=2)
    table, leaves = candidates.leaf_table, candidates.leaves
    assert table is not None
    assert leaves is not None
    table = replace(table, hessian=np.full_like(table.hessian, damped), reg_lambda=1.0)
    equal = np.repeat([[0.3, 0.7]], 12, axis=0).astype(np.float32)
    items = embed(replace(candidates, leaf_table=table, proba=equal))
    shared = (leaves[:, None] == leaves).sum(axis=-1)
    g = 1 - equal[0, 1].astype(float)
    expected = 2 * g**2 * (table.n_trees - shared) / (damped + 1)
    np.testing.assert_allclose(
        items.squared_distances(np.arange(12), np.arange(12)), expected, rtol=1e-6, atol=1e-12
    )


def test_the_gradient_of_two_classes_is_that_of_class_1():
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [1, 0]], np.float32)
    np.testing.assert_allclose(gradients(proba), [[0.1], [-0.2], [0]], atol=1e-7)
    many = gradients(np.array([[0.2, 0.5, 0.3]]))
    np.testing.assert_allclose(many, [[0.2, -0.5, 0.3]])


@given(seed=st.integers(0, 99))
def test_of_two_classes_the_first_stage_has_the_order_of_the_margin(seed):
    proba = make_candidates(30, seed=seed, n_classes=2).proba
    assert proba is not None
    candidates = Candidates(np.array([f"i{n}" for n in range(30)], object), proba=proba)
    np.testing.assert_allclose(Badge().score(candidates, rng()), least_confidence(proba), atol=1e-7)


# --- seeding ---


def all_distances(candidates: Candidates, k: int, key: int) -> list[int]:
    """k-means++ by the same races, with every distance computed."""
    items, hashes = embed(candidates), hash_ids(candidates.ids, key)
    everyone = np.arange(len(items))
    picks = [int(np.lexsort((hashes, -items.squared_norms()))[0])]
    while len(picks) < k:
        nearest = items.squared_distances(everyone, np.array(picks)).min(axis=1)
        values = nearest / exponential(hashes, len(picks))
        if values.max() == 0:
            break
        picks.append(int(np.lexsort((hashes, -values))[0]))
    return picks


@given(
    n=st.integers(2, 50),
    distinct=st.integers(1, 50),
    seed=st.integers(0, 999),
    stride=st.sampled_from([1, 3, 128]),
    pairs=st.sampled_from([1, 7, 1024]),
)
@settings(max_examples=30, deadline=None)
def test_lazy_seeds_are_those_of_all_distances(n, distinct, seed, stride, pairs):
    rows = np.arange(n) % distinct
    candidates = make_candidates(min(n, distinct), seed=seed).take(rows)
    candidates = replace(candidates, ids=np.array([f"x{i}" for i in range(n)], object))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.strategies.seeding._STRIDE", stride)
        patch.setattr("tasks.strategies.seeding._PAIRS", pairs)
        picks, distances = seed_far_apart(embed(candidates), hash_ids(candidates.ids, seed), n)
    assert picks.tolist() == all_distances(candidates, n, seed)
    assert len(picks) == min(n, distinct)
    assert (distances > 0).all()


class Line:
    """Points on a line."""

    def __init__(self, places: Any) -> None:
        self.places = np.asarray(places, float)

    def __len__(self) -> int:
        return len(self.places)

    def squared_norms(self) -> np.ndarray:
        return self.places**2

    def squared_distances(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        return (self.places[rows, None] - self.places[others]) ** 2


def test_seeds_are_drawn_in_proportion_to_squared_distances():
    line = Line([10, 9, 8, 6, 10])  # squared distances to the first pick: 0, 1, 4, 16, 0
    counts = np.zeros(5)
    for seed in range(2100):
        hashes = rng(seed).integers(0, 2**64, 5, dtype=np.uint64)
        counts[seed_far_apart(line, hashes, 2)[0][1]] += 1
    assert counts[[0, 4]].tolist() == [0, 0]
    expected = np.array([100, 400, 1600])
    assert ((counts[1:4] - expected) ** 2 / expected).sum() < 13.8  # chi square, 2 degrees, p = .001


def test_noise_is_exponential_and_independent_from_draw_to_draw():
    hashes = rng().integers(0, 2**64, 20_000, dtype=np.uint64)
    draws = np.array([exponential(hashes, number) for number in range(1, 4)])
    assert draws.mean(axis=1) == pytest.approx(1, abs=0.04)
    assert draws.var(axis=1) == pytest.approx(1, abs=0.1)
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 0.03
    assert 0 < draws.min() < draws.max() < 38


# --- the strategy ---


@pytest.mark.parametrize("with_table", [True, False])
def test_no_copy_is_taken_while_another_item_is_left(with_table):
    few = make_candidates(12, seed=3)
    candidates = few.take(np.arange(60) % 12)
    candidates = replace(candidates, ids=np.array([f"c{n}" for n in range(60)], object))
    if not with_table:
        candidates = replace(candidates, leaf_table=None)
    chosen = Badge().select_explained(candidates, 30, rng())
    assert len(set((chosen.positions[:12] % 12).tolist())) == 12
    assert (chosen.scores[:12] > 0).all()
    assert (chosen.scores[12:] == 0).all()
    assert (np.diff(least_confidence(candidates.proba[chosen.positions[12:]])) != 0).any()


def test_what_is_at_distance_0_comes_by_margin_then_hash():
    plain = make_candidates(30, n_classes=3)
    certain = np.tile(np.array([0, 1, 0], np.float32), (30, 1))
    chosen = Badge().select_explained(replace(plain, proba=certain), 5, rng())
    key = int(rng().integers(2**63))
    assert chosen.positions.tolist() == np.argsort(hash_ids(plain.ids, key))[:5].tolist()
    assert (chosen.scores == 0).all()


def test_first_comes_the_longest_gradient():
    candidates = make_candidates(50, seed=2)
    chosen = Badge().select_explained(candidates, 4, rng())
    lengths = np.sqrt((dense(candidates) ** 2).sum(axis=1))
    assert chosen.positions[0] == lengths.argmax()
    assert chosen.scores[0] == pytest.approx(lengths.max())


def test_thin_leaves_weigh_more_with_a_leaf_table():
    candidates = make_candidates(40, n_classes=2)
    equal = replace(candidates, proba=np.full((40, 2), 0.5, np.float32))
    leaves = np.zeros_like(equal.leaves)
    leaves[11] = 3  # alone in its leaves, which are thin
    table = equal.leaf_table
    assert table is not None
    hessian = np.full_like(table.hessian, 30.0)
    hessian[:, 3] = 0.5
    pool = replace(equal, leaves=leaves, leaf_table=replace(table, hessian=hessian))
    assert Badge().select(pool, 1, rng())[0] == 11


def test_the_contract():
    check_strategy(Badge())


def test_what_is_not_of_one_model_is_refused():
    candidates = make_candidates(20)
    assert candidates.leaves is not None
    with pytest.raises(UsageError, match="one model"):
        Badge().select(replace(candidates, leaves=candidates.leaves[:, 1:]), 2, rng())
    with pytest.raises(UsageError, match="2 classes and the leaf table 3"):
        Badge().select(replace(candidates, proba=make_candidates(20, n_classes=2).proba, known_proba=None,
                               committee_proba=None), 2, rng())  # fmt: skip


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_covers_more_leaves_of_a_model_than_margin(n_classes):
    data = rng(0)
    X = data.normal(size=(1500, 4)).astype(np.float32)
    y = np.digitize(X[:, 0] + X[:, 1] + 0.3 * data.normal(size=1500), np.linspace(-0.5, 0.5, n_classes - 1))
    model = train(
        X[:100], y[:100], n_classes=n_classes, names=list("abcd"), types=["q"] * 4, device="cpu", seed=0,
        params={"num_boost_round": 30, "nthread": 1},
    )  # fmt: skip
    pool = X[100:]
    candidates = Candidates(
        np.array([f"i{n}" for n in range(len(pool))], object),
        proba=model.predict(pool), leaves=model.leaves(pool), leaf_table=leaf_table(model),
    )  # fmt: skip
    batch = Badge().select(candidates, 30, rng())
    unsure = np.argsort(-least_confidence(candidates.proba))[:30]
    seen = [sum(len(np.unique(column)) for column in candidates.leaves[rows].T) for rows in (batch, unsure)]
    assert seen[0] > seen[1]
