"""Guards: each finds what is planted, and lets pass what is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import GuardTripped
from tasks.evaluation.drift import Drift
from tasks.evaluation.guards import (
    USUAL,
    GuardSignal,
    constant_scores,
    drifted,
    one_class,
    vendor_errors,
    worse_model,
)

CLASSES = ("ham", "spam")
LIMIT = USUAL["one_class"]


def said(signal: GuardSignal) -> bool:
    assert signal.reason.endswith(".")
    assert ". " not in signal.reason
    return signal.tripped


@given(st.integers(1, 300), st.integers(0, 60), st.floats(0, 0.05), st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_a_random_batch_of_a_lopsided_pool_passes(size, audit, share, seed):
    rng = np.random.default_rng(seed)
    batch, known = rng.multinomial(size, [1 - share, share]), rng.multinomial(audit, [1 - share, share])
    pool = rng.multinomial(5000, [1 - share, share])
    assert not said(one_class(batch, known, pool, CLASSES, limit=LIMIT))


@pytest.mark.parametrize(
    ("batch", "audit", "pool", "trips"),
    [
        ((90, 0), (15, 15), (5000, 0), True),  # the model has collapsed
        ((90, 0), (15, 15), (2500, 2500), True),  # the choice has
        ((86, 4), (15, 15), (2500, 2500), True),
        ((80, 10), (15, 15), (2500, 2500), False),
        ((90, 0), (4, 1), (2500, 2500), False),  # five audited items may lie
        ((90, 0), (0, 0), (2500, 2500), True),
        ((90, 0), (0, 0), (5000, 0), False),
        ((90, 0), (0, 0), (0, 0), False),
        ((0, 0), (15, 15), (2500, 2500), False),
        ((3, 0), (15, 15), (2500, 2500), False),
    ],
)
def test_a_batch_of_one_class(batch, audit, pool, trips):
    assert said(one_class(batch, audit, pool, CLASSES, limit=LIMIT)) is trips


@pytest.mark.parametrize(
    ("scores", "batch", "free", "trips"),
    [
        (np.zeros(500), 100, 10_000, True),
        (np.repeat([0.5, 0.1], [475, 25]), 100, 10_000, True),
        (np.repeat([0.5, 0.1], [300, 200]), 100, 10_000, False),  # easy data have few scores
        (np.repeat([0.5, 0.1], [40, 460]), 100, 10_000, False),  # the best are few
        (np.repeat([0.5, 0.1], [40, 460]), 2_000, 10_000, True),  # more are bought than those
        (np.zeros(500), 600, 1_000, False),  # most of what is left is bought
        (np.linspace(0, 1, 500), 100, 10_000, False),
        (np.zeros(0), 100, 10_000, False),
        (np.full(500, np.nan), 100, 10_000, False),
    ],
)
def test_scores_that_tell_nothing(scores, batch, free, trips):
    rng = np.random.default_rng(0)
    found = constant_scores(rng.permutation(scores), batch, free, limit=USUAL["constant_scores"])
    assert said(found) is trips


def test_a_model_that_is_surely_worse():
    def tripped(difference: float, high: float, limit: float = 0.0) -> bool:
        return said(worse_model(difference, high, 60, level=0.995, limit=limit, before=3))

    assert tripped(-0.3, -0.01)
    assert not tripped(-0.3, 0.0)
    assert not tripped(-0.3, -0.01, limit=0.02)
    assert not tripped(0.1, 0.2)


def test_a_pool_that_moved():
    def tripped(index: float, low: float, noise: float = 0.03, limit: float = USUAL["drift"]) -> bool:
        found = Drift({"f1": index, "f2": 0.0}, noise, low + 0.01, low, low + 0.02, 2000, 2000, 100)
        return said(drifted(found.to_json(), limit=limit))

    assert not tripped(0.2, 0.5)
    assert tripped(0.3, 0.5)
    assert not tripped(0.3, 0.5, noise=0.4)
    assert not tripped(0.3, 0.5, limit=0.5)
    assert tripped(0.1, 0.7)
    assert not tripped(0.1, 0.63)
    assert not said(drifted(None, limit=0.25))
    assert "12 items" in drifted({"why_not": "12 items are too few."}, limit=0.25).reason


def test_a_vendor_that_errs():
    gold = {"good": (57, 3), "bad": (20, 20), "new": (0, 1)}
    assert said(vendor_errors(gold, ["good", "bad"], passes=0.9))
    assert not said(vendor_errors(gold, ["good", "new"], passes=0.9))
    assert not said(vendor_errors(gold, ["good", "bad"], passes=0.4))
    assert not said(vendor_errors(gold, ["unknown"], passes=0.9))


def test_the_refusal_names_the_guards_and_how_to_go_on():
    refused = GuardTripped("spam", 4, {"drift": "The pool drifted.", "one_class": "One class."})
    assert refused.names == ("drift", "one_class")
    assert "`labelrounds round spam --override drift --override one_class`" in str(refused)
    assert "nothing was published" in str(refused)
