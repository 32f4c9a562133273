"""One campaign against known labels."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.evaluation import METRICS, estimate
from tasks.simulation import LabelledData, SimulationProtocol, Treatment, full_pool
from tasks.simulation import run_repeat as run_any
from tasks.simulation.choice import Labelled, choose, named
from tasks.simulation.scores import score_all
from tasks.simulation.training import comparisons
from tasks.strategies import Description, get
from tests.unit.simulation.conftest import blobs

SMALL = SimulationProtocol(seed_labels=8, batch=10, budget=24)
FAST = "xgboost(num_boost_round=20)"


def run_repeat(data, strategy, protocol, repeat):
    return run_any(data, Treatment(strategy, FAST), protocol, repeat)


def test_arms_begin_with_the_same_model_and_are_measured_at_the_same_labels(data):
    curves = [run_repeat(data, name, SMALL, 0) for name in ("random", "margin", "margin_kmeans")]
    assert {tuple(curve.labels) for curve in curves} == {(8, 18, 24)}
    assert len({tuple(curve.metrics[name][0] for name in METRICS) for curve in curves}) == 1
    assert all(len(curve.seconds_select) == 2 and len(curve.seconds_train) == 3 for curve in curves)
    assert all(curve.kinds == ["xgboost"] * 3 for curve in curves)


def test_a_campaign_is_the_same_every_time_and_differs_by_repeat_and_seed(data):
    one, again, other = (run_repeat(data, "margin", SMALL, repeat).metrics for repeat in (0, 0, 1))
    assert one == again
    assert one != other
    assert run_repeat(data, "random", SimulationProtocol(8, 10, 24, seed=7), 0).metrics != one


@pytest.mark.parametrize(("strategy", "model"), [("random", FAST), ("margin", FAST), ("margin", "auto")])
def test_the_whole_pool_gives_the_same_model_whatever_chose_it(data, strategy, model):
    # The last batch is small: even so `auto` chooses the kind anew at the end.
    protocol = SimulationProtocol(seed_labels=50, batch=3, budget=10_000)
    curve = run_any(data, Treatment(strategy, model), protocol, 0)
    full = full_pool(data, model, protocol, 0)
    assert {name: values[-1] for name, values in curve.metrics.items()} == full["metrics"]
    assert curve.kinds[-1] == full["kind"]
    assert full["seconds_train"] > 0


def test_a_class_with_too_few_labels_is_covered_first_but_not_by_random():
    rare = blobs(120, share=0.06)
    protocol = SimulationProtocol(seed_labels=4, batch=5, budget=14, seed=3)
    assert run_repeat(rare, "margin", protocol, 0).cold_steps > 0
    assert run_repeat(rare, "random", protocol, 0).cold_steps == 0


def test_strategies_that_need_leaves_or_a_committee_or_what_is_known_run(data):
    protocol = SimulationProtocol(seed_labels=16, batch=4, budget=20)
    for name in ("leaf_change", "vote_entropy", "kcenter", "60% margin + 40% random"):
        assert run_repeat(data, name, protocol, 0).labels == [16, 20]


def test_the_model_that_learns_is_the_one_that_was_asked_for(data):
    steps = SimulationProtocol(seed_labels=16, batch=4, budget=20)
    models = ("linear", "xgboost", FAST, "forest")
    curves = [run_any(data, Treatment("random", model), steps, 0) for model in models]
    assert [curve.kinds for curve in curves] == [[model.partition("(")[0]] * 2 for model in models]
    assert [curve.model for curve in curves] == list(models)
    assert len({curve.metrics["log_loss"][-1] for curve in curves}) == len(models)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 300))
def test_auto_compares_at_the_ends_and_whenever_the_labels_grew_by_a_fifth(batches, first):
    steps = [first, *(first + np.cumsum(batches)).tolist()]
    chosen = sorted(comparisons(steps))
    assert (chosen[0], chosen[-1]) == (steps[0], steps[-1])
    assert set(chosen) <= set(steps)
    for before, after in pairwise(chosen):
        assert all(step < 1.2 * before for step in steps if before < step < after)
        assert after >= 1.2 * before or after == steps[-1]


def test_an_unknown_strategy_is_refused_with_a_suggestion(data):
    with pytest.raises(UsageError, match="Did you mean margin"):
        run_repeat(data, "margn", SMALL, 0)


def test_choosing_through_a_shortlist_gives_what_a_look_at_all_gives():
    data = blobs(1300)
    rows = np.arange(20)
    labelled = Labelled(rows, data.y[rows], named("", 20))
    from tasks.models.boosting import train

    model = train(
        data.X[rows], data.y[rows], n_classes=2, names=data.space.names, types=data.space.types, device="cpu",
        seed=0, params={"nthread": 1},
    )  # fmt: skip
    free, strategy, seen = np.arange(20, 1300), get("margin"), Description(data.space, model)
    chosen, sources = choose(strategy, data, labelled, free, seen, 30, seed=5)
    candidates = seen.candidates(data.ids[free], data.X[free], strategy.needs)
    assert (chosen == free[strategy.select(candidates, 30, np.random.default_rng(5))]).all()
    assert set(sources) == {"margin"}


@settings(max_examples=25)
@given(st.integers(0, 2**16), st.integers(2, 4), st.integers(2, 40))
def test_the_metrics_are_those_of_estimate(seed, n_classes, n):
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(n_classes), n).astype(np.float32)
    y = rng.integers(0, n_classes, n)
    expected = {name: one.value for name, one in estimate(proba, y).items()}
    found = score_all(proba, y)
    # Of a whole test set the plug-in is shown; of an audit what of it is not chance.
    assert found.pop("ece") >= 0 <= expected.pop("ece")
    assert found == pytest.approx(expected, nan_ok=True)


def test_the_data_travel_as_bytes(data):
    copy = LabelledData.from_bytes(data.to_bytes())
    assert copy.digest == data.digest
    assert copy.ids.tolist() == data.ids.tolist()
    assert run_repeat(copy, "margin", SMALL, 0).metrics == run_repeat(data, "margin", SMALL, 0).metrics
    with pytest.raises(UsageError, match="damaged"):
        LabelledData.from_bytes(data.to_bytes()[:100])
