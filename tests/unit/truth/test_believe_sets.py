from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.truth import Answers, believe, believe_sets, majority_of_sets
from tests.unit.truth.crowd import crowd


def sets(seed, n_items=40, n_labels=4, per_item=3, accuracy=0.85):
    rng = np.random.default_rng(seed)
    truth = (rng.random((n_items, n_labels)) < 0.3).astype(np.int8)
    answers, _ = crowd(n_items, 2, [accuracy] * 5, per_item, seed)
    told = truth[answers.item]
    named = np.where(rng.random(told.shape) < accuracy, told, 1 - told).astype(np.int8)
    return answers.item, answers.source, named, truth


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_the_majority_of_sets_is_that_of_the_vote(seed):
    item, source, named, _ = sets(seed, per_item=2)
    found = believe_sets(item, source, named, n_items=41, n_sources=5, method="majority")
    vote = majority_of_sets(item, named, n_items=41)
    np.testing.assert_array_equal(found.labels, vote.labels)
    np.testing.assert_allclose(found.confidence, vote.confidence)
    assert found.counts[40] == 0


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_two_exclusive_classes_are_one_question(seed):
    answers, _ = crowd(40, 2, np.linspace(0.6, 0.9, 5), 3, seed)
    one = believe(answers)
    found = believe_sets(
        answers.item, answers.source, np.eye(2, dtype=np.int8)[answers.label], n_items=40, n_sources=5
    )
    np.testing.assert_allclose(found.proba, one.proba, atol=1e-6)
    np.testing.assert_allclose(found.accuracy[0], one.accuracy, atol=1e-6)


def test_a_model_helps_the_classes_that_have_one():
    item, source, named, truth = sets(0, n_items=400, per_item=1, accuracy=0.8)
    model = np.clip(truth * 0.8 + 0.1, 0.05, 0.95).astype(float)
    model[:, 3] = np.nan
    found = believe_sets(item, source, named, n_items=400, n_sources=5, model_proba=model)
    alone = believe_sets(item, source, named, n_items=400, n_sources=5)
    right = (found.labels == truth).mean(axis=0)
    assert right[:3].min() > 0.95
    np.testing.assert_allclose(found.proba[:, 3], alone.proba[:, 3])
    assert found.accuracy.shape == (4, 5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="1 items and 2 sets"):
        believe_sets([0], [0], [[1], [0]], n_items=1, n_sources=1)
    with pytest.raises(UsageError, match="model's chances"):
        believe_sets([0], [0], [[1]], n_items=1, n_sources=1, model_proba=np.ones((1, 2)))
    with pytest.raises(UsageError, match="0 or 1"):
        believe_sets([0], [0], [[2]], n_items=1, n_sources=1)


def test_answers_of_items_and_more_of_them():
    answers, _ = crowd(20, 3, [0.9] * 4, 2)
    some = answers.of_items(np.array([7, 3]))
    assert some.n_items == 2
    assert sorted(some.label[some.item == 0]) == sorted(answers.label[answers.item == 7])
    both = answers.plus(Answers(np.array([20]), np.array([4]), np.array([2]), 21, 5, 3))
    assert (both.n_items, both.n_sources, len(both)) == (21, 5, 41)
