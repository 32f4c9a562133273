"""Our Dawid-Skene and one-coin against crowd-kit's."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from tasks.truth.dawid_skene import dawid_skene, one_coin
from tests.unit.truth.crowd import crowd


@pytest.mark.parametrize(("ours", "theirs"), [(dawid_skene, "DawidSkene"), (one_coin, "OneCoinDawidSkene")])
@pytest.mark.parametrize(
    ("n_items", "n_classes", "per_item", "iterations"), [(60, 2, 3, 100), (30, 5, 2, 15), (80, 3, 5, 2)]
)
def test_it_is_what_crowd_kit_finds(ours, theirs, n_items, n_classes, per_item, iterations):
    import crowdkit.aggregation as peer  # takes seconds: only where it runs

    answers, _ = crowd(n_items, n_classes, np.random.default_rng(1).uniform(0.3, 1.0, 7), per_item, 1)
    assert len(np.unique(answers.label)) == n_classes
    frame = pd.DataFrame({"task": answers.item, "worker": answers.source, "label": answers.label})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = getattr(peer, theirs)(n_iter=iterations).fit(frame)
    expected = other.probas_.sort_index()[list(range(n_classes))].to_numpy()
    found = ours(answers, iterations=iterations)
    np.testing.assert_allclose(found.proba, expected, atol=1e-6)
    if theirs == "OneCoinDawidSkene":
        np.testing.assert_allclose(found.accuracy, other.skills_.sort_index(), atol=1e-6)


@pytest.mark.parametrize("method", [dawid_skene, one_coin])
def test_a_class_that_nobody_answered_is_never_believed(method):
    answers, _ = crowd(50, 2, [0.6, 0.7, 0.8], 3)
    wider = type(answers)(answers.item, answers.source, answers.label, 51, 4, 3)
    found = method(wider)
    assert found.proba[:, 2].max() == 0
    assert found.proba.sum(axis=1) == pytest.approx(np.ones(51))
    assert found.labels[50] == -1
