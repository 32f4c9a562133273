"""Traces: an audit that is never trained on, models of fewer labels, and forecasts tried on them."""

from dataclasses import replace

import numpy as np
import pytest

from flows.bench.forecast import Plan, bench_forecast, draw
from tasks.errors import UsageError
from tasks.evaluation import METRICS
from tasks.evaluation.forecast import Bend, subsets
from tasks.grammar import parse
from tasks.simulation import SimulationProtocol, Treatment, backtest
from tasks.simulation.split import split
from tasks.simulation.streamed import StreamedCampaign
from tasks.simulation.trace import Trace, make_trace
from tasks.simulation.treatment import model_specs
from tests.unit.simulation.conftest import blobs

TREATMENT = Treatment("margin", "xgboost(num_boost_round=5)")
PROTOCOL = SimulationProtocol(seed_labels=30, batch=20, budget=90, test_fraction=0.3)


@pytest.fixture(scope="module")
def known():
    return blobs(300)


@pytest.fixture(scope="module")
def trace(known):
    return make_trace(known, TREATMENT, PROTOCOL, 0, name="blobs")


def test_a_share_of_each_purchase_is_audit(trace):
    assert trace["labels"].tolist() == [30, 50, 70, 90]
    assert trace["audited"].tolist() == [3, 5, 7, 9]
    assert np.array_equal(trace["trained"], trace["labels"] - trace["audited"])


def test_the_parts_of_a_campaign_do_not_overlap(known):
    parts = split(known.y, 2, PROTOCOL, 0)
    (model,) = model_specs(TREATMENT.model)
    made = StreamedCampaign(known, parse("margin"), model, PROTOCOL, parts, PROTOCOL.steps(), 0.1)
    for step in range(2):
        made.step(step)
    groups = [made.rows, made.audit, made.sample, parts.test]
    together = np.concatenate(groups)
    assert len(np.unique(together)) == len(together)
    assert set(made.first) <= set(made.rows) | set(made.audit)


def test_shapes_are_those_of_the_description(trace):
    items, m = 9, trace.arrays["pool_y"].shape[0]
    assert trace["audit_proba"].shape == (4, items, 2)
    assert trace["pool_proba"].shape == (4, m, 2)
    assert trace["sub_pool"].shape == (4, 6, m, 2)
    assert trace["test"].shape == (4, len(METRICS))
    assert trace["sub_sizes"][1].tolist() == [len(rows) for rows in subsets(45, 0)]
    assert np.isfinite(trace["unseen"][1, :45]).all()
    assert np.isnan(trace["unseen"][1, 45:]).all()
    assert trace.truth("accuracy")[-1] > 0.7


def test_the_random_arm_goes_from_the_first_labels_to_the_whole_pool(trace):
    assert trace["random_labels"][0] == 30
    assert trace["random_labels"][-1] > 90
    assert trace["own_sizes"].tolist() == []


def test_the_same_repeat_gives_the_same_trace_and_another_one_does_not(known, trace):
    again = make_trace(known, TREATMENT, PROTOCOL, 0, name="blobs", random=False)
    other = make_trace(known, TREATMENT, PROTOCOL, 1, name="blobs", random=False)
    for name in ("labels", "pool_proba", "sub_pool", "test"):
        np.testing.assert_array_equal(again[name], trace[name])
    assert not np.array_equal(other["test"], again["test"])
    assert "random_labels" not in again.arrays


def test_a_trace_is_read_as_it_was_written(trace, tmp_path):
    trace.save(tmp_path / "one.npz")
    found = Trace.load(tmp_path / "one.npz")
    assert found.meta == trace.meta
    assert found.arrays.keys() == trace.arrays.keys()
    for name in found.arrays:
        np.testing.assert_array_equal(found[name], trace[name])


def test_a_backtest_compares_each_step_with_what_came(trace):
    stands = backtest.stands(trace, ["accuracy"])
    found = backtest.outcomes(stands)
    assert [(one.step, one.horizon) for one in found] == [
        (step, horizon) for step in range(3) for horizon in (backtest.NEXT, backtest.REST)
    ]
    truth = 1 - trace.truth("accuracy")
    assert [one.then for one in found] == pytest.approx(
        [truth[1], truth[3], truth[2], truth[3], truth[3], truth[3]]
    )
    assert [one.now for one in found[::2]] == pytest.approx(truth[:3].tolist())
    first = found[0]
    assert first.covered == (first.said.low <= first.then <= first.said.high)


def test_constants_are_tuned_on_other_data_only_where_there_are_some(trace):
    assert backtest.left_out(backtest.stands(trace, ["accuracy"])) == {}
    other = Bend(start=2.0, share=0.0, fading=1e-3, noise=0.1, doubt=0.1)
    stands = backtest.stands(trace, ["accuracy"])
    ours, theirs = backtest.outcomes(stands)[0], backtest.outcomes(stands, {"blobs": other})[0]
    assert theirs.gain.value > ours.gain.value


def test_without_models_of_fewer_labels_the_rounds_must_do(trace):
    found = backtest.stands(trace, ["accuracy"], models=False)
    # Nine audit items are too few by then.
    assert found == []


def test_savings_are_compared_with_the_random_arm(trace):
    found = backtest.spared(trace, "accuracy")
    assert found is not None
    assert "fewer than 40" in found.told.why_not
    assert found.covered
    assert found.needed is None or 30 <= found.needed <= found.most


def test_the_bench_reads_what_is_kept_and_refuses_other_rounds(trace, tmp_path):
    trace.save(tmp_path / "blobs-00.npz")
    plan = Plan(("blobs",), 1, 3, ("accuracy",), models=True, savings=True, keep=tmp_path)
    found = bench_forecast(plan, lambda _: None)
    assert [row["horizon"] for row in found["forecasts"]] == [backtest.NEXT, backtest.REST]
    assert [row["forecasts"] for row in found["forecasts"]] == [3, 3]
    assert found["savings"][0]["covers"] is None
    assert not found["left_out"]
    draw(plan, tmp_path / "fan.png")
    assert (tmp_path / "fan.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="give --rounds 3"):
        bench_forecast(replace(plan, rounds=4), lambda _: None)
    with pytest.raises(UsageError, match="no data set"):
        bench_forecast(replace(plan, campaigns=2), lambda _: None)
