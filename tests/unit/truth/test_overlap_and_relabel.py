from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.truth import Answers, Worth, active_lab, believe, believe_sets, doubt, needs_more, plan
from tests.unit.truth.crowd import crowd, model_of, wrong_at_times


def campaign(n_items, n_classes, accuracy, confidence, at_most, seed):
    """Answers that are asked for while it is unsure; gives accuracy and answers an item."""
    full, truth = crowd(n_items, n_classes, accuracy, at_most, seed)
    # The place of an answer among those of its item: they come in this order.
    place = np.arange(len(full)) - np.searchsorted(full.item, full.item)
    asked = np.ones(n_items, int)
    while True:
        come = place < asked[full.item]
        answers = Answers(
            full.item[come], full.source[come], full.label[come], n_items, len(accuracy), n_classes
        )
        belief = believe(answers)
        more = needs_more(belief, asked, confidence, at_most)
        if not more.any():
            return (belief.labels == truth).mean(), asked.mean()
        asked = asked + more


@pytest.mark.parametrize(("n_classes", "confidence"), [(2, 0.95), (4, 0.97)])
@pytest.mark.parametrize("accuracy", [[0.85] * 8, np.linspace(0.65, 0.95, 8)], ids=["alike", "mixed"])
def test_dynamic_overlap_saves_a_quarter_of_the_answers(n_classes, confidence, accuracy):
    found, fixed, n = [], [], []
    for seed in range(3):
        right, answers_each = campaign(700, n_classes, accuracy, confidence, 7, seed)
        five, truth = crowd(700, n_classes, accuracy, 5, seed)
        found.append(right)
        n.append(answers_each)
        fixed.append((believe(five).labels == truth).mean())
    assert np.mean(found) >= np.mean(fixed) - 0.002
    assert np.mean(n) <= 0.75 * 5


def test_bounds_hold_whatever_is_believed():
    answers, _ = crowd(40, 3, [0.9, 0.6, 0.6], 2)
    belief = believe(answers)
    counts = np.array([0, 1, 2, 3] * 10)
    found = needs_more(belief, counts, 1.0, 3, at_least=2)
    assert found[counts < 2].all()
    assert not found[counts == 3].any()
    assert found[counts == 2].all()
    assert not needs_more(belief, counts, 0.01, 3)[counts > 0].any()


def test_sets_want_more_while_one_class_is_unsure():
    named = np.array([[1, 0], [1, 0], [1, 1], [1, 0]])
    belief = believe_sets([0, 0, 1, 1], [0, 1, 0, 1], named, n_items=2, n_sources=2)
    assert needs_more(belief, [2, 2], 0.8, 5).tolist() == [False, True]


@pytest.mark.parametrize(
    ("counts", "confidence", "at_most", "at_least"),
    [([1], 0.9, 3, 1), ([1, 1], 0.0, 3, 1), ([1, 1], 1.1, 3, 1), ([1, 1], 0.9, 3, 4), ([1, 1], 0.9, 3, 0)],
)
def test_overlaps_that_are_none_are_refused(counts, confidence, at_most, at_least):
    belief = believe(crowd(2, 2, [0.9, 0.9], 1)[0])
    with pytest.raises(UsageError):
        needs_more(belief, counts, confidence, at_most, at_least=at_least)


worths = st.lists(st.integers(0, 20), max_size=12).map(lambda values: np.array(values, float) / 20)


@given(worths, worths, st.integers(0, 15), st.integers(1, 4))
def test_auto_takes_what_is_worth_most_of_both(again, fresh, k, at_most):
    counts = np.arange(len(again)) % 5 + 1
    found = plan(Worth(again, fresh), counts, k, at_most=at_most)
    assert len(found.again) + found.fresh == k
    assert (counts[found.again] < at_most).all()
    assert (np.diff(found.worth) <= 0).all()
    assert len(set(found.again.tolist())) == len(found.again)
    # Never an item that has answers where more fresh ones than are left are worth at least as much.
    for place, worth in enumerate(found.worth):
        assert (fresh >= worth).sum() + place < k
    open_ = (counts < at_most) & (again > 0.05)
    taken = np.isin(np.arange(len(again)), found.again)
    if open_.any() and found.fresh:
        # None is left out that is worth more than all but the fresh ones taken.
        left = again[open_ & ~taken]
        assert all((fresh >= one).sum() >= found.fresh for one in left)


@given(worths, st.integers(0, 15))
def test_shares_and_off(again, k):
    counts = np.ones(len(again), int)
    worth = Worth(again, np.ones(3))
    assert plan(worth, counts, k, "off").fresh == k
    share = plan(worth, counts, k, 0.5)
    assert len(share.again) == min((again > 0.05).sum(), round(0.5 * k))
    for wrong in ("share", 1.5, True, None):
        with pytest.raises(UsageError, match="relabel is auto, off or a share"):
            plan(worth, counts, k, wrong)
    with pytest.raises(UsageError, match="counts"):
        plan(worth, np.ones(99), k)


def test_what_the_model_contradicts_is_asked_again_first():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    label = wrong_at_times(truth, np.full(300, 0.8), 2, rng)
    answers = Answers(np.arange(300), np.zeros(300, int), label, 300, 1, 2)
    model = model_of(truth, 2, right=0.95, sure=0.6)
    fresh = np.tile([0.97, 0.03], (50, 1))
    worth = doubt(believe(answers, model_proba=model), fresh)
    found = plan(worth, np.ones(300), 30)
    assert len(found.again) >= 25
    wrong = label[found.again] != truth[found.again]
    assert wrong.mean() > 0.5
    # Fresh items on which the model is at a loss come before all but labels that are most probably wrong.
    unsure = plan(doubt(believe(answers, model_proba=model), np.full((300, 2), 0.5)), np.ones(300), 300)
    assert 0 < len(unsure.again) < 120
    assert unsure.worth.min() > 0.5


@pytest.mark.parametrize("n_classes", [2, 5])
def test_active_lab_follows_its_formula(n_classes):
    """Items of one class, alike to the model, with one to three answers that agree."""
    rng = np.random.default_rng(0)
    counts = np.tile([1, 2, 3], 100)
    truth = np.arange(300) // 3 % n_classes
    answers, _ = crowd(300, n_classes, [0.95, 0.9, 0.85, 0.8], counts, 0, truth)
    model = np.full((300, n_classes), 0.3 / (n_classes - 1))
    model[np.arange(300), wrong_at_times(truth, np.full(300, 0.7), n_classes, rng)] = 0.7
    found = active_lab(answers, model, model)
    belief = believe(answers, "crowdlab", model)  # about calibrated: its power is near 1
    usual = belief.weight.mean()
    given_ = belief.model_weight + answers.per_item(belief.weight)
    quality = belief.proba.max(axis=1)
    expected = 1 - (given_ * quality + usual / n_classes) / (given_ + usual)
    np.testing.assert_allclose(found.again, expected, atol=0.08)
    fresh = 1 - (belief.model_weight * 0.7 + usual / n_classes) / (belief.model_weight + usual)
    np.testing.assert_allclose(found.fresh, fresh, atol=0.08)
    unanimous = (answers.votes > 0).sum(axis=1) == 1
    means = [found.again[unanimous & (counts == n)].mean() for n in (1, 2, 3)]
    assert means[0] > means[1] > means[2]


def test_active_lab_prefers_disputed_items_and_unsure_fresh_ones():
    item = np.repeat(np.arange(40), 2)
    label = np.zeros(80, int)
    label[item >= 20] = 1
    label[[1, 41]] = [1, 0]
    answers = Answers(item, np.tile([0, 1], 40), label, 40, 2, 2)
    model = np.where((np.arange(40) >= 20)[:, None], [0.2, 0.8], [0.8, 0.2])
    found = active_lab(answers, model, [[0.5, 0.5], [0.8, 0.2], [0.99, 0.01]])
    assert set(found.again.argsort()[-2:]) == {0, 20}
    assert found.fresh[0] > found.fresh[1] > found.fresh[2]
    with pytest.raises(UsageError, match="2 columns"):
        active_lab(answers, model, np.ones((3, 3)))


def test_doubts_about_sets():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (200, 3))
    item = np.repeat(np.arange(200), 2)
    named = np.where(rng.random((400, 3)) < 0.9, truth[item], 1 - truth[item])
    chance = np.clip(truth * 0.8 + 0.1 + rng.normal(0, 0.05, truth.shape), 0.01, 0.99)
    found = believe_sets(item, np.tile([0, 1], 200), named, n_items=200, n_sources=2, model_proba=chance)
    assert (found.labels == truth).mean() > 0.98
    worth = doubt(found, np.array([[0.5, 0.9, 0.9], [0.99, 0.01, 0.99]]))
    assert worth.fresh[0] > 0.45 > worth.fresh[1]
    assert worth.again == pytest.approx(3 * (1 - found.confidence))
