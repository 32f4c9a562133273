from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.truth import Answers, Running, believe
from tests.unit.truth.crowd import crowd, model_of

seeds = st.integers(0, 10_000)


def parts(answers, at):
    """The answers before and from a place on, in an order drawn at random."""
    order = np.random.default_rng(0).permutation(len(answers))
    return [
        Answers(
            answers.item[rows], answers.source[rows], answers.label[rows],
            answers.n_items, answers.n_sources, answers.n_classes,
        )
        for rows in (order[:at], order[at:])
    ]  # fmt: skip


@given(seeds, st.sampled_from(["auto", "crowdlab"]), st.booleans())
@settings(max_examples=25)
def test_it_comes_near_a_full_run_and_a_refresh_is_one(seed, method, with_model):
    answers, truth = crowd(300, 3, np.linspace(0.55, 0.95, 6), 3, seed)
    model = model_of(truth, 3, seed=seed) if with_model else None
    first, rest = parts(answers, 850)
    running = Running.of(first, method, model).plus(rest)
    full = believe(answers, method, model)
    assert np.abs(running.belief.proba - full.proba).mean() < 0.02
    np.testing.assert_allclose(running.belief.accuracy, full.accuracy, atol=0.06)
    assert (running.belief.labels == full.labels).mean() > 0.9
    again = running.refreshed().belief
    np.testing.assert_allclose(again.proba, full.proba, atol=1e-4)
    np.testing.assert_array_equal(again.counts, full.counts)


@given(seeds)
@settings(max_examples=15)
def test_sums_that_were_carried_on_are_those_counted_anew(seed):
    answers, truth = crowd(60, 3, np.linspace(0.55, 0.95, 5), 3, seed)
    first, rest = parts(answers, 100)
    for method, model in (("crowdlab", model_of(truth, 3)), ("auto", None)):
        found = Running.of(first, method, model).plus(rest)
        anew = found.method.sums(found.answers, found.belief.proba, found.model)
        np.testing.assert_allclose(found.sums.of_source, anew.of_source, atol=1e-9)
        np.testing.assert_allclose(found.sums.total, anew.total, atol=1e-9)


def test_new_items_and_sources_come_in():
    answers, _ = crowd(50, 2, [0.9, 0.8, 0.7], 2)
    running = Running.of(answers)
    more = Answers(np.array([50, 51, 51]), np.array([3, 0, 3]), np.array([1, 0, 1]), 52, 4, 2)
    found = running.plus(more).belief
    assert found.proba.shape == (52, 2)
    assert found.labels[50] == 1
    assert found.counts[51] == 2
    assert len(found.accuracy) == 4
    assert len(running.belief.proba) == 50
    model = np.full((52, 2), 0.5)
    assert Running.of(answers, model_proba=model[:50]).plus(more).belief.proba.shape == (52, 2)
    assert Running.of(answers, model_proba=model[:50]).plus(more, model).belief.labels[50] == 1


def test_a_spammer_is_found_along_the_way():
    answers, truth = crowd(400, 2, [0.9, 0.9, 0.9, 0.9], 3)
    running = Running.of(Answers(answers.item, answers.source, answers.label, 400, 5, 2))
    rng = np.random.default_rng(0)
    for _ in range(5):
        items = rng.choice(400, 40, replace=False)
        running = running.plus(Answers(items, np.full(40, 4), rng.integers(0, 2, 40), 400, 5, 2))
    assert running.belief.accuracy[4] < 0.62
    assert (running.belief.labels == truth).mean() > 0.95


def test_a_thousand_answers_take_little_time():
    rng = np.random.default_rng(0)
    answers, truth = crowd(100_000, 3, rng.uniform(0.6, 0.95, 8), 3)
    running = Running.of(answers, model_proba=model_of(truth, 3))
    items, sources = rng.integers(0, 100_000, 1000), rng.integers(0, 8, 1000)
    more = Answers(items, sources, truth[items], 100_000, 8, 3)
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        running.plus(more)
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.1


def test_methods_without_sums_are_refused():
    answers, _ = crowd(5, 2, [0.9, 0.8], 2)
    for method in ("dawid_skene", "one_coin", "majority", "vote"):
        with pytest.raises(UsageError, match="full run"):
            Running.of(answers, method)
    with pytest.raises(UsageError, match="do not mix"):
        Running.of(answers).plus(crowd(5, 3, [0.9, 0.8], 2)[0])
