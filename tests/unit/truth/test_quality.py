from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.errors import UsageError
from tasks.truth import Answers, GoldTest, agreement, believe, confusions, gold_rates, rates
from tests.unit.truth.crowd import crowd


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=10))
def test_intervals_are_the_exact_ones(pairs):
    right, n = np.array([(r, r + w) for r, w in pairs]).T
    found = rates(right, n)
    for i, (r, total) in enumerate(zip(right.tolist(), n.tolist(), strict=True)):
        if total:
            expected = stats.binomtest(r, total).proportion_ci(method="exact")
            assert (found.lower[i], found.upper[i]) == pytest.approx((expected.low, expected.high))
            assert found.rate[i] == r / total
        else:
            assert (found.lower[i], found.upper[i]) == (0, 1)
            assert np.isnan(found.rate[i])


def test_gold_counts_only_what_is_known():
    answers = Answers(np.array([0, 1, 2, 0]), np.array([0, 0, 0, 1]), np.array([1, 1, 0, 0]), 3, 3, 2)
    found = gold_rates(answers, np.array([1, 0, -1]))
    assert found.right.tolist() == [1, 0, 0]
    assert found.n.tolist() == [2, 1, 0]


@pytest.mark.parametrize("n_classes", [2, 3, 5, 10, 20])
def test_a_spammer_is_suspended_and_a_good_vendor_is_not(n_classes):
    """Not simulated but counted: all sequences of gold answers, by their probability."""
    test = GoldTest()
    assert test.chance(1 / n_classes, 60)[-1] > 0.999
    good = test.chance(0.9, 1000)
    assert good[-1] < 0.005
    assert (np.diff(good) >= 0).all()


def test_simulated_vendors_fare_as_was_counted():
    test, rng = GoldTest(), np.random.default_rng(0)
    for accuracy, limit in ((0.5, 60), (0.7, 60), (0.9, 300)):
        right = np.cumsum(rng.random((2000, limit)) < accuracy, axis=1)
        wrong = np.arange(1, limit + 1) - right
        suspended = test.suspends(right, wrong).any(axis=1).mean()
        assert suspended == pytest.approx(test.chance(accuracy, limit)[-1], abs=0.04)


@given(st.integers(0, 300), st.integers(0, 60))
def test_evidence_goes_the_right_way(right, wrong):
    test = GoldTest()
    now = test.evidence(right, wrong)
    assert test.evidence(right, wrong + 1) > now > test.evidence(right + 1, wrong)
    # One more answer of a source that just passes leaves the evidence what it was, in the mean.
    after = 0.9 * np.exp(test.evidence(right + 1, wrong)) + 0.1 * np.exp(test.evidence(right, wrong + 1))
    assert after == pytest.approx(np.exp(now))


def test_a_good_vendor_that_turns_bad_is_found():
    test = GoldTest()
    wrong = next(n for n in range(200) if test.suspends(190 + n // 2, 10 + n - n // 2))
    assert wrong < 90


def test_the_test_has_no_evidence_before_it_begins():
    assert GoldTest().evidence(0, 0) == pytest.approx(0)
    assert not GoldTest().suspends([0, 500], [0, 2]).any()


@given(st.integers(0, 5000))
@settings(max_examples=40)
def test_agreement_is_with_the_rest(seed):
    rng = np.random.default_rng(seed)
    answers, _ = crowd(12, 3, rng.uniform(0.4, 0.9, 4), rng.integers(1, 5, 12), seed)
    belief = believe(answers, "majority")
    right, n = np.zeros(4, int), np.zeros(4, int)
    for i in range(len(answers)):
        rest = [j for j in range(len(answers)) if answers.item[j] == answers.item[i] and j != i]
        votes = np.bincount(answers.label[rest], minlength=3)
        if votes.max() > 0 and (votes == votes.max()).sum() == 1:
            n[answers.source[i]] += 1
            right[answers.source[i]] += votes.argmax() == answers.label[i]
    found = agreement(answers, belief)
    assert found.n.tolist() == n.tolist()
    assert found.right.tolist() == right.tolist()


def test_agreement_tells_the_careless_one():
    answers, _ = crowd(400, 4, [0.95, 0.95, 0.95, 0.4], 3)
    found = agreement(answers, believe(answers))
    assert found.rate[3] < 0.5
    assert found.lower[:3].min() > 0.8


def test_confusions_are_what_occurred():
    answers, truth = crowd(200, 30, [0.9, 0.3], 2)
    truth[:20] = -1
    found = confusions(answers, truth)
    table = np.zeros((2, 30, 30), int)
    table[found.source, found.truth, found.label] = found.count
    for source in range(2):
        for a in range(0, 30, 7):
            for b in range(0, 30, 7):
                said = (answers.source == source) & (truth[answers.item] == a) & (answers.label == b)
                assert table[source, a, b] == said.sum()
    assert table.sum() == 360
    assert found.count.min() > 0


def test_settings_out_of_range_are_refused():
    with pytest.raises(UsageError, match="at most all"):
        rates([3], [2])
    with pytest.raises(UsageError, match="level"):
        rates([1], [2], level=1.0)
    with pytest.raises(UsageError, match="passes"):
        GoldTest(passes=1.0)
