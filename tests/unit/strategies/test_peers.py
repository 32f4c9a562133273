"""Our margin against that of libraries that people know, item by item.

Neither is a dependency: modAL wants an old scikit-learn. The tests run where they are installed.
"""

from __future__ import annotations

import numpy as np
import pytest

from tasks.strategies import Candidates, uncertainty
from tasks.strategies import committee as disagreement
from tasks.strategies.ranked import margin

N = 500


class Brought:
    """A classifier of which the probabilities are known, as modAL wants it."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return X


class Voters:
    """A committee of which the probabilities are known, as modAL wants it."""

    def __init__(self, p: np.ndarray) -> None:
        self.p, self.classes_ = p, range(p.shape[2])

    def __len__(self) -> int:
        return len(self.p)

    def vote(self, X: np.ndarray) -> np.ndarray:
        return self.p.argmax(axis=2).T

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.p.mean(axis=0)


def committee(proba: np.ndarray) -> np.ndarray:
    return np.stack([proba, proba[::-1], np.roll(proba, 1, axis=0)])


@pytest.fixture(params=[2, 3, 10])
def proba(request: pytest.FixtureRequest) -> np.ndarray:
    return np.random.default_rng(request.param).dirichlet(np.ones(request.param), N)


def ours(proba: np.ndarray, k: int) -> list[int]:
    pool = Candidates(np.arange(N).astype(str), proba=proba)
    return margin().select(pool, k, np.random.default_rng(0)).tolist()


def test_scikit_activeml_scores_and_chooses_as_we_do(proba):
    pool = pytest.importorskip("skactiveml.pool")
    theirs = pool.uncertainty_scores(proba, method="margin_sampling")
    np.testing.assert_allclose(uncertainty.margin(proba), theirs, atol=1e-7)
    assert ours(proba, 50) == np.argsort(-theirs)[:50].tolist()


def test_scikit_activeml_s_expected_cost_is_ours(proba):
    pool = pytest.importorskip("skactiveml.pool")
    n_classes = proba.shape[1]
    costs = np.random.default_rng(1).uniform(size=(n_classes, n_classes)) * (1 - np.eye(n_classes))
    theirs = pool.uncertainty_scores(proba, cost_matrix=costs, method="least_confident")
    np.testing.assert_allclose(uncertainty.expected_cost(proba, costs), theirs, atol=1e-6)


def test_modal_scores_and_chooses_as_we_do(proba):
    modal = pytest.importorskip("modAL.uncertainty")
    theirs = modal.classifier_margin(Brought(), proba)
    np.testing.assert_allclose(1 - uncertainty.margin(proba), theirs, atol=1e-7)
    chosen, _ = modal.margin_sampling(Brought(), proba, n_instances=50)
    assert set(ours(proba, 50)) == set(chosen.tolist())


def test_scikit_activeml_s_divergence_is_ours(proba):
    pool = pytest.importorskip("skactiveml.pool")
    p = committee(proba)
    theirs = pool.average_kl_divergence(p.copy())  # it changes its input
    np.testing.assert_allclose(disagreement.max_disagreement(p), theirs, atol=1e-5)
    np.testing.assert_allclose(disagreement.bald(p), theirs, atol=1e-5)


def test_scikit_activeml_s_vote_entropy_is_ours(proba):
    pool = pytest.importorskip("skactiveml.pool")
    p = committee(proba)
    theirs = pool.vote_entropy(p.argmax(axis=2).T, classes=list(range(p.shape[2])))
    np.testing.assert_allclose(disagreement.vote_entropy(p), theirs, atol=1e-6)


def test_modal_s_committee_measures_are_ours(proba):
    modal = pytest.importorskip("modAL.disagreement")
    p = committee(proba)
    theirs = Voters(p)
    np.testing.assert_allclose(disagreement.vote_entropy(p), modal.vote_entropy(theirs, proba), atol=1e-6)
    np.testing.assert_allclose(
        disagreement.consensus_entropy(p), modal.consensus_entropy(theirs, proba), atol=1e-6
    )
