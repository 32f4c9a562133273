"""Which pictures are drawn of what a round kept."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.pictures import (
    champion_calibration,
    forecast_curve,
    learning_curve,
    round_pictures,
    signal_history,
    triples,
)
from tests.unit.steps.reported import campaign, estimate, full, picks, round_of

ALL = {"confusion_audit", "reliability_audit", "classes_audit", "scores", "drift", "rivals"}


def test_all_pictures_of_a_round_are_drawn():
    found = round_pictures(round_of(full()), campaign(), picks())
    assert set(found) == ALL


@pytest.mark.parametrize(
    ("missing", "lost"),
    [
        ("pictures", {"confusion_audit", "reliability_audit"}),
        ("by_class", {"classes_audit"}),
        ("pool", {"scores"}),
        ("drift", {"drift"}),
        ("rivals", {"rivals"}),
        ("estimates", set()),
    ],
)
def test_a_picture_without_its_numbers_is_left_out(missing, lost):
    measures = full()
    del measures[missing]
    assert set(round_pictures(round_of(measures), campaign(), picks())) == ALL - lost


def test_a_round_that_was_not_measured_has_no_pictures():
    assert round_pictures(round_of(None, "opened"), campaign(), []) == {}
    assert champion_calibration([], campaign()) == {}
    assert signal_history([]) == {}
    assert learning_curve([round_of(None)], campaign()) is None


def test_the_fan_joins_curve_and_wanted_points():
    found = forecast_curve(full(), "accuracy")
    assert found is not None
    assert found.labels.tolist() == [400, 500, 1000]
    assert found.value.tolist() == [0.96, 0.965, 0.98]
    assert forecast_curve(full(), "log_loss") is None
    assert forecast_curve({"forecast": {"why_not": "Too few labels."}}, "accuracy") is None


def test_signals_of_the_model_come_before_caps_and_unset_caps_are_left_out():
    early = full()
    early["signals"] = [one for one in early["signals"] if one["name"] != "target"]
    early["counts"]["labels"] = 200
    found = signal_history([round_of(early), round_of(full())])
    assert list(found) == ["target", "budget_labels"]
    np.testing.assert_array_equal(found["target"], [[300, 0.98, 0.97, 1]])
    np.testing.assert_array_equal(found["budget_labels"], [[200, 700, 0, 0], [300, 700, 0, 0]])


def test_the_champion_of_now_is_the_newest_that_was_promoted():
    later = full()
    later["promotion"]["promoted"] = False
    history = [round_of(full(), number=2), round_of(later, number=3)]
    figure = champion_calibration(history, campaign())["calibration"]
    assert "round 2: calibration error 0.020" in figure.axes[0].get_title(loc="left")


def test_an_unknown_end_is_not_a_number():
    table = triples([estimate(0.5), None, estimate(None, 0.0, None)])
    assert table.shape == (3, 3)
    assert math.isnan(table[1, 0])
    assert table[2, 1] == 0
    assert math.isnan(table[2, 2])
    assert triples([]).shape == (0, 3)
