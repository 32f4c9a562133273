"""Stop rules on recorded campaigns, held against hindsight."""

from __future__ import annotations

import numpy as np
import pytest

from flows.bench.guards import Looked
from flows.bench.stop_commands import counted
from flows.bench.stop_picture import stop_picture
from flows.bench.stopping import NEVER, rules, table
from tasks.evaluation import Estimate, Gain, RoundResult
from tasks.evaluation.guards import GuardSignal
from tasks.evaluation.stop import Plateau, StopRules
from tasks.simulation.replay import Recorded, false_stops, outcome, stop_step, utility

QUALITY = np.array([0.90, 0.95, 0.97, 0.975, 0.976])
LABELS = np.arange(100, 600, 100)


def campaign(bias: float = 1.0, low: float = 0.0) -> Recorded:
    """Make one whose forecasts are the true gains times `bias`, and whose intervals begin `low` below the truth."""
    gains = [*np.diff(QUALITY) * bias, None]
    results = tuple(
        RoundResult(
            at, int(labels), gain=None if gain is None else Gain("accuracy", gain, 0.0, 2 * gain, 100, 100 * 10**6)
        )
        for at, (labels, gain) in enumerate(zip(LABELS, gains, strict=True), start=1)
    )  # fmt: skip
    decisions = tuple(Estimate(one, one - low, 1.0, 50) for one in QUALITY.tolist())
    return Recorded("accuracy", results, decisions, LABELS, QUALITY)


@pytest.mark.parametrize(("worth", "best"), [(10, 100), (30, 200), (80, 300), (500, 400), (5000, 500)])
def test_who_knows_the_gains_stops_at_the_best_point(worth, best):
    one = campaign()
    assert LABELS[utility(one, worth).argmax()] == best
    found = outcome("known", StopRules(plateau=Plateau("accuracy", 1, worth=1.0)), [one], worth)
    assert (found.stop, found.best, found.off, found.within, found.lost) == (best, best, 0, 1, 0)


def test_too_hopeful_forecasts_stop_late_and_cost_what_they_cost():
    found = outcome("hopeful", StopRules(plateau=Plateau("accuracy", 1, worth=1.0)), [campaign(3.0)], 80)
    assert (found.stop, found.best, found.off) == (400, 300, pytest.approx(1 / 3))
    assert found.lost == pytest.approx(100 - 0.5 * 80)
    assert found.lost_without == pytest.approx(200 - 0.6 * 80)


def test_without_a_rule_a_campaign_goes_to_its_end():
    assert stop_step(campaign(), StopRules()) == len(LABELS) - 1


def test_a_target_that_stops_too_early_is_counted():
    assert false_stops([campaign()], 0.96) == (1, 0)
    assert false_stops([campaign(low=-0.02)], 0.96) == (1, 1)
    assert false_stops([campaign(low=0.2)], 0.96) == (0, 0)
    assert false_stops([campaign(), campaign(low=-0.02)], None) == (1, 1)
    assert false_stops([campaign()], None, usual=True) == (0, 0)


def test_the_table_has_each_rule_at_each_worth():
    found = table([campaign(), campaign(2.0)], [30, 80], 0.96)
    names = list(rules("accuracy"))
    assert [(one["worth"], one["rule"]) for one in found["outcomes"]] == [
        (w, n) for w in (30, 80) for n in names
    ]
    assert names[-1] == NEVER
    assert found["target"] == {"value": 0.96, "stopped": 2, "wrong": 0}
    assert found["out_of_reach"] == {"value": None, "stopped": 0, "wrong": 0}
    picture = stop_picture([campaign()], [2], 80, rule="plateau", title="made up")
    assert picture.axes[0].get_xlabel() == "labels bought (count)"


def test_rounds_are_counted_by_guard_and_fault():
    def looked(planted: str, tripped: bool) -> Looked:
        return Looked("auto", planted, 0, 1, 10, GuardSignal("drift", tripped, "So it is."))

    found = counted([looked("nothing", False), looked("a fault", True), looked("a fault", False)])
    assert [(one["planted"], one["rounds"], one["tripped"]) for one in found] == [
        ("a fault", 2, 1),
        ("nothing", 1, 0),
    ]
