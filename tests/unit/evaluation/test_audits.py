"""Estimates from chosen draws, with predictions, and under many looks."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.evaluation import (
    active_draw,
    active_ppi,
    confidence_sequence,
    estimate,
    look_level,
    lure,
    lure_weights,
    narrowed,
    ppi,
)


def losses_of(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(n)


def chance_of(order: tuple[int, ...], scores: np.ndarray, tau: float) -> np.ndarray:
    """The probability of each draw of an order, by the formula."""
    left, found = list(range(len(scores))), []
    for item in order:
        q = tau / len(left) + (1 - tau) * scores[item] / scores[left].sum()
        found.append(q)
        left.remove(item)
    return np.array(found)


# --- LURE and the active draw ---


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_lure_of_uniform_draws_is_the_plain_mean(drawn, more, seed):
    n_items, loss = drawn + more, losses_of(drawn, seed)
    q = 1 / (n_items - np.arange(drawn))
    assert lure_weights(q, n_items) == pytest.approx(np.ones(drawn))
    assert lure(loss, q, n_items).value == pytest.approx(loss.mean())


@pytest.mark.parametrize("tau", [0.2, 1.0])
@pytest.mark.parametrize("n_items", [3, 5, 6])
def test_lure_is_unbiased_over_all_orders(n_items, tau):
    rng = np.random.default_rng(n_items)
    loss, scores = rng.random(n_items), rng.random(n_items) + 0.05
    for drawn in range(1, n_items + 1):
        mean = mean_weight = 0.0
        for order in permutations(range(n_items), drawn):
            q = chance_of(order, scores, tau)
            weight = lure_weights(q, n_items)
            mean += q.prod() * (weight @ loss[list(order)]) / drawn
            mean_weight += q.prod() * weight.mean()
        assert mean == pytest.approx(loss.mean())
        assert mean_weight == pytest.approx(1)


@given(st.integers(1, 30), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_lure_is_the_mean_under_its_weights(drawn, seed):
    rng = np.random.default_rng(seed)
    positions, q = active_draw(1 - rng.random(30), rng.random(30), np.zeros(30, bool), drawn)
    loss, weight = losses_of(30, seed)[positions], lure_weights(q, 30)
    assert (weight > 0).all()
    found = [lure(loss, q, 30, level=level, unseen=1.0) for level in (0.5, 0.95, 0.9999)]
    assert found[0].value == pytest.approx(weight @ loss / drawn)
    for narrow, wide in pairwise(found):
        assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high


def test_all_items_leave_nothing_to_chance_but_the_frame():
    loss, scores = losses_of(6), np.arange(1.0, 7)
    q = chance_of((3, 1, 0, 5, 2, 4), scores, 0.5)
    order = [3, 1, 0, 5, 2, 4]
    whole = lure(loss[order], q, 6, of_larger=False)
    assert (whole.low, whole.high) == (whole.value, whole.value) == pytest.approx((loss.mean(),) * 2)
    assert lure(loss[order], q, 6).low < whole.value < lure(loss[order], q, 6).high


def test_a_frame_that_is_a_sample_widens():
    u = np.random.default_rng(0).random(200)
    positions, q = active_draw(u, u[::-1].copy(), np.zeros(200, bool), 150)
    loss = losses_of(200)[positions]
    own, larger = lure(loss, q, 200, of_larger=False), lure(loss, q, 200)
    assert own.value == larger.value
    assert larger.low < own.low < own.high < larger.high


@given(st.integers(1, 25), st.floats(0.05, 1), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_an_active_draw_is_without_replacement_and_knows_its_chances(n, tau, seed):
    rng = np.random.default_rng(seed)
    u, scores, taken = 1 - rng.random(25), rng.random(25), rng.random(25) < 0.3
    positions, q = active_draw(u, scores, taken, n, tau=tau)
    free = np.flatnonzero(~taken)
    assert len(positions) == len(set(positions)) == len(q) == min(n, len(free))
    assert set(positions) <= set(free)
    places = {item: place for place, item in enumerate(free)}
    assert q == pytest.approx(chance_of(tuple(places[item] for item in positions), scores[free], tau))
    # The same of the items in another order.
    order = rng.permutation(25)
    again, q_again = active_draw(u[order], scores[order], taken[order], n, tau=tau)
    assert order[again].tolist() == positions.tolist()
    assert q_again == pytest.approx(q)


def test_the_draws_are_as_frequent_as_they_say():
    rng, scores = np.random.default_rng(0), np.array([1.0, 2.0, 5.0, 0.0])
    seen = dict.fromkeys(permutations(range(4), 2), 0)
    for _ in range(4000):
        positions, _ = active_draw(1 - rng.random(4), scores, np.zeros(4, bool), 2, tau=0.4)
        seen[tuple(positions.tolist())] += 1
    for pair, count in seen.items():
        expected = chance_of(pair, scores, 0.4).prod()
        assert count / 4000 == pytest.approx(expected, abs=4 * np.sqrt(expected / 4000))


def test_scores_of_nothing_draw_uniformly():
    positions, q = active_draw([0.3, 0.9, 0.5], np.zeros(3), [False] * 3, 3)
    assert positions.tolist() == [1, 2, 0]
    assert q == pytest.approx([1 / 3, 1 / 2, 1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: active_draw([0.5], [1.0], [False, False], 1),
        lambda: active_draw([0.5], [-1.0], [False], 1),
        lambda: active_draw([1.0], [1.0], [False], 1),
        lambda: active_draw([0.5], [1.0], [False], 1, tau=0.0),
        lambda: lure_weights([0.0], 3),
        lambda: lure_weights([0.5, 1.0], 1),
        lambda: lure([np.nan, 0.0], [0.5, 0.5], 5),
        lambda: ppi([0.0], [0.0, 1.0], [0.0]),
        lambda: active_ppi([0.0], [0.0], [True], [0.0]),
        lambda: active_ppi([0.0], [0.0, 1.0], [True], [1.0]),
        lambda: narrowed([[0.5, 0.5]], [0], [[1.0, 0.0, 0.0]]),
        lambda: look_level(0),
        lambda: confidence_sequence([2.0]),
    ],
)
def test_wrong_input_is_refused(call):
    with pytest.raises(UsageError):
        call()


# --- predictions ---


def test_ppi_without_predictions_is_the_plain_mean():
    loss, nothing = losses_of(50), np.zeros(50)
    for found in (ppi(loss, nothing, np.zeros(9)), ppi(loss, loss, losses_of(90, 1), power=0.0)):
        assert found.value == pytest.approx(loss.mean())
    plain, helped = ppi(loss, nothing, np.zeros(9)), ppi(loss, losses_of(50, 2), losses_of(900, 3))
    assert helped.high - helped.low == pytest.approx(plain.high - plain.low, rel=0.15)


def test_ppi_with_perfect_predictions_is_the_mean_of_all():
    loss, other = losses_of(50), losses_of(5000, 1)
    found = ppi(loss, loss, other, power=1.0)
    assert found.value == pytest.approx(other.mean())
    plain = ppi(loss, loss, other, power=0.0)
    assert ppi(loss, loss, other).high - ppi(loss, loss, other).low < (plain.high - plain.low) / 5


def test_the_power_tuned_variance_is_the_least():
    rng = np.random.default_rng(0)
    f, g = rng.random(200), rng.random(1000)
    loss = (rng.random(200) < f).astype(float)

    def width(power: float | None) -> float:
        found = ppi(loss, f, g, power=power)
        return found.high - found.low

    assert width(None) <= min(width(power) for power in (0, 0.25, 0.5, 0.75, 1)) * 1.01
    assert width(None) < 0.95 * width(0)


@given(st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_narrowed_is_plain_with_few_labels_and_nests(seed):
    rng = np.random.default_rng(seed)
    top = rng.uniform(0.5, 1, 1150)
    p = np.column_stack([top, 1 - top])
    y = (rng.random(150) > top[:150]).astype(np.int64)
    few = narrowed(p[:99], y[:99], p[150:])
    plain = estimate(p[:99], y[:99])
    assert few == {name: plain[name] for name in few}
    found = [narrowed(p[:150], y, p[150:], level=level) for level in (0.5, 0.95, 0.9999)]
    for name in found[0]:
        for narrow, wide in pairwise(one[name] for one in found):
            assert 0 <= wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high


def test_active_ppi_of_all_items_is_the_full_mean():
    loss, f = losses_of(40), losses_of(40, 1)
    assert active_ppi(loss, f, np.ones(40, bool), np.ones(40)).value == pytest.approx(loss.mean())


def test_active_ppi_without_predictions_is_horvitz_and_thompsons():
    loss, known = losses_of(40), np.arange(40) < 10
    found = active_ppi(np.where(known, loss, np.nan), np.zeros(40), known, np.full(40, 0.25))
    assert found.value == pytest.approx(loss[:10].mean())
    assert found.n == 10


def test_active_ppi_is_unbiased_over_all_draws():
    loss, f, pi = losses_of(5), losses_of(5, 1), np.array([0.2, 0.9, 0.5, 1.0, 0.4])
    mean = 0.0
    for size in range(6):
        for drawn in combinations(range(5), size):
            known = np.isin(np.arange(5), drawn)
            chance = np.where(known, pi, 1 - pi).prod()
            mean += chance * active_ppi(loss, f, known, pi).value
    assert mean == pytest.approx(loss.mean())


# --- sequences ---


def test_looks_spend_alpha_and_no_more():
    spent = np.cumsum([1 - look_level(look) for look in range(1, 20_000)])
    assert spent[-1] == pytest.approx(0.05, abs=1e-5)
    assert spent[-1] < 0.05
    assert look_level(1, 0.1) == pytest.approx(1 - 0.6 / np.pi**2)


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.5, 1.0])
def test_a_sequence_only_narrows(rate):
    x = (np.random.default_rng(0).random(150) < rate).astype(float)
    low, high = confidence_sequence(x)
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert low[-1] <= x.mean() <= high[-1]
    wide_low, wide_high = confidence_sequence(x, level=0.999)
    assert wide_low[-1] <= low[-1] < high[-1] <= wide_high[-1]
    assert (wide_high - wide_low)[-1] > (high - low)[-1]
    mirrored = confidence_sequence(1 - x)
    assert mirrored[0] == pytest.approx(1 - high)


@pytest.mark.parametrize("rate", [0.04, 0.3])
def test_a_sequence_holds_the_truth_at_every_moment(rate):
    rng, missed = np.random.default_rng(5), 0
    for _ in range(100):
        low, high = confidence_sequence((rng.random(100) < rate).astype(float), level=0.9)
        missed += bool(((low > rate) | (high < rate)).any())
    assert missed / 100 <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 100)


def test_nothing_seen_is_the_whole_range():
    low, high = confidence_sequence([])
    assert len(low) == len(high) == 0
    assert confidence_sequence([0.5])[0][0] == 0
