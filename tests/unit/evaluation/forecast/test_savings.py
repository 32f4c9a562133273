"""Savings: what random selection would have needed, and when nothing is said."""

import numpy as np
import pytest

from tasks.evaluation import Estimate
from tasks.evaluation.intervals import wilson
from tasks.evaluation.savings import NoSavings, Savings, random_subsets, savings

NOW = Estimate(0.95, *wilson(0.95, 100), 100)


def pool(n=500, seed=0):
    p = np.random.default_rng(seed).beta(0.2, 0.2, n)
    return np.column_stack([1 - p, p]).astype(np.float32)


def models(said, wrong):
    """Models that say the opposite of so many items, by labels."""
    found = []
    for labels, count in wrong.items():
        other = said.copy()
        other[:count] = other[:count, ::-1]
        found.append((labels, other))
    return found


def told(wrong, of=400, now=NOW):
    said = pool()
    return savings("accuracy", now, of, said, models(said, wrong))


def test_worse_random_models_mean_more_saved():
    near, far = told({50: 60, 100: 20}), told({50: 140, 100: 80})
    assert isinstance(near, Savings)
    assert far.low > near.low
    assert far.labels is None or far.labels > near.labels


def test_the_interval_holds_the_middle_and_the_sentence_says_it():
    found = told({50: 60, 100: 12})
    assert found.low <= found.labels
    assert found.high is None or found.labels <= found.high
    assert f"{found.labels:,}" in found.sentence()
    assert "at least" in found.sentence()


def test_what_is_too_far_off_has_no_upper_end():
    found = told({50: 250, 100: 240}, of=110)
    assert (found.labels, found.high) == (None, None)
    assert "at least" in found.sentence()
    assert found.to_json(0.5)["money_high"] is None


def test_random_labels_that_already_do_as_well_save_nothing():
    found = told({50: 60, 100: 0}, of=400)
    assert found.labels < 400
    assert found.to_json(0.1)["money"] < 0


@pytest.mark.parametrize(
    ("metric", "now", "said", "wrong", "reason"),
    [
        ("auc", NOW, pool(), {50: 1, 80: 1}, "not known to hold"),
        ("accuracy", NOW, None, {}, "no sample"),
        ("accuracy", NOW, pool(), {50: 10}, "fewer than 40"),
        ("accuracy", Estimate(float("nan"), 0, 1, 0), pool(), {50: 1, 80: 1}, "cannot measure"),
    ],
)
def test_without_evidence_nothing_is_said(metric, now, said, wrong, reason):
    trained = [] if said is None else models(said, wrong)
    found = savings(metric, now, 100, said, trained)
    assert isinstance(found, NoSavings)
    assert reason in found.to_json()["why_not"]


def test_subsets_of_random_labels_end_with_all():
    assert random_subsets(39, 0) == []
    found = random_subsets(100, 7)
    assert [len(one) for one in found] == [25, 40, 60, 80, 25, 40, 60, 80, 100]
    assert all(np.array_equal(a, b) for a, b in zip(found, random_subsets(100, 7), strict=True))


def test_the_same_evidence_gives_the_same_savings():
    assert told({50: 60, 100: 12}) == told({50: 60, 100: 12})
