"""Every number that MLflow shows is described, and none is made up."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from infra.tracking import naming
from infra.tracking.naming import by_labels
from tasks.campaign import Campaign
from tasks.metrics import charts, curves, decision_tags, headline_estimates, metrics, table_tags
from tests.unit.steps.reported import campaign, estimate, full, picks, round_of

PAGE = (Path(__file__).parents[3] / "docs" / "rounds-in-mlflow.md").read_text(encoding="utf-8")


def documented(section: str) -> list[str]:
    """Names of the first column of a table, as patterns."""
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE.partition(section)[2].partition("\n\nOf")[0], re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    return [re.sub(r"<\w+>", r"[\\w-]+", name) for name in names]


def undescribed(names: set[str], patterns: list[str]) -> list[str]:
    return sorted(
        name for name in names if not any(re.fullmatch(f"{one}(_low|_high)?", name) for one in patterns)
    )


def logged(measures: dict[str, Any], of: Campaign) -> dict[str, float]:
    """What `Tracker.log_round` writes of a round."""
    return naming.metrics(metrics(round_of(measures), of, picks()), headline_estimates(measures, of))


def drawn(measures: dict[str, Any], of: Campaign) -> dict[str, float]:
    """What `Tracker.append_curve` writes of a round."""
    found = curves(measures, of)
    return naming.metrics(
        {by_labels(g, name): v for g, values in found.items() for name, v in values.items()}, {}
    )


def test_every_metric_of_a_round_is_on_the_page():
    names = set(logged(full(), campaign()))
    patterns = documented("\nOf a round:")
    assert len(names) > 45
    assert undescribed(names, patterns) == []
    unused = [one for one in patterns if not any(re.fullmatch(f"{one}(_low|_high)?", name) for name in names)]
    assert unused == []


def test_every_curve_of_a_campaign_is_on_the_page():
    names = set(drawn(full(), campaign()))
    patterns = documented("\nOf the campaign, with labels in hand as steps:")
    assert undescribed(names, patterns) == []
    assert {"stop_by_labels/target", "stop_by_labels/target_threshold"} <= names
    assert "stop_by_labels/max_rounds" not in names  # it has no number


@pytest.mark.parametrize("missing", [*full(), "all"])
def test_what_is_missing_is_left_out(missing):
    measures = full()
    for name in [*full()] if missing == "all" else [missing]:
        del measures[name]
    found = logged(measures, campaign()) | drawn(measures, campaign())
    assert all(math.isfinite(value) for value in found.values())
    assert decision_tags(measures) is not None
    assert table_tags(measures, campaign()) is not None
    if missing == "all":
        assert set(found) == {"batch/items", "batch/audit", "batch/explored"}


def test_the_first_measure_of_what_decides_comes_first():
    assert list(logged(full(), campaign()))[:3] == [
        "holdout/accuracy",
        "holdout/accuracy_low",
        "holdout/accuracy_high",
    ]
    assert next(iter(logged(full(), campaign(metric="log_loss")))) == "holdout/log_loss"


def test_estimates_without_a_value_are_no_metric():
    measures = full()
    measures["estimates"] = {"audit": {"accuracy": estimate(None, 0.0, 1.0)}}
    found = logged(measures, campaign()) | drawn(measures, campaign())
    assert not [name for name in found if "accuracy" in name and "audit" in name]
    assert table_tags(measures, campaign()) == {"next_batch": "+0.010 (90 %: -0.002 to +0.020)"}


def test_cells_of_the_table_begin_with_the_number():
    assert table_tags(full(), campaign()) == {
        "measured": "0.950 accuracy",
        "interval": "0.900-1.000",
        "next_batch": "+0.010 (90 %: -0.002 to +0.020)",
    }


def test_money_is_what_the_budget_leaves():
    found = logged(full(), campaign())
    assert found["money/held"] == pytest.approx(1 + 12 * 0.1)
    assert found["money/left"] == pytest.approx(100 - 20 - found["money/held"])
    boundless = campaign(budget={"labels": 1000, "currency": "USD"})
    assert "money/left" not in logged(full(), boundless)


def test_the_decision_is_told_with_its_numbers():
    assert decision_tags(full()) == {
        "promotion": "promoted",
        "promotion_rule": "better",
        "promotion_against": "round 2",
        "promotion_difference": 0.012,
        "promotion_p": 0.003,
        "promotion_level": 0.95,
        "promotion_sentence": "It is better.",
        "promotion_interval": "0.001 to 0.02",
        "promotion_items": "won 9, lost 2 of 40",
    }
    first = {"promotion": {"promoted": True, "rule": "better", "sentence": "It is the first."}}
    assert decision_tags(first) == {
        "promotion": "promoted",
        "promotion_rule": "better",
        "promotion_sentence": "It is the first.",
    }


def test_charts_draw_curves_that_there_are():
    drawable = set(drawn(full(), campaign()))
    for chart in charts(full(), campaign()):
        assert {by_labels(*one.split(" ", 1)) for one in chart} <= drawable
