"""Items with many labels, and items with many rows, as strategies see them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tasks.errors import UsageError
from tasks.strategies import Candidates, get
from tasks.strategies.multilabel import HOWS, Proxied, check_strategy_of_sets, proxy
from tasks.strategies.rows import HOWS as JOINS
from tasks.strategies.rows import MEASURES, aggregate, proxy_of_rows
from tasks.strategies.uncertainty import entropy, least_confidence, margin

PROBA = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 6)),
    elements=st.floats(0, 1, width=32),
)


@given(PROBA, st.sampled_from(HOWS))
def test_a_proxy_is_probabilities_that_every_measure_ranks_alike(p, how):
    shown = proxy(p, how)
    assert shown.dtype == np.float32
    assert shown.shape == (len(p), 2)
    np.testing.assert_allclose(shown.sum(axis=1), 1, atol=1e-6)
    assert (shown[:, 1] <= 0.5).all()
    u = shown[:, 1].astype(np.float64)
    order = np.argsort(-u, kind="stable")
    for measure in (least_confidence, margin, entropy):
        assert (np.diff(measure(shown)[order]) <= 1e-6).all()


@given(PROBA)
def test_the_ways_to_join_are_ordered_and_agree_on_one_label(p):
    u = {how: proxy(p, how)[:, 1] for how in HOWS}
    assert (u["mean"] <= u["max"] + 1e-6).all()
    assert (u["min_margin"] <= u["max"] + 1e-6).all()
    # The other columns of a single label say nothing: mean and max are its own uncertainty, the margin half.
    one = p[:, :1]
    np.testing.assert_allclose(proxy(one, "mean"), proxy(one, "max"))
    np.testing.assert_allclose(proxy(one, "min_margin")[:, 1], proxy(one, "max")[:, 1] / 2, atol=1e-6)


@given(PROBA, st.sampled_from(HOWS), st.integers(0, 12))
def test_a_row_does_not_depend_on_its_neighbours(p, how, cut):
    parts = [proxy(part, how) for part in (p[:cut], p[cut:]) if len(part)]
    np.testing.assert_array_equal(np.concatenate(parts), proxy(p, how))


def test_by_hand():
    p = np.array([[0.9, 0.6, 0.2, 0.0], [0.05, 0.1, 0.0, 0.0], [1.0, 0.7, 0.9, 1.0]])
    assert proxy(p, "mean")[:, 1] == pytest.approx([(0.1 + 0.4 + 0.2) / 4, 0.15 / 4, 0.4 / 4])
    assert proxy(p, "max")[:, 1] == pytest.approx([0.4, 0.1, 0.3])
    # .6 parts from .2; nothing predicted: 1 from .1; all predicted: .7 from 0.
    assert proxy(p, "min_margin")[:, 1] == pytest.approx([(1 - 0.4) / 2, 0.1 / 2, 0.3 / 2])


@pytest.mark.parametrize(
    ("p", "how"), [([[0.5, np.nan]], "max"), ([[1.5]], "mean"), ([[0.5]], "median"), ([0.5], "max")]
)
def test_what_is_no_probability_is_refused(p, how):
    with pytest.raises(UsageError):
        proxy(np.array(p), how)


class Oracle:
    def predict(self, X):
        return X


def test_margin_asks_for_the_least_sure_sets():
    rng = np.random.default_rng(0)
    p = rng.random((200, 5)).astype(np.float32)
    for how in HOWS:
        candidates = Candidates([str(i) for i in range(200)], proba=Proxied(Oracle(), how).predict(p))
        chosen = get("margin").select(candidates, 20, rng)
        u = proxy(p, how)[:, 1]
        assert u[chosen].min() >= np.sort(u)[-20]


@pytest.mark.parametrize(
    "name", ["auto", "margin", "entropy", "random", "margin_kmeans", "cluster_margin", "kcenter"]
)
def test_strategies_that_read_uncertainty_are_taken(name):
    check_strategy_of_sets(get(name))


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("badge", "leaf_table"),
        ("leaf_change", "leaves"),
        ("bald", "committee_proba"),
        ("galaxy", "known_classes"),
    ],
)
def test_strategies_that_read_more_are_refused(name, field):
    with pytest.raises(UsageError, match=field):
        check_strategy_of_sets(get(name))


# --- rows ---

COUNTS = st.lists(st.integers(0, 5), min_size=1, max_size=8)


def rows_of(counts, seed=0, n_classes=3):
    z = np.random.default_rng(seed).normal(size=(sum(counts), n_classes)) * 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return p, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


@given(COUNTS, st.sampled_from(MEASURES), st.sampled_from(JOINS), st.integers(0, 99))
@settings(max_examples=60)
def test_rows_are_joined_item_by_item(counts, measure, how, seed):
    p, offsets = rows_of(counts, seed)
    function = {"least_confidence": least_confidence, "margin": margin, "entropy": entropy}[measure]
    join = {"max": np.max, "mean": np.mean, "sum": np.sum}[how]
    found = aggregate(p, offsets, measure=measure, how=how)
    expected = [join(function(p[a:b])) if b > a else 0 for a, b in pairwise(offsets)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    shown = proxy_of_rows(p, offsets, measure=measure, how=how)
    assert shown.shape == (len(counts), 2)
    assert ((shown[:, 1] >= 0) & (shown[:, 1] <= 0.5)).all()
    order = np.argsort(found, kind="stable")
    assert (np.diff(shown[order, 1]) >= 0).all()


def test_an_item_is_shown_alike_in_every_chunk():
    p, offsets = rows_of([3, 0, 900, 2, 1], 4)
    for how in JOINS:
        whole = proxy_of_rows(p, offsets, how=how)
        for item in range(5):
            a, b = offsets[item], offsets[item + 1]
            alone = proxy_of_rows(p[a:b], np.array([0, b - a]), how=how)
            np.testing.assert_array_equal(alone[0], whole[item])


def test_a_sum_keeps_its_order_to_thousands_of_rows():
    row = np.array([[0.5, 0.5]])
    counts = [1, 10, 1_000, 1_001, 2_000]
    shown = proxy_of_rows(
        np.repeat(row, sum(counts), axis=0), np.concatenate([[0], np.cumsum(counts)]), how="sum"
    )
    assert (np.diff(shown[:, 1]) > 0).all()


@pytest.mark.parametrize("offsets", [[0, 1], [1, 3], [0, 2, 1, 3], [0.0, 3.0], [], [[0, 3]]])
def test_offsets_that_do_not_fit_are_refused(offsets):
    p, _ = rows_of([3])
    with pytest.raises(UsageError, match=r"[Oo]ffsets"):
        aggregate(p, offsets)


def test_unknown_measures_and_joins_are_refused():
    p, offsets = rows_of([3])
    for measure, how in (("median", "max"), ("margin", "median")):
        with pytest.raises(UsageError, match="median"):
            aggregate(p, offsets, measure=measure, how=how)
