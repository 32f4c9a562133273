from __future__ import annotations

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.errors import UsageError
from tasks.strategies import Candidates, Shortlist, ranked, tie_key
from tasks.strategies.power import PowerMargin, draw_probabilities, gumbel
from tasks.strategies.testing import check_strategy, make_candidates
from tasks.strategies.uncertainty import margin

margins = arrays(np.float64, st.integers(1, 12), elements=st.sampled_from([0, 1e-6, 0.1, 0.4, 0.4001, 1]))
betas = st.sampled_from([0, 0.5, 1, 4, 1000])


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def candidates_of(scores: np.ndarray) -> Candidates:
    """Two classes, so that 1 - (p_1 - p_2) is the score."""
    p = np.column_stack([1 - scores / 2, scores / 2])
    return Candidates([f"item-{number}" for number in range(len(scores))], proba=p)


@pytest.mark.parametrize("beta", [0, 1e6])
def test_the_contract_at_the_ends(beta):
    check_strategy(PowerMargin(beta=beta))


@given(margins, st.integers(0, 999))
def test_beta_0_ignores_the_scores(scores, seed):
    drawn, other = (
        PowerMargin(beta=0).select(candidates_of(s), len(scores), rng(seed)) for s in (scores, scores * 0)
    )
    assert np.array_equal(drawn, other)


@given(arrays(np.float64, 30, elements=st.floats(0, 1), unique=True), st.integers(0, 999))
def test_a_large_beta_gives_the_highest(scores, seed):
    scores = (np.argsort(scores) + 1) / 31
    batch = PowerMargin(beta=1e5).select(candidates_of(scores), 7, rng(seed))
    assert set(batch) == set(np.argsort(-scores)[:7])


@pytest.mark.parametrize("beta", [0, 1, 2])
def test_the_first_draw_is_proportional_to_the_power(beta):
    scores = np.array([0.1, 0.3, 0.6, 1.0])
    pool, draws = candidates_of(scores), 2500
    first = [PowerMargin(beta=beta).select(pool, 1, rng(seed))[0] for seed in range(draws)]
    wanted = scores**beta / (scores**beta).sum()
    error = np.sqrt(wanted * (1 - wanted) / draws)
    assert (np.abs(np.bincount(first, minlength=4) / draws - wanted) < 4.5 * error).all()


@settings(max_examples=60)
@given(margins, betas, st.data())
def test_raising_a_score_never_removes_its_item(scores, beta, data):
    item = data.draw(st.integers(0, len(scores) - 1))
    k = data.draw(st.integers(1, len(scores)))
    higher = scores.copy()
    higher[item] = min(1, scores[item] + data.draw(st.floats(0, 1)))
    before = PowerMargin(beta=beta).select(candidates_of(scores), k, rng())
    after = PowerMargin(beta=beta).select(candidates_of(higher), k, rng())
    assert item not in before or item in after


@given(margins, st.sampled_from([0.01, 1, 1000]), st.integers(0, 999))
def test_score_0_comes_last_and_in_any_order(scores, beta, seed):
    pool = candidates_of(scores)
    keys = PowerMargin(beta=beta).score(pool, rng(seed))
    assert np.isfinite(keys).all()
    exact = margin(pool.proba)
    order = PowerMargin(beta=beta).select(pool, len(scores), rng(seed))
    assert (np.diff((exact[order] == 0).astype(int)) >= 0).all()


def test_draws_over_shards_merge_into_the_draw_of_the_whole():
    pool, strategy = make_candidates(500, seed=1), PowerMargin(beta=2)
    whole = [pool.ids[p] for p in strategy.select(pool, 20, rng())]
    shortlists = []
    for start in range(0, 500, 170):
        part = pool.take(np.arange(start, min(start + 170, 500)))
        table = pa.table({"id": pa.array(part.ids, pa.string())})
        shortlists.append(Shortlist(20, tie_key(rng())).update(strategy.score(part, rng()), part.ids, table))
    merged = shortlists[2].merge(shortlists[0]).merge(shortlists[1])
    assert list(merged.ids) == whole
    fewer = [pool.ids[p] for p in strategy.select(pool, 5, rng())]
    assert fewer == whole[:5]


def test_scores_of_the_selection_are_margins_in_the_order_of_the_draw():
    pool = make_candidates(100)
    found = PowerMargin().select_explained(pool, 10, rng())
    assert np.array_equal(found.scores, margin(pool.proba)[found.positions])
    assert found.drawn is None
    assert PowerMargin(beta=0).select_explained(pool, 10, rng()).drawn == pytest.approx(np.full(10, 0.1))


def test_the_noise_is_that_of_gumbel_and_independent_of_the_uniform_draw():
    ids = np.arange(20_000).astype(str)
    noise = gumbel(ids, 3)
    assert np.mean(noise) == pytest.approx(np.euler_gamma, abs=0.05)
    assert np.var(noise) == pytest.approx(np.pi**2 / 6, rel=0.05)
    uniform = ranked.uniform(Candidates(ids), 3)
    assert abs(np.corrcoef(noise, uniform)[0, 1]) < 0.03


# --- probabilities of the draws ---


@given(margins, betas)
def test_probabilities_of_all_orders_add_up_to_1(scores, beta):
    scores = scores[:4]
    for k in range(len(scores) + 1):
        total = sum(np.prod(draw_probabilities(scores, order, beta)) for order in _orders(len(scores), k))
        assert total == pytest.approx(1)


@given(margins, betas, st.integers(0, 999))
def test_a_draw_has_positive_probabilities_that_follow_the_definition(scores, beta, seed):
    pool = candidates_of(scores)
    scores = margin(pool.proba).astype(float)
    order = PowerMargin(beta=beta).select(pool, len(scores), rng(seed))
    q = draw_probabilities(scores, order, beta)
    assert (q >= 0).all()
    assert q[-1] == pytest.approx(1)
    if beta <= 4:
        assert (q > 0).all()
    powers = scores**beta
    for m, item in enumerate(order):
        left = powers[order[m:]].sum()
        if left > 1e-200:
            assert q[m] == pytest.approx(powers[item] / left, rel=1e-9)
        elif not scores[order[m:]].any():
            assert q[m] == pytest.approx(1 / (len(order) - m))


def test_probabilities_hold_where_powers_underflow_and_in_any_order_of_rows():
    scores = np.array([1e-30, 2e-30, 1.0, 0.0])
    assert draw_probabilities(scores, [2, 1, 0, 3], 20) == pytest.approx([1, 1, 1, 1], rel=1e-5)
    assert draw_probabilities(scores, [2, 0], 20)[1] == pytest.approx(1 / (1 + 2**20))
    many = rng().uniform(size=1000)
    shuffle = rng().permutation(1000)
    place = np.argsort(shuffle)
    drawn = np.array([5, 999, 17])
    assert np.array_equal(draw_probabilities(many, drawn), draw_probabilities(many[shuffle], place[drawn]))


def test_the_estimator_that_they_are_for_is_unbiased():
    """LURE (Kossen et al., 2021) over all draws of 3 from 5 gives the mean of the population."""
    scores, losses = np.array([0.1, 0.5, 0.9, 0.3, 0.3]), np.array([3.0, -1, 4, 1, 5])
    n, m = 5, np.arange(1, 4)
    expected = 0.0
    for order in permutations(range(n), 3):
        q = draw_probabilities(scores, order, 2)
        v = 1 + (n - 3) / (n - m) * (1 / ((n - m + 1) * q) - 1)
        expected += float(np.prod(q) * np.mean(v * losses[list(order)]))
    assert expected == pytest.approx(losses.mean())


def _orders(n: int, k: int) -> list[tuple[int, ...]]:
    return list(permutations(range(n), k))


@pytest.mark.parametrize(
    ("scores", "positions"),
    [([1, -1], [0]), ([1, np.nan], [0]), ([[1]], [0]), ([1, 1], [2]), ([1, 1], [-1]), ([1, 1], [0, 0])],
)
def test_broken_draws_are_refused(scores, positions):
    with pytest.raises(UsageError):
        draw_probabilities(scores, positions)


@pytest.mark.parametrize("beta", [-1, np.nan, np.inf, 1e7, True, "1", None])
def test_beta_is_checked(beta):
    with pytest.raises(UsageError, match="beta must be a number from 0 to 1000000"):
        PowerMargin(beta=beta)
