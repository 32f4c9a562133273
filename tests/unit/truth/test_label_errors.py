from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.truth.errors import confident_joint, suspicious

PRUNES = ["both", "class", "noise_rate", "confident"]


def separable(n: int, n_classes: int, flipped: int, seed: int):
    """Out-of-fold scores of a good model, and labels of which some are wrong."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n)
    z = rng.normal(size=(n, n_classes)) * 0.7
    z[np.arange(n), truth] += 6
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    wrong = rng.choice(n, flipped, replace=False)
    y = truth.copy()
    y[wrong] = (y[wrong] + rng.integers(1, n_classes, flipped)) % n_classes
    return p, y, truth, wrong


@pytest.mark.parametrize("prune", PRUNES)
@pytest.mark.parametrize("n_classes", [2, 4])
@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_flipped_labels_are_found_and_corrected(prune, n_classes, seed):
    p, y, truth, wrong = separable(600, n_classes, 40, seed)
    found = suspicious(p, y, prune=prune)
    rows = [error.row for error in found]
    hits = set(rows) & set(wrong)
    assert len(hits) >= 0.9 * len(rows)
    # Only what reaches a class's mean is confident: about half, where the model is equally sure of all.
    assert len(hits) >= (0.3 if prune == "confident" else 0.8) * len(wrong)
    assert np.mean([error.suggested == truth[error.row] for error in found]) >= 0.9
    assert all(error.given == y[error.row] for error in found)
    margins = [error.margin for error in found]
    assert margins == sorted(margins)
    assert max(margins) < 0


@pytest.mark.parametrize("prune", PRUNES)
@given(seed=st.integers(0, 1000), n_classes=st.integers(2, 6))
@settings(max_examples=15, deadline=None)
def test_nothing_is_found_where_nothing_is_wrong(prune, seed, n_classes):
    p, y, _, _ = separable(300, n_classes, 0, seed)
    assert suspicious(p, y, prune=prune) == []
    assert confident_joint(p, y).rate < 0.01


@given(
    seed=st.integers(0, 1000),
    prune=st.sampled_from(PRUNES),
    decimals=st.sampled_from([1, 2, 8]),
    n_classes=st.integers(2, 5),
)
@settings(max_examples=60, deadline=None)
def test_neither_the_order_of_rows_nor_of_classes_matters(seed, prune, decimals, n_classes):
    rng = np.random.default_rng(seed)
    p = np.round(rng.dirichlet(np.ones(n_classes), 80), decimals)  # rounded: ties
    y = rng.integers(0, n_classes, 80)
    found = {error.row for error in suspicious(p, y, prune=prune)}
    order = rng.permutation(80)
    assert {int(order[error.row]) for error in suspicious(p[order], y[order], prune=prune)} == found
    if decimals == 8:
        swap = rng.permutation(n_classes)
        swapped = suspicious(p[:, swap], np.argsort(swap)[y], prune=prune)
        assert {error.row for error in swapped} == found


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_the_noise_is_estimated(share):
    p, y, truth, _ = separable(4000, 3, int(4000 * share), 0)
    found = confident_joint(p, y)
    assert found.rate == pytest.approx(share, abs=0.02)
    by_label = [np.mean(truth[y == label] != label) for label in range(3)]
    assert found.noise == pytest.approx(by_label, abs=0.03)
    assert found.missed == pytest.approx([np.mean(y[truth == c] != c) for c in range(3)], abs=0.03)


def test_the_joint_by_hand():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.2, 0.8]])
    y = np.array([0, 0, 0, 1, 1])
    found = confident_joint(p, y)
    assert found.thresholds == pytest.approx([0.6, 0.75])
    assert found.counts.tolist() == [[2, 1], [0, 1]]
    assert found.joint.ravel() == pytest.approx([0.4, 0.2, 0, 0.4])
    (error,) = suspicious(p, y)
    assert (error.row, error.given, error.suggested) == (2, 0, 1)
    assert error.margin == pytest.approx(-0.8)
    assert error.why(["ham", "spam"]) == (
        "The label says ham, but a model trained without it gives spam 0.90 and ham 0.10; where the label says "
        "spam it gives spam 0.75 on average, and ham 0.60 where it says ham."
    )


def test_a_class_without_a_label_is_never_suggested():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 5], 60)
    y = rng.integers(0, 2, 60)
    found = confident_joint(p, y)
    assert np.isnan(found.noise[2])
    assert np.isnan(found.missed[2])
    assert np.isfinite(found.joint).all()
    assert found.joint.sum() == pytest.approx(1)
    errors = suspicious(p, y)
    assert {error.suggested for error in errors} <= {0, 1}


@pytest.mark.parametrize(("n", "n_classes"), [(0, 2), (1, 2), (3, 1000)])
def test_little_or_nothing_to_look_at(n, n_classes):
    p = np.full((n, n_classes), 1 / n_classes)
    assert suspicious(p, np.zeros(n, np.int64)) == []


@pytest.mark.parametrize(
    ("p", "y", "prune"),
    [
        (np.ones((2, 2)) / 2, [0, 1], "all"),
        (np.ones((2, 2)) / 2, [0, 2], "both"),
        (np.ones((2, 2)) / 2, [0], "both"),
        (np.full((1, 2), np.nan), [0], "both"),
    ],
)
def test_wrong_input_is_refused(p, y, prune):
    with pytest.raises(UsageError):
        suspicious(p, y, prune=prune)
