"""Settings, and what the arms of a repeat share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.simulation import SimulationProtocol, split


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seed_labels": 0}, "--seed-labels"),
        ({"batch": 0}, "--batch"),
        ({"repeats": 0}, "--repeats"),
        ({"test_fraction": 1.0}, "--test-fraction"),
        ({"test_fraction": 0.0}, "--test-fraction"),
        ({"test_fraction": float("nan")}, "--test-fraction"),
        ({"noise": 1.0}, "--noise"),
        ({"noise": -0.1}, "--noise"),
        ({"metric": "acuracy"}, "accuracy"),
        ({"budget": 20}, "--seed-labels 20"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(settings, said):
    with pytest.raises(UsageError, match=said):
        SimulationProtocol(**settings)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 300))
def test_steps_go_from_the_first_labels_to_the_budget_in_batches(seed_labels, batch, more):
    steps = SimulationProtocol(seed_labels=seed_labels, batch=batch, budget=seed_labels + more).steps()
    assert (steps[0], steps[-1]) == (seed_labels, seed_labels + more)
    sizes = np.diff(steps)
    assert (sizes[:-1] == batch).all()
    assert 0 < sizes[-1] <= batch


def test_a_budget_beyond_the_pool_is_cut_and_a_pool_too_small_is_refused():
    protocol = SimulationProtocol(seed_labels=10, batch=25, budget=500)
    assert protocol.fitted(50).budget == 50
    assert protocol.fitted(35).steps() == [10, 35]
    with pytest.raises(UsageError, match="34 items"):
        protocol.fitted(34)


def test_repeats_and_metric_change_no_result_of_a_repeat():
    one, other = SimulationProtocol(repeats=3, metric="auc"), SimulationProtocol()
    assert one.of_a_repeat() == other.of_a_repeat()
    assert SimulationProtocol(noise=0.1).of_a_repeat() != other.of_a_repeat()


@given(st.lists(st.integers(0, 3), min_size=30, max_size=80), st.floats(0.05, 0.6), st.integers(0, 5))
def test_a_split_is_a_partition_that_keeps_every_class_on_both_sides(y, share, repeat):
    y = np.array(y)
    protocol = SimulationProtocol(seed_labels=3, batch=2, budget=5, test_fraction=share)
    parts = split(y, 4, protocol, repeat)
    assert sorted([*parts.pool, *parts.test]) == list(range(len(y)))
    assert set(parts.first) <= set(parts.pool)
    assert len(parts.first) == 3
    for code, size in enumerate(np.bincount(y, minlength=4)):
        tested = int((y[parts.test] == code).sum())
        if size > 1:
            assert 1 <= tested <= size - 1
            assert abs(tested - share * size) <= 1
        else:
            assert tested == 0


def test_a_repeat_is_the_same_every_time_and_unlike_the_others():
    y = np.arange(200) % 2
    protocol = SimulationProtocol(budget=60)
    one, again, other = (split(y, 2, protocol, repeat) for repeat in (1, 1, 2))
    assert (one.pool == again.pool).all()
    assert (one.first == again.first).all()
    assert not np.array_equal(one.test, other.test)
    assert one.seed != other.seed


def test_noise_answers_its_share_of_the_items_with_another_class():
    y = np.arange(4000) % 3
    answers = split(y, 3, SimulationProtocol(noise=0.2), 0).answers
    assert set(np.unique(answers)) == {0, 1, 2}
    assert np.mean(answers != y) == pytest.approx(0.2, abs=0.03)
    quiet = split(y, 3, SimulationProtocol(), 0)
    assert (quiet.answers == y).all()
    # The same items are first whether or not there is noise.
    assert (quiet.first == split(y, 3, SimulationProtocol(noise=0.2), 0).first).all()
