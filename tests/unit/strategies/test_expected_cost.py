from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.errors import UsageError
from tasks.strategies import Candidates, ranked
from tasks.strategies.testing import make_candidates
from tasks.strategies.uncertainty import expected_cost, least_confidence

COSTS = [[0, 1, 2], [3, 0, 1], [50, 1, 0]]


def probabilities(n_classes: int) -> st.SearchStrategy[np.ndarray]:
    positive = arrays(np.float64, (8, n_classes), elements=st.floats(1e-3, 1))
    return positive.map(lambda a: a / a.sum(axis=1, keepdims=True))


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_by_hand():
    # Answer 0 costs .5 * 4 = 2, answer 1 costs .5 * 1.
    assert expected_cost([[0.5, 0.5]], [[0, 1], [4, 0]]) == pytest.approx([0.5])
    # Rows are the truth: where class 1 is likely, answering 0 is what costs.
    assert expected_cost([[0.1, 0.9]], [[0, 1], [4, 0]]) == pytest.approx([0.1])
    assert expected_cost([[0.9, 0.1]], [[0, 1], [4, 0]]) == pytest.approx([0.4])


@given(probabilities(4))
def test_with_unit_costs_it_is_least_confidence(p):
    np.testing.assert_allclose(expected_cost(p, 1 - np.eye(4)), least_confidence(p), atol=1e-6)


@given(probabilities(3), arrays(np.float64, (3, 3), elements=st.floats(-5, 5)), st.permutations(range(3)))
def test_it_is_the_least_expected_cost_whatever_the_order_of_classes(p, costs, order):
    wanted = (p @ costs).min(axis=1)
    np.testing.assert_allclose(expected_cost(p, costs), wanted, atol=1e-5)
    np.testing.assert_allclose(expected_cost(p[:, order], costs[order][:, order]), wanted, atol=1e-5)


def test_rows_do_not_depend_on_their_chunk():
    p = rng().dirichlet(np.ones(9), 50).astype(np.float32)
    costs = rng().uniform(size=(9, 9))
    whole = expected_cost(p, costs)
    assert whole.dtype == np.float32
    assert np.array_equal(np.concatenate([expected_cost(row[None], costs) for row in p]), whole)


def test_without_costs_it_chooses_as_least_confidence_and_with_them_otherwise():
    candidates = make_candidates(200, seed=3)

    def batch(strategy: ranked.Ranked) -> list[int]:
        return strategy.select(candidates, 20, rng()).tolist()

    assert batch(ranked.expected_cost()) == batch(ranked.least_confidence())
    assert batch(ranked.expected_cost(COSTS)) != batch(ranked.least_confidence())


@pytest.mark.parametrize(
    "costs",
    [[], [1, 2], [[0, 1]], [[0, 1], [1]], [[0, "high"], [1, 0]], [[0, np.nan], [1, 0]], [[0, 1e39], [1, 0]], "x", 3],
)  # fmt: skip
def test_a_table_that_is_not_square_and_finite_is_refused_when_the_strategy_is_made(costs):
    with pytest.raises(UsageError, match="costs"):
        ranked.expected_cost(costs)


def test_a_table_of_another_number_of_classes_is_refused():
    with pytest.raises(UsageError, match="costs has 3 rows and columns and there are 2 classes"):
        ranked.expected_cost(COSTS).select(Candidates(["a"], proba=np.full((1, 2), 0.5)), 1, rng())
