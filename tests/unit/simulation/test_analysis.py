"""What curves show, and what may be claimed of them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.evaluation import METRICS
from tasks.simulation import SimulationProtocol
from tasks.simulation.analysis import analyse, checkpoints, to_json
from tasks.simulation.paired import mean_interval, paired_difference
from tasks.simulation.pictures import differences, learning_curves
from tasks.simulation.run import Curve
from tasks.simulation.treatment import Treatment
from tasks.simulation.words import chose, conditions, model_sentence, sentence

LABELS = [10, 20, 30]
DIFFERENCES = arrays(np.float64, st.integers(2, 12), elements=st.floats(-1, 1, width=16))


def arm(strategy, rows, metric="accuracy", model="auto", **others):
    """Make the curves of an arm from the rows of one metric."""
    found = []
    for repeat, row in enumerate(rows):
        metrics = {name: [0.5] * len(LABELS) for name in METRICS} | {metric: list(row)}
        metrics |= {name: list(values) for name, values in others.items()}
        kinds = ["linear", "stacked", "stacked"]
        found.append(Curve(strategy, model, repeat, LABELS, metrics, [0.1, 0.3], [1.0, 2.0, 3.0], kinds, 0))
    return found


def findings(random, other, metric="accuracy", full=0.95, **others):
    arms = {
        Treatment("random"): arm("random", random, metric),
        Treatment("new"): arm("new", other, metric, **others),
    }
    return {one.arm.name: one for one in analyse(arms, [{metric: full}] * len(random), metric, seed=0)}


def models(**rows):
    """Compare models on random labels, the first against the others."""
    arms = {Treatment("random", model): arm("random", found, model=model) for model, found in rows.items()}
    n = len(next(iter(rows.values())))
    return {
        one.arm.treatment.model: one for one in analyse(arms, [{"accuracy": 0.95}] * n, "accuracy", seed=0)
    }


def spread(row, n=8):
    """Give n repeats of a row that differ a little."""
    return [[value + 0.002 * (repeat % 3) for value in row] for repeat in range(n)]


SLOW, FAST = [0.6, 0.7, 0.8], [0.6, 0.8, 0.9]


def test_an_arm_that_is_surely_better_says_how_many_fewer_labels_it_needs():
    found = findings(spread(SLOW), spread(FAST))["new"]
    assert found.labels_to["random_end"] == pytest.approx(20)
    assert found.saved == pytest.approx(1.5)
    assert found.against["random"].mean == pytest.approx(0.075)
    assert found.against["random"].won == 8
    said = sentence(found)
    assert said.startswith("new needs 1.5x fewer labels than random here; the difference is sure")
    assert "8 of 8 repeats won" in said


def test_an_arm_that_is_surely_worse_does_not_help():
    assert "does not help here" in sentence(findings(spread(FAST), spread(SLOW))["new"])


def test_nothing_is_claimed_when_the_interval_holds_0():
    other = [[value + (0.05 if repeat % 2 else -0.045) for value in SLOW] for repeat in range(8)]
    said = sentence(findings(spread(SLOW), other)["new"])
    assert "not sure at 8 repeats" in said
    assert "is sure" not in said
    assert "fewer labels" not in said


@pytest.mark.parametrize("n", [1, 2, 5])
def test_nothing_is_claimed_from_few_repeats(n):
    found = findings(spread(SLOW, n), spread(FAST, n))["new"]
    assert "not sure" in sentence(found)
    assert "fewer than 6" in sentence(found)
    assert (found.against["random"].low is None) == (n == 1)


def test_better_along_the_way_but_not_at_the_end_saves_no_labels():
    found = findings(spread(SLOW), spread([0.6, 0.78, 0.8]))["new"]
    assert found.saved == pytest.approx(1)
    assert "needs as many labels to reach random's end" in sentence(found)
    never = findings(spread(SLOW), spread([0.6, 0.9, 0.79]))["new"]
    assert never.saved > 1
    never = findings(spread(SLOW), spread([0.7, 0.79, 0.79]))["new"]
    assert never.saved is None
    assert "does not reach random's end" in sentence(never)
    late = findings(spread([0.6, 0.8, 0.8]), spread([0.8, 0.75, 0.81]))["new"]
    assert "fewer" in sentence(late)


def test_levels_below_the_full_pool_are_reached_on_the_mean_curve_or_not_at_all():
    found = findings(spread(SLOW), [FAST] * 8, full=0.905)
    assert found["new"].labels_to["full-0.5pp"] == pytest.approx(30)
    assert found["new"].labels_to["full-1pp"] == pytest.approx(29.5)
    assert found["random"].labels_to["full-1pp"] is None


def test_less_of_a_loss_is_better():
    worse, better = spread([0.9, 0.7, 0.6]), spread([0.9, 0.6, 0.4])
    found = findings(worse, better, metric="log_loss", full=0.395)["new"]
    assert found.against["random"].better
    assert found.saved == pytest.approx(1.5, abs=0.02)
    assert "points" not in sentence(found)
    assert found.labels_to["full-1pp"] is not None


def test_accuracy_that_rises_while_macro_f1_falls_raises_an_alarm():
    found = findings(spread(SLOW), spread(FAST), macro_f1=[0.6, 0.5, 0.3])
    assert any("macro F1 falls by 30.0" in alarm for alarm in found["new"].alarms)
    assert any("above random's" in alarm for alarm in found["new"].alarms)
    assert found["random"].alarms == ()


def test_with_several_models_random_with_the_first_is_what_all_are_measured_against():
    found = models(linear=spread(SLOW), stacked=spread(FAST), forest=spread([0.5, 0.6, 0.7]))
    assert {one.baseline for one in found.values()} == {"random [linear]"}
    assert sentence(found["linear"]) == "random [linear] is what the others are measured against."
    better = "random [stacked] needs 1.5x fewer labels than random [linear] here; the difference is sure"
    assert sentence(found["stacked"]).startswith(better)
    assert sentence(found["forest"]).startswith(
        "random [forest] is worse than random [linear]; the difference"
    )
    assert all(model_sentence(one) is None for one in found.values())


def test_a_strategy_with_another_model_is_compared_with_itself_too():
    arms = {
        Treatment(strategy, model): arm(strategy, spread(rows), model=model)
        for strategy, model, rows in (
            ("margin", "linear", FAST),
            ("margin", "forest", SLOW),
            ("random", "linear", SLOW),
            ("random", "forest", SLOW),
        )
    }
    found = {one.arm.name: one for one in analyse(arms, [{"accuracy": 0.95}] * 8, "accuracy", seed=0)}
    one = found["margin [forest]"]
    assert set(one.against) == {"random [linear]", "margin [linear]"}
    assert model_sentence(one).startswith(
        "margin [forest] is worse than margin [linear]; the difference is sure"
    )
    assert model_sentence(found["margin [linear]"]) is None


def test_checkpoints_tell_the_metrics_and_the_difference_at_a_number_of_labels():
    found = to_json(models(linear=spread(SLOW), stacked=spread(FAST))["stacked"])
    told = {point["labels"]: point for point in found["checkpoints"]}
    assert list(told) == LABELS
    difference = told[30]["against"]["random [linear]"]
    assert difference["mean"] == pytest.approx(0.1)
    assert difference["sure"]
    assert told[20]["metrics"]["accuracy"] == pytest.approx(np.mean([row[1] for row in spread(FAST)]))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 100))
def test_checkpoints_are_the_ends_and_the_steps_nearest_to_round_numbers(batches, first):
    labels = [first, *(first + np.cumsum(batches)).tolist()]
    found = [labels[step] for step in checkpoints(labels)]
    assert found == sorted(set(found))
    assert (found[0], found[-1]) == (labels[0], labels[-1])
    assert all(one in found for one in (50, 100, 300, 1000) if one in labels)


def test_what_auto_chose_is_counted_by_kind():
    found = models(auto=spread(SLOW, 4), linear=spread(SLOW, 4))
    assert chose(found["auto"]) == "stacked 8, linear 4"
    assert chose(found["linear"]) is None
    document = to_json(found["auto"])
    assert document["chose"] == {"stacked": 8, "linear": 4}
    assert document["kinds"] == [["linear", "stacked", "stacked"]] * 4
    assert document["seconds_train"] == pytest.approx(2)


def test_a_metric_that_is_not_defined_anywhere_is_told_as_none():
    nothing = [[float("nan")] * 3] * 3
    found = findings(nothing, nothing, metric="auc", full=float("nan"))
    document = json.loads(json.dumps(to_json(found["new"]), allow_nan=False))
    assert document["metric"] == [[None] * 3] * 3
    assert document["labels_to"] == {"full-0.5pp": None, "full-1pp": None, "random_end": None}
    assert "not sure" in sentence(found["new"])


def test_the_conditions_of_a_claim_are_told():
    said = conditions(SimulationProtocol(noise=0.1, repeats=20), 0.97, "linear")
    for part in (
        "linear with all labels of the pool 0.970",
        "20 first labels",
        "batches of 25",
        "500 labels",
        "20 paired repeats",
        "10%",
    ):
        assert part in said


@given(DIFFERENCES, st.integers(0, 5))
def test_an_interval_holds_its_mean_and_turns_with_the_sign(values, seed):
    one = paired_difference(values, np.zeros(len(values)), seed=seed)
    other = paired_difference(np.zeros(len(values)), values, seed=seed)
    assert one.low <= one.mean + 1e-12
    assert one.mean - 1e-12 <= one.high
    assert (other.mean, other.low, other.high) == pytest.approx((-one.mean, -one.high, -one.low))
    assert not (one.better and other.better)
    assert values.min() - 1e-12 <= one.low


def test_the_interval_of_ten_repeats_covers_nothing_in_19_of_20_cases():
    rng = np.random.default_rng(0)
    tries = (paired_difference(rng.normal(size=10), np.zeros(10), seed=0) for _ in range(400))
    assert 0.92 <= np.mean([one.low <= 0 <= one.high for one in tries]) <= 0.98


def test_bands_are_students_intervals():
    from scipy.stats import t

    rows = np.random.default_rng(1).uniform(0.4, 0.6, (7, 2))
    rows[0, 1] = np.nan
    low, high = mean_interval(rows)
    for step, column in enumerate((rows[:, 0], rows[1:, 1])):
        expected = t.interval(0.95, len(column) - 1, column.mean(), column.std(ddof=1) / len(column) ** 0.5)
        assert (low[step], high[step]) == pytest.approx(expected)
    assert np.isnan(mean_interval(rows[:1])).all()


def test_the_pictures_show_every_arm():
    found = list(findings(spread(SLOW), spread(FAST)).values())
    curves, gains = learning_curves(found, 0.95, "curves"), differences(found, "gains")
    shown = {text.get_text() for text in curves.axes[0].get_legend().get_texts()}
    assert shown == {"new", "random"}
    assert [text.get_text() for text in gains.axes[0].get_yticklabels()] == ["new"]
