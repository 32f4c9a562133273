from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.errors import UsageError
from tasks.weak import VoteCounts, as_annotations, fit_label_model
from tasks.weak.label_model import copy_weights
from tasks.weak.votes import VoteCounter, abstain, plurality


@st.composite
def vote_tables(draw, max_classes=4):
    n_classes = draw(st.integers(2, max_classes))
    shape = (draw(st.integers(0, 30)), draw(st.integers(1, 6)))
    return draw(arrays(np.int16, shape, elements=st.integers(-1, n_classes - 1))), n_classes


def ids(n):
    return [f"item {number}" for number in range(n)]


def made(rng, n, accuracy, coverage, share):
    """Independent functions: each votes for any class with the accuracy and coverage that is given."""
    classes = len(share)
    y = rng.choice(classes, n, p=share)
    wrong = (y[:, None] + rng.integers(1, classes, (n, len(accuracy)))) % classes
    votes = np.where(rng.random((n, len(accuracy))) < accuracy, y[:, None], wrong)
    return np.where(rng.random(votes.shape) < coverage, votes, -1).astype(np.int16), y


@given(vote_tables(), st.randoms(use_true_random=False), st.integers(1, 40))
def test_counts_do_not_depend_on_chunks_order_or_merging(table, random, limit):
    votes, _ = table
    n = len(votes)
    whole = VoteCounter(votes.shape[1], seed=1, limit=limit).update(votes, ids(n)).result()
    order = np.array(random.sample(range(n), n), np.int64)
    cut = random.randint(0, n)
    parts = [VoteCounter(votes.shape[1], seed=1, limit=limit) for _ in range(2)]
    for part, rows in zip(parts, (order[:cut], order[cut:]), strict=True):
        for row in rows:
            part.update(votes[[row]], [ids(n)[row]])
    merged = parts[0].merge(parts[1]).result()
    np.testing.assert_array_equal(merged.patterns, whole.patterns)
    np.testing.assert_array_equal(merged.counts, whole.counts)
    assert merged.rows == whole.rows == n
    assert len(whole.patterns) <= limit
    if limit == 40:
        assert Counter(map(tuple, votes.tolist())) == dict(
            zip(map(tuple, whole.patterns.tolist()), whole.counts.tolist(), strict=True)
        )


def test_a_thinned_count_is_a_fair_sample():
    votes, _ = made(np.random.default_rng(0), 20_000, np.full(12, 0.8), 0.5, [0.5, 0.5])
    thin = VoteCounter(12, seed=0, limit=2_000).update(votes, ids(len(votes))).result()
    assert thin.rows == 20_000
    assert 500 < thin.counts.sum() < 5_000
    np.testing.assert_allclose(
        thin.counts @ (thin.patterns >= 0) / thin.counts.sum(), (votes >= 0).mean(axis=0), atol=0.05
    )


def test_disabled_functions_abstain_in_the_counts():
    votes = np.array([[0, 1], [0, -1], [1, 1]], np.int16)
    counts = VoteCounts.of(votes).without([1])
    assert counts.patterns.tolist() == [[0, -1], [1, -1]]
    assert counts.counts.tolist() == [2, 1]
    assert abstain(votes, [1])[:, 1].tolist() == [-1, -1, -1]
    assert votes[0, 1] == 1


def test_votes_as_answers_of_vendors():
    item, vendor, answer = as_annotations(np.array([[0, -1], [-1, 2]], np.int16))
    assert (item.tolist(), vendor.tolist(), answer.tolist()) == ([0, 1], [0, 1], [0, 2])


def test_plurality():
    assert plurality(np.array([[1, 1, 0], [1, 0, -1], [-1, -1, -1]]), 2).tolist() == [1, 0, -1]


@given(vote_tables())
def test_probabilities_sum_to_one_where_somebody_voted(table):
    votes, n_classes = table
    model = fit_label_model(VoteCounts.of(votes), n_classes)
    proba = model.predict(votes)
    voted = (votes >= 0).any(axis=1)
    np.testing.assert_allclose(proba[voted].sum(axis=1), 1)
    assert np.isnan(proba[~voted]).all()
    assert np.isclose(model.prior.sum(), 1)
    cast = (votes >= 0).any(axis=0)
    assert ((model.accuracy[cast] > 0) & (model.accuracy[cast] < 1)).all()
    assert np.isnan(model.accuracy[~cast]).all()


@given(vote_tables(), st.randoms(use_true_random=False))
def test_another_order_of_functions_gives_the_same_in_that_order(table, random):
    votes, n_classes = table
    order = random.sample(range(votes.shape[1]), votes.shape[1])
    model = fit_label_model(VoteCounts.of(votes), n_classes)
    other = fit_label_model(VoteCounts.of(votes[:, order]), n_classes)
    np.testing.assert_allclose(other.accuracy, model.accuracy[order], atol=1e-3)
    np.testing.assert_allclose(other.predict(votes[:, order]), model.predict(votes), atol=1e-3)


@given(vote_tables())
def test_a_function_that_always_abstains_changes_nothing(table):
    votes, n_classes = table
    more = np.column_stack([votes, np.full(len(votes), -1, np.int16)])
    model = fit_label_model(VoteCounts.of(votes), n_classes)
    other = fit_label_model(VoteCounts.of(more), n_classes)
    np.testing.assert_array_equal(other.accuracy[:-1], model.accuracy)
    np.testing.assert_array_equal(other.predict(more), model.predict(votes))


@given(vote_tables())
def test_a_vote_never_counts_against_its_class(table):
    votes, n_classes = table
    model = fit_label_model(VoteCounts.of(votes), n_classes)
    named = model.likelihood[np.arange(len(model.labels)), model.labels]
    assert (named[:, None] >= model.likelihood).all()


@given(vote_tables(), st.integers(2, 4))
def test_copies_of_a_function_count_once(table, copies):
    votes, n_classes = table
    more = np.column_stack([votes] + [votes[:, :1]] * (copies - 1))
    own = copy_weights(VoteCounts.of(votes), n_classes)
    weights = copy_weights(VoteCounts.of(more), n_classes)
    if (votes[:, 0] >= 0).any():
        same = [0, *range(votes.shape[1], more.shape[1])]
        assert weights[same].sum() <= max(1.0, own[0] * copies) + 1e-9
    if own[0] == 1:  # nothing else is like it
        one = fit_label_model(VoteCounts.of(votes), n_classes).predict(votes)
        many = fit_label_model(VoteCounts.of(more), n_classes).predict(more)
        if (votes[:, 0] >= 0).any():
            np.testing.assert_allclose(many, one, atol=1e-4)


@pytest.mark.parametrize("share", [[0.5, 0.5], [0.8, 0.2], [0.4, 0.3, 0.3]])
def test_accuracies_are_found_without_labels(share):
    accuracy = np.array([0.95, 0.9, 0.8, 0.7, 0.6])
    votes, y = made(np.random.default_rng(1), 20_000, accuracy, 0.6, share)
    model = fit_label_model(VoteCounts.of(votes), len(share))
    assert np.argsort(model.accuracy)[::-1].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(model.accuracy, accuracy, atol=0.15)  # drawn towards 0.85
    voted = (votes >= 0).any(axis=1)
    simple = plurality(votes, len(share))
    assert (model.predict(votes)[voted].argmax(axis=1) == y[voted]).mean() > (simple == y)[voted].mean()


def test_labels_correct_what_votes_alone_get_wrong():
    rng = np.random.default_rng(2)
    votes, y = made(rng, 5_000, np.array([0.9, 0.9]), 0.7, [0.5, 0.5])
    # Two functions that make the same mistakes, though not on quite the same items.
    mistaken = np.where(rng.random(5_000) < 0.45, 1 - y, y)
    copies = np.where(rng.random((5_000, 2)) < 0.75, mistaken[:, None], -1)
    votes = np.column_stack([votes, copies]).astype(np.int16)
    alone = fit_label_model(VoteCounts.of(votes), 2)
    told = fit_label_model(VoteCounts.of(votes), 2, anchor_votes=votes[:200], anchor_labels=y[:200])
    assert np.abs(told.accuracy[2:] - 0.55).max() < np.abs(alone.accuracy[2:] - 0.55).min()
    right = [(m.predict(votes).argmax(axis=1) == y)[(votes >= 0).any(axis=1)].mean() for m in (alone, told)]
    assert right[1] > right[0] + 0.02


def test_a_class_without_a_function_and_functions_of_one_class():
    votes = np.where(np.random.default_rng(3).random((500, 3)) < 0.3, 1, -1).astype(np.int16)
    model = fit_label_model(VoteCounts.of(votes), 3)
    proba = model.predict(votes)
    voted = (votes >= 0).any(axis=1)
    assert (proba[voted].argmax(axis=1) == 1).all()
    assert (proba[voted] < 1).all()


def test_two_hundred_functions():
    votes, y = made(np.random.default_rng(4), 3_000, np.full(200, 0.7), 0.05, [0.5, 0.5])
    model = fit_label_model(VoteCounts.of(votes), 2)
    assert (model.predict(votes).argmax(axis=1) == y).mean() > 0.85


def test_no_votes_at_all():
    votes = np.full((4, 2), -1, np.int16)
    model = fit_label_model(VoteCounts.of(votes), 3)
    assert np.isnan(model.predict(votes)).all()
    np.testing.assert_allclose(model.prior, 1 / 3)
    np.testing.assert_allclose(model.shares(VoteCounts.of(votes)), 1 / 3)
    assert np.isnan(fit_label_model(VoteCounts.of(votes[:0]), 3).accuracy).all()


def test_a_known_prior_is_kept():
    votes, _ = made(np.random.default_rng(5), 300, np.full(3, 0.8), 0.5, [0.9, 0.1])
    assert fit_label_model(VoteCounts.of(votes), 2, prior=[9, 1]).prior.tolist() == [0.9, 0.1]


@pytest.mark.parametrize(
    "options",
    [
        {"prior": [1.0]},
        {"prior": [-1.0, 2.0]},
        {"anchor_votes": np.zeros((1, 2), np.int16)},
        {"anchor_votes": np.zeros((1, 3), np.int16), "anchor_labels": np.zeros(1, np.int64)},
        {"anchor_votes": np.zeros((1, 2), np.int16), "anchor_labels": np.array([2])},
        {"anchor_votes": np.zeros((2, 2), np.int16), "anchor_labels": np.array([1])},
    ],
)
def test_what_does_not_fit_is_refused(options):
    with pytest.raises(UsageError):
        fit_label_model(VoteCounts.of(np.zeros((3, 2), np.int16)), 2, **options)
    with pytest.raises(UsageError):
        fit_label_model(VoteCounts.of(np.full((3, 2), 2, np.int16)), 2)
