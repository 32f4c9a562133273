from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.errors import UsageError
from tasks.strategies import Candidates, ranked
from tasks.strategies.base import committee_of
from tasks.strategies.committee import (
    bald,
    consensus,
    consensus_entropy,
    max_disagreement,
    variation_ratio,
    vote_entropy,
)
from tasks.strategies.uncertainty import entropy, margin

MEASURES = (vote_entropy, variation_ratio, consensus_entropy, max_disagreement, bald)
DISAGREEMENTS = (vote_entropy, variation_ratio, max_disagreement, bald)


def committees(most_members: int = 6) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, most_members), st.integers(1, 9), st.integers(1, 5))
    weights = shapes.flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.sampled_from([0, 0.1, 1, 3]))
    )
    return weights.map(lambda w: (w + 1e-9) / (w + 1e-9).sum(axis=2, keepdims=True))


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def votes(*rows: list[int], n_classes: int = 4) -> np.ndarray:
    """Members that are certain: rows of votes, one an item."""
    return np.eye(n_classes)[np.array(rows).T]


def test_votes_by_hand():
    p = votes([0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 2, 3])
    quarter = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert vote_entropy(p) == pytest.approx([0, quarter, np.log(2), np.log(4)])
    assert variation_ratio(p) == pytest.approx([0, 0.25, 0.5, 0.75])


def test_of_equally_likely_classes_the_first_gets_the_vote():
    p = np.array([[[0.5, 0.5, 0.0]], [[0.9, 0.1, 0.0]]])
    assert vote_entropy(p) == 0
    assert vote_entropy(p[:, :, [1, 0, 2]]) == pytest.approx(np.log(2))


def test_certain_members_at_odds_tell_more_than_unsure_members():
    at_odds, unsure = votes([0, 1], n_classes=2), np.full((2, 1, 2), 0.5)
    assert consensus_entropy(at_odds) == consensus_entropy(unsure)
    assert (bald(at_odds)[0], bald(unsure)[0]) == (pytest.approx(np.log(2)), 0)


@given(committees())
def test_divergence_from_the_mean_is_the_mutual_information(p):
    np.testing.assert_allclose(max_disagreement(p), bald(p), atol=1e-7)


@given(committees(1), st.integers(1, 7))
def test_members_that_agree(p, members):
    same = np.repeat(p, members, axis=0)
    for measure in DISAGREEMENTS:
        assert (measure(same) == 0).all()
    np.testing.assert_allclose(consensus_entropy(same), entropy(p[0]), atol=1e-6)


@given(committees(), st.randoms())
def test_the_order_of_members_and_of_classes_is_no_matter(p, random):
    members, classes = (random.sample(range(n), n) for n in (p.shape[0], p.shape[2]))
    for measure in (consensus_entropy, max_disagreement, bald):
        np.testing.assert_allclose(measure(p[members][:, :, classes]), measure(p), atol=1e-6)
    for measure in (vote_entropy, variation_ratio):
        np.testing.assert_allclose(measure(p[members]), measure(p), atol=1e-6)


@given(committees())
def test_bounds(p):
    most = np.log(min(p.shape[0], p.shape[2])) + 1e-6
    for measure in (vote_entropy, max_disagreement, bald):
        assert ((measure(p) >= 0) & (measure(p) <= most)).all()


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("n_classes", [2, 3, 17])
def test_rows_do_not_depend_on_their_chunk(measure, n_classes):
    p = rng().dirichlet(np.ones(n_classes), (5, 100)).astype(np.float32)
    whole = measure(p)
    assert whole.dtype == np.float32
    for size in (1, 7, 64):
        chunks = [measure(p[:, start : start + size]) for start in range(0, 100, size)]
        assert np.array_equal(np.concatenate(chunks), whole)
    assert measure(p[:, :0]).shape == (0,)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1, 1.1])
def test_broken_probabilities_are_refused_with_the_member(measure, bad):
    p = np.full((3, 4, 2), 0.5)
    p[1, 2, 0] = bad
    with pytest.raises(UsageError, match=r"Member 1 of the committee: .*row 2"):
        measure(p)


@pytest.mark.parametrize("shape", [(4, 2), (0, 4, 2), (3, 4, 0), (1, 3, 4, 2)])
def test_other_shapes_are_refused(shape):
    for measure in MEASURES:
        with pytest.raises(UsageError, match="shape"):
            measure(np.zeros(shape))


@settings(max_examples=20)
@given(st.integers(2, 14), st.integers(0, 2**31))
def test_equal_votes_come_in_the_order_of_the_consensus_margin(members, seed):
    draws = np.random.default_rng(seed)
    p = draws.dirichlet(np.full(5, 0.3), (members, 200))
    candidates = Candidates(np.arange(200).astype(str), committee_proba=p)
    order = ranked.vote_entropy(members=members).select(candidates, 200, rng())
    first, second = vote_entropy(p)[order], margin(consensus(p))[order]
    assert (np.diff(first) <= 1e-6).all()
    within = np.abs(np.diff(first)) < 1e-6
    assert (np.diff(second)[within] <= 1e-3).all()


def test_a_strategy_says_who_votes():
    assert committee_of(ranked.bald("prefixes", members=3)) == ("prefixes", 3)
    assert committee_of(ranked.margin()) == committee_of(ranked.vote_entropy()) == ("bagged", 5)
    with pytest.raises(UsageError, match=r"kind 'baged'.*bagged, mixed, prefixes"):
        ranked.vote_entropy(committee="baged")
    for members in (1, 101, True, 2.5, "five"):
        with pytest.raises(UsageError, match="2 to 100 members"):
            ranked.vote_entropy(members=members)
