"""Forecasts: what must hold whatever the evidence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.evaluation import LOSSES, METRICS, Estimate
from tasks.evaluation.forecast import (
    Bend,
    Case,
    Evidence,
    Forecasts,
    NoForecast,
    Point,
    Weaker,
    forecast,
    gathered,
    subsets,
    tuned,
)
from tasks.evaluation.forecast.expected import expected_loss
from tasks.evaluation.intervals import wilson
from tasks.simulation.scores import score_all


def share(value, n):
    return Estimate(value, *wilson(value, n), n)


def campaign(metric="accuracy", labels=100, value=0.9, n=30, expected=0.1, excess=0.05):
    history = (Point(labels // 2, share(max(value - 0.1, 0), n)), Point(labels, share(value, n)))
    weaker = (Weaker(int(0.6 * labels), 2 * excess), Weaker(int(0.8 * labels), excess))
    return Evidence(metric, history, expected, weaker)


EVIDENCE = st.builds(
    campaign,
    metric=st.sampled_from(METRICS),
    labels=st.integers(40, 5_000),
    value=st.floats(0, 1),
    n=st.integers(1, 400),
    expected=st.floats(0, 1),
    excess=st.floats(-0.1, 0.5),
)


def test_no_labels_ahead_is_no_gain():
    for metric in METRICS:
        found = forecast(campaign(metric), [100])
        assert found.points[0].gain == Estimate(0, 0, 0, 30)
        assert found.points[0].quality.value == pytest.approx(found.now.value)


@settings(max_examples=60, deadline=None)
@given(EVIDENCE, st.lists(st.integers(0, 3_000), min_size=1, max_size=4))
def test_intervals_hold_their_values_and_stay_in_range(evidence, added):
    found = forecast(evidence, [evidence.labels + more for more in added])
    for point in found.points:
        assert point.quality.low <= point.quality.value <= point.quality.high
        assert point.gain.low <= point.gain.value <= point.gain.high
        assert point.quality.low >= 0
        assert point.gain.value >= 0
        if evidence.metric not in {"log_loss"}:
            assert point.quality.high <= 1


@settings(max_examples=40, deadline=None)
@given(EVIDENCE)
def test_more_labels_are_never_expected_to_be_worse(evidence):
    points = forecast(evidence, [evidence.labels * k for k in (1, 2, 3, 6)]).points
    sign = -1 if evidence.metric in LOSSES else 1
    assert np.all(np.diff([sign * point.quality.value for point in points]) >= -1e-12)
    assert np.all(np.diff([point.gain.value for point in points]) >= -1e-12)


def test_the_gain_is_surer_than_the_quality():
    point = forecast(campaign(n=20), [110]).points[0]
    assert point.gain.high - point.gain.low < point.quality.high - point.quality.low


def test_a_steeper_curve_promises_more():
    flat, steep = (forecast(campaign(excess=one), [150]).points[0].gain.value for one in (0.0, 0.1))
    assert steep > 2 * flat


def test_a_small_audit_leans_on_the_models_own_word_and_a_large_one_does_not():
    few, many = (forecast(campaign(value=1.0, n=n, expected=0.2), []).now.value for n in (3, 3_000))
    assert few < 0.95
    assert many > 0.99


def test_the_same_evidence_gives_the_same_forecast():
    assert forecast(campaign(), [120, 500]) == forecast(campaign(), [120, 500])


def test_the_order_of_models_does_not_matter():
    one = campaign()
    other = Evidence(one.metric, one.history, one.expected, one.weaker[::-1])
    ours, theirs = forecast(one, [150]).points[0], forecast(other, [150]).points[0]
    assert ours.gain.value == pytest.approx(theirs.gain.value)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence("accuracy", ()), "no model"),
        (campaign(labels=19), "needs 20"),
        (Evidence("accuracy", campaign(n=9).history), "9 audit items"),
        (Evidence("accuracy", campaign().history[-1:]), "One round"),
        (Evidence("accuracy", (Point(50, Estimate(float("nan"), 0, 1, 0)),), 0.1), "No audit item"),
        (Evidence("auc", (Point(50, Estimate(float("nan"), 0, 1, 12)),), 0.1), "cannot measure auc"),
    ],
)
def test_with_too_little_evidence_nothing_is_said(evidence, reason):
    found = forecast(evidence, [200])
    assert isinstance(found, NoForecast)
    assert reason in found.why_not


def test_rounds_alone_are_enough_with_an_audit():
    rising = tuple(Point(100 * k, share(1 - 0.4 / k, 60)) for k in (1, 2, 3))
    level = tuple(Point(100 * k, share(0.87, 60)) for k in (1, 2, 3))
    ours, theirs = (forecast(Evidence("accuracy", history), [600]) for history in (rising, level))
    assert isinstance(ours, Forecasts)
    assert ours.method == "the rounds so far"
    assert ours.points[0].gain.value > theirs.points[0].gain.value > 0


def test_an_estimate_without_ends_leaves_the_level_to_the_models_own_word():
    history = (Point(100, Estimate(0.5, float("nan"), float("nan"), 12)),)
    found = forecast(Evidence("auc", history, expected=0.1), [200])
    assert found.now.value == pytest.approx(0.9, abs=0.01)
    assert found.points[0].gain.value > 0


def test_a_metric_without_constants_of_its_own_is_forecast_too():
    history = tuple(Point(100 * k, share(0.8, 60)) for k in (1, 2))
    assert isinstance(forecast(Evidence("micro_f1", history), [300]), Forecasts)


def test_looking_back_is_refused():
    with pytest.raises(UsageError, match="looks ahead"):
        forecast(campaign(labels=100), [90])


def test_gathered_measures_what_models_of_fewer_labels_lose():
    rng = np.random.default_rng(0)
    pool = rng.dirichlet((0.3, 0.3, 0.3), 400).astype(np.float32)
    blurred = (0.5 * pool + 0.5 * rng.dirichlet((1, 1, 1), 400)).astype(np.float32)
    history = (Point(100, share(0.8, 20)),)
    for metric in METRICS:
        found = gathered(metric, history, pool, ((60, blurred), (100, pool), (0, blurred)))
        assert [one.labels for one in found.weaker] == [60]
        if metric != "ece":
            assert found.weaker[0].excess > 0
    assert gathered("accuracy", history).expected is None
    assert gathered("subset_accuracy", history, pool).expected is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3_000), st.integers(0, 2**70))
def test_subsets_are_nested_parts_of_the_labels(n, seed):
    found = subsets(n, seed)
    assert len(found) == (0 if n < 20 else 6)
    for number, rows in enumerate(found):
        assert np.all(np.diff(rows) > 0)
        assert rows[0] >= 0
        assert rows[-1] < n
        if number % 3:
            assert set(found[number - 1]) < set(rows)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, subsets(n, seed), strict=True))


def test_tuning_finds_what_the_curves_do():
    def cases(exponent):
        rng = np.random.default_rng(1)
        found = []
        for number in range(24):
            labels, ahead = 200, int(rng.integers(220, 800))
            loss = 0.1
            evidence = campaign(labels=labels, value=1 - loss, n=2_000, expected=loss, excess=0.02)
            then = loss * (ahead / labels) ** -exponent * np.exp(rng.normal(0, 0.02))
            found.append(Case(f"set {number % 3}", evidence, ahead, loss, float(then)))
        return found

    flat, steep = tuned(cases(0.1)), tuned(cases(0.6))
    # What the models of fewer labels show: ln 1.2 / ln 1.25 and ln 1.4 / ln (1 / .6), on average.
    ahead, slope = np.log(2), np.array([0.74])
    assert isinstance(flat, Bend)
    assert flat.fall(slope, ahead)[0] == pytest.approx(0.1 * ahead, abs=0.05)
    assert steep.fall(slope, ahead)[0] == pytest.approx(0.6 * ahead, abs=0.1)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(METRICS), st.integers(2, 4), st.integers(0, 1_000))
def test_expected_losses_are_those_of_estimates_where_the_classes_are_certain(metric, n_classes, seed):
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, 40)])
    said = rng.dirichlet(np.ones(n_classes), len(y))
    value = score_all(said, y)[metric]
    expected = value if metric in LOSSES else 1 - value
    assert expected_loss(metric, np.eye(n_classes)[y], said) == pytest.approx(expected, abs=1e-9)


def test_predictions_expect_no_better_accuracy_or_log_loss_than_their_own():
    rng = np.random.default_rng(2)
    believed, said = (rng.dirichlet(np.ones(3), 300) for _ in range(2))
    for metric in ("accuracy", "log_loss"):
        assert expected_loss(metric, believed, believed) <= expected_loss(metric, believed, said)
