from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.features.archive import pack, unpack
from tasks.models.prior import PriorShift, fit_prior
from tasks.models.weights import class_weight, row_weight, trained_share

labels = st.lists(st.integers(0, 4), min_size=1, max_size=200)


@given(labels, st.sampled_from(["none", "balanced", "auto"]), st.integers(0, 100))
def test_the_mean_weight_stays_and_rare_classes_never_weigh_less(y, how, seed):
    codes = np.array(y)
    weight = np.random.default_rng(seed).uniform(0.2, 1, len(codes))
    found = class_weight(codes, weight, 6, how)
    assert found.shape == (6,)
    assert (found > 0).all()
    assert found[5] == 1  # no label
    assert row_weight(codes, weight, found).sum() == pytest.approx(weight.sum())
    mass = np.bincount(codes, weight, minlength=6)
    seen = np.flatnonzero(mass)
    order = seen[np.argsort(mass[seen])]
    assert (np.diff(found[order]) <= 1e-9).all()


def test_balanced_gives_every_class_the_same_weight_and_auto_half_the_way():
    y = np.array([0] * 90 + [1] * 10)
    one = np.ones(100)
    balanced, auto = class_weight(y, one, 2, "balanced"), class_weight(y, one, 2, "auto")
    assert balanced * [90, 10] == pytest.approx([50, 50])
    assert balanced[1] / balanced[0] == pytest.approx(9)
    assert auto[1] / auto[0] == pytest.approx(3)
    assert class_weight(y, one, 2, "none").tolist() == [1, 1]
    scarce = np.array([0] * 9999 + [1])
    steep = class_weight(scarce, np.ones(10_000), 2, "auto")
    assert steep[1] / steep[0] == pytest.approx(10)


def test_the_trained_share_is_that_of_the_weighted_rows():
    y = np.array([0] * 80 + [1] * 20)
    weight = np.where(y == 1, 0.5, 1.0)
    assert trained_share(y, weight, np.ones(3)).tolist() == pytest.approx([8 / 9, 1 / 9, 0])
    balanced = class_weight(y, weight, 3, "balanced")
    assert trained_share(y, weight, balanced).tolist() == pytest.approx([0.5, 0.5, 0])


@pytest.mark.parametrize(
    ("y", "weight", "how"),
    [([0, 1], [1], "auto"), ([0, 3], [1, 1], "auto"), ([0, 1], [1, -1], "balanced"), ([0], [1], "even")],
)
def test_wrong_weights_are_refused(y, weight, how):
    with pytest.raises(UsageError):
        class_weight(y, weight, 3, how)


def test_a_share_of_nothing_is_refused():
    with pytest.raises(UsageError, match="labelled row"):
        trained_share(np.zeros(0, int), np.zeros(0), np.ones(2))


def two_bells(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One feature, a bell a class, and its log-likelihood ratio."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(np.int64)
    return 2 * (rng.normal(size=n) + y) - 1, y


def posterior(ratio: np.ndarray, share: float) -> np.ndarray:
    odds = np.exp(ratio) * share / (1 - share)
    return np.column_stack([1 / (1 + odds), odds / (1 + odds)])


def test_a_large_audit_gives_the_posterior_under_the_new_prior():
    ratio, _ = two_bells(500, 0.1, 0)
    found = fit_prior([0.5, 0.5], [90_000, 10_000])
    assert found.corrects
    np.testing.assert_allclose(found.apply(posterior(ratio, 0.5)), posterior(ratio, 0.1), atol=2e-3)


@pytest.mark.parametrize(("n", "expected"), [(5, 0.5), (40, 0.5), (4000, 0.9)])
def test_a_small_audit_changes_little(n, expected):
    # The audit says 90 %, or what comes next to it in whole items.
    counts = [round(n * 0.1), n - round(n * 0.1)] if n != 40 else [16, 24]
    found = fit_prior([0.5, 0.5], counts)
    assert found.share[1] == pytest.approx(expected, abs=0.05)


def test_an_audit_that_agrees_changes_nothing():
    rng = np.random.default_rng(0)
    share = np.array([0.6, 0.3, 0.1])
    found = [fit_prior(share, rng.multinomial(200, share)) for _ in range(300)]
    assert np.mean([one.corrects for one in found]) <= 0.02
    p = rng.dirichlet([1, 1, 1], 20).astype(np.float32)
    same = next(one for one in found if not one.corrects)
    np.testing.assert_array_equal(same.apply(p), p)


def test_class_weights_are_undone_whatever_the_audit_says():
    found = fit_prior([0.5, 0.5], [0, 0], label_share=[0.9, 0.1])
    assert found.corrects
    assert found.n == 0
    ratio, _ = two_bells(300, 0.1, 1)
    np.testing.assert_allclose(found.apply(posterior(ratio, 0.5)), posterior(ratio, 0.1), atol=1e-5)


def test_labels_chosen_by_a_model_are_no_reason_to_correct_what_it_claims_of_the_pool():
    ratio, y = two_bells(4000, 0.2, 2)
    pool = posterior(ratio, 0.2)
    counts = np.bincount(y[:300], minlength=2)
    # The label set is even because the model chose from the middle; its probabilities are right nevertheless.
    assert fit_prior([0.5, 0.5], counts).corrects
    assert not fit_prior([0.5, 0.5], counts, pool_proba=pool).corrects
    skewed = fit_prior([0.5, 0.5], counts, pool_proba=posterior(ratio, 0.5))
    assert skewed.corrects
    # One step of the factors, so that the average goes most of the way.
    before, after = (p[:, 1].mean() for p in (posterior(ratio, 0.5), skewed.apply(posterior(ratio, 0.5))))
    assert 0.2 < after < (before + 0.2) / 2


@given(st.integers(0, 500), st.integers(2, 30), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_corrected_rows_are_probabilities_in_any_chunks(seed, n_classes, n):
    rng = np.random.default_rng(seed)
    train = rng.dirichlet(np.ones(n_classes)) * (rng.random(n_classes) < 0.8)
    train[0] += 0.1
    counts = rng.multinomial(n, rng.dirichlet(np.ones(n_classes)))
    found = fit_prior(train, counts)
    p = np.vstack([rng.dirichlet(np.ones(n_classes), 30), np.eye(n_classes)]).astype(np.float32)
    whole = found.apply(p)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(np.vstack([found.apply(p[:1]), found.apply(p[1:])]), whole)
    again = PriorShift.from_parts(*unpack(pack(*found.to_parts()), what="prior"))
    np.testing.assert_array_equal(again.apply(p), whole)
    assert (again.n, again.p, again.corrects) == (n, found.p, found.corrects)


@pytest.mark.parametrize(
    ("train", "counts", "options"),
    [
        ([0.5, 0.5], [1, 2, 3], {}),
        ([0.5, 0.5], [1, -2], {}),
        ([0, 0], [1, 2], {}),
        ([np.nan, 1], [1, 2], {}),
        ([0.5, 0.5], [1, 2], {"label_share": [1, 1, 1]}),
        ([0.5, 0.5], [1, 2], {"pool_proba": np.ones((0, 2))}),
        ([0.5, 0.5], [1, 2], {"pool_proba": np.ones((4, 3)) / 3}),
    ],
)
def test_wrong_priors_are_refused(train, counts, options):
    with pytest.raises(UsageError):
        fit_prior(train, counts, **options)


def test_probabilities_of_other_classes_are_refused():
    with pytest.raises(UsageError, match="2 classes"):
        fit_prior([0.5, 0.5], [3, 4]).apply(np.ones((2, 3)) / 3)
