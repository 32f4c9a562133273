from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.truth import METHODS, Answers, believe, majority, teaching
from tests.unit.truth.crowd import crowd, model_of, timid_model

seeds = st.integers(0, 10_000)
methods = st.sampled_from(METHODS)


def some(seed, n_classes=3, n_items=30, model=True):
    """Answers, one to four an item, and a model that knows something or None."""
    rng = np.random.default_rng(seed)
    answers, truth = crowd(n_items, n_classes, rng.uniform(0.5, 0.95, 6), rng.integers(1, 5, n_items), seed)
    return answers, truth, model_of(truth, n_classes, seed=seed) if model else None


@given(seeds, methods, st.booleans(), st.integers(2, 6))
@settings(max_examples=60)
def test_beliefs_are_probabilities(seed, method, with_model, n_classes):
    answers, _, model = some(seed, n_classes, model=with_model)
    found = believe(answers, method, model)
    assert found.proba.shape == (30, n_classes)
    assert found.proba.min() >= 0
    np.testing.assert_allclose(found.proba.sum(axis=1), 1)
    assert ((found.accuracy >= 0) & (found.accuracy <= 1)).all()
    assert (found.labels == found.proba.argmax(axis=1)).all()
    assert found.confidence == pytest.approx(found.proba.max(axis=1))


@given(seeds, methods, st.booleans())
@settings(max_examples=60)
def test_no_order_or_name_matters(seed, method, with_model):
    answers, _, model = some(seed, model=with_model)
    found = believe(answers, method, model)
    rng = np.random.default_rng(seed)
    items, sources = rng.permutation(answers.n_items), rng.permutation(answers.n_sources)
    order, classes = rng.permutation(len(answers)), rng.permutation(3)
    # Code x is now called new[x].
    renamed = Answers(
        items[answers.item][order], sources[answers.source][order], classes[answers.label][order], 30, 6, 3
    )
    told = None
    if model is not None:
        told = np.empty_like(model)
        told[np.ix_(items, classes)] = model
    again = believe(renamed, method, told)
    np.testing.assert_allclose(again.proba[np.ix_(items, classes)], found.proba, atol=1e-6)
    if method != "majority":  # a tie's winner, which the agreement leans on, is the first class
        np.testing.assert_allclose(again.accuracy[sources], found.accuracy, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("with_model", [False, True])
def test_what_all_say_is_believed(method, with_model):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, 60)
    item = np.repeat(np.arange(60), 3)
    answers = Answers(item, np.tile(np.arange(3), 60), truth[item], 60, 3, 4)
    found = believe(answers, method, model_of(truth, 4) if with_model else None)
    assert (found.labels == truth).all()
    assert found.accuracy.min() > 0.9


@pytest.mark.parametrize("method", ["auto", "one_coin", "dawid_skene"])
def test_one_perfect_source_wins_against_two_careless_ones(method):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 800)
    item = np.repeat(np.arange(800), 3)
    accuracy = np.tile([1.0, 0.6, 0.6], 800)
    label = np.where(rng.random(2400) < accuracy, truth[item], 1 - truth[item])
    found = believe(Answers(item, np.tile(np.arange(3), 800), label, 800, 3, 2), method)
    assert (found.labels == truth).mean() > 0.99
    assert found.accuracy[0] > found.accuracy[1:].max() + 0.15
    vote = believe(Answers(item, np.tile(np.arange(3), 800), label, 800, 3, 2), "majority")
    assert (vote.labels == truth).mean() < 0.9


@given(seeds, st.integers(2, 5))
@settings(max_examples=30)
def test_a_single_source_of_all_is_the_majority(seed, n_classes):
    """One source for all: no answer counts more than another, so the vote decides, and with `auto` all but ties."""
    answers, _, _ = some(seed, n_classes)
    one = Answers(answers.item, np.zeros(len(answers), int), answers.label, answers.n_items, 1, n_classes)
    expected, shares = majority(one.item, one.label, n_classes, n_items=one.n_items)
    np.testing.assert_array_equal(believe(one, "majority").labels, expected)
    np.testing.assert_allclose(believe(one, "majority").confidence, shares)
    most = np.sort(one.votes, axis=1)
    clear = most[:, -1] > most[:, -2]
    np.testing.assert_array_equal(believe(one).labels[clear], expected[clear])


def test_a_lone_answer_stands_however_rare_its_class():
    label = np.zeros(200, int)
    label[7] = 1
    found = believe(Answers(np.arange(200), np.zeros(200, int), label, 200, 1, 2))
    assert (found.labels == label).all()
    assert found.confidence == pytest.approx(0.85)


def test_a_tie_goes_to_the_commoner_class_but_what_all_say_stands():
    """Of 40 items 38 are of class 0; one is disputed, and of one two sources say that it is of class 1."""
    item = np.repeat(np.arange(40), 2)
    label = np.zeros(80, int)
    label[[1, 2, 3]] = 1
    found = believe(Answers(item, np.tile([0, 1], 40), label, 40, 2, 2))
    assert found.labels[:3].tolist() == [0, 1, 0]
    assert found.confidence[1] > 0.9


def test_the_model_speaks_where_answers_are_few_and_yields_where_they_are_many():
    answers, truth = crowd(400, 3, [0.8] * 8, 1)
    model = model_of(truth, 3, right=0.95, sure=0.8)
    alone, helped = believe(answers), believe(answers, model_proba=model)
    assert (helped.labels == truth).mean() > (alone.labels == truth).mean() + 0.1
    many, truth = crowd(400, 3, [0.8] * 12, 11)
    useless = np.random.default_rng(0).dirichlet(np.ones(3), 400)
    found = believe(many, model_proba=useless)
    assert found.model_weight < 0.2
    assert (found.labels == truth).mean() > 0.98


def test_a_row_that_is_certain_is_known():
    answers, truth = crowd(300, 2, [0.95, 0.95, 0.5, 0.5], 2, seed=3)
    gold = np.full((300, 2), 0.5)
    gold[np.arange(150), truth[:150]] = 1
    gold[np.arange(150), 1 - truth[:150]] = 0
    found = believe(answers, model_proba=gold)
    assert (found.labels[:150] == truth[:150]).all()
    assert found.accuracy == pytest.approx([0.95, 0.95, 0.5, 0.5], abs=0.1)


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("per_item", [1, 2, 3])
def test_it_is_calibrated(n_classes, per_item):
    """What it is sure of to some degree is right as often; the mean of CROWDLAB is far too timid."""
    sure, right, timid = [], [], []
    for seed in range(4):
        model, truth = timid_model(500, n_classes, seed)
        answers, _ = crowd(500, n_classes, np.linspace(0.7, 0.98, 8), per_item, seed, truth)
        found = believe(answers, model_proba=model)
        sure.append(found.confidence.mean())
        right.append((found.labels == truth).mean())
        timid.append(believe(answers, "crowdlab", model).confidence.mean())
    assert np.mean(sure) == pytest.approx(np.mean(right), abs=0.04)
    assert np.mean(timid) < np.mean(right) - 0.05


def test_few_answers_are_where_plain_likelihood_fails():
    """Dawid and Skene below the majority, the default not; with the model it is the best."""
    told = {"majority": 0.0, "dawid_skene": 0.0, "crowdlab": 0.0, "auto": 0.0}
    alone = 0.0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        model, truth = timid_model(200, 8, seed)
        answers, _ = crowd(200, 8, rng.uniform(0.6, 0.95, 12), rng.integers(1, 3, 200), seed, truth)
        for method in told:
            told[method] += (believe(answers, method, model).labels == truth).mean() / 6
        alone += (believe(answers).labels == truth).mean() / 6
    assert told["dawid_skene"] < told["majority"] - 0.03
    assert alone >= told["majority"]
    assert told["auto"] > told["crowdlab"] > told["majority"]


def test_what_answers_and_model_contradict_is_hardly_taught():
    label = np.zeros(101, int)
    answers = Answers(np.arange(101), np.zeros(101, int), label, 101, 1, 2)
    model = np.tile([0.9, 0.1], (101, 1))
    model[0] = [0.02, 0.98]
    found = believe(answers, model_proba=model)
    taught = teaching(answers, found)
    assert found.labels[0] == 1
    assert taught[0] < 0.6 < found.confidence[0]
    assert taught[1:].min() > 0.9
    assert (taught <= found.confidence + 1e-9).all()
    np.testing.assert_array_equal(teaching(answers, believe(answers)), believe(answers).confidence)


def test_without_answers_nothing_is_claimed():
    none = np.zeros(0, np.int64)
    for method in METHODS:
        found = believe(Answers(none, none, none, 3, 2, 4), method)
        assert found.labels.tolist() == [-1, -1, -1]
        assert found.confidence.tolist() == [0, 0, 0]
        assert found.proba == pytest.approx(np.full((3, 4), 0.25))
    model = [[0.5, 0.2, 0.2, 0.1]] * 3
    for method in ("auto", "crowdlab"):
        found = believe(Answers(none, none, none, 3, 2, 4), method, model)
        assert found.proba.argmax(axis=1).tolist() == [0, 0, 0]
        assert found.labels.tolist() == [-1, -1, -1]


def test_crowdlab_without_a_model_says_what_it_did():
    answers, _, _ = some(0)
    assert believe(answers, "crowdlab").method == "witness"
    assert believe(answers).method == "witness"


def test_crowdlab_by_hand():
    """Two items with two answers, one with one; by the formulas of the paper."""
    answers = Answers(
        np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 0]), np.array([0, 0, 1, 0, 1]), 3, 2, 2
    )
    model = np.array([[0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
    found = believe(answers, "crowdlab", model)
    # Consensus 0, 1, 1: P = (1 + 1/2) / 2; always the commonest class errs half of the time; the sources agree on
    # one of two items, so their weight is 1 - .5/.5, at least 1e-6, and the model's (1 - 0) * sqrt(5/3).
    assert found.accuracy == pytest.approx([0.5, 0.5])
    assert found.weight == pytest.approx([1e-6, 1e-6])
    assert found.model_weight == pytest.approx(np.sqrt(5 / 3))
    assert found.proba == pytest.approx(model, abs=1e-5)


@pytest.mark.parametrize(
    ("item", "source", "label", "n_classes", "message"),
    [
        ([0], [0], [2], 2, "labels of answers must be 0 to 1"),
        ([0], [-1], [0], 2, "sources of answers"),
        ([5], [0], [0], 2, "items of answers"),
        ([0, 1], [0], [0], 2, "Each answer needs"),
        ([0.5], [0], [0], 2, "whole numbers"),
        ([0], [0], [0], 1, "two classes"),
    ],
)
def test_answers_that_are_none_are_refused(item, source, label, n_classes, message):
    with pytest.raises(UsageError, match=message):
        Answers(np.array(item), np.array(source), np.array(label), 2, 1, n_classes)


@pytest.mark.parametrize(
    "model", [np.ones((3, 2)), np.full((2, 2), np.nan), -np.ones((2, 2)), np.zeros((2, 2))]
)
def test_models_that_are_none_are_refused(model):
    answers = Answers(np.array([0]), np.array([0]), np.array([0]), 2, 1, 2)
    with pytest.raises(UsageError, match="model's probabilities"):
        believe(answers, "auto", model)
    with pytest.raises(UsageError, match="no truth method 'vote'"):
        believe(answers, "vote")
