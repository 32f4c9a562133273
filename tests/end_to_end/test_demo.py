"""The first command of the README, shortened."""

import json

import pytest

from tests.end_to_end.command import labelrounds


@pytest.fixture(scope="module")
def demo(stack_home, stack):
    return json.loads(labelrounds("demo", "--rounds", "1", "--json", home=stack_home, timeout=300).stdout)


def test_both_arms_are_measured_at_the_same_numbers_of_labels(demo):
    arms = demo["arms"]
    assert set(arms) == {"auto", "random"}
    for points in arms.values():
        assert [point["labels"] for point in points] == [100, 200]
        assert [point["cost"] for point in points] == [0.0, 5.0]
        assert all(point["low"] <= point["accuracy"] <= point["high"] for point in points)
        assert points[-1]["accuracy"] > 0.9


def test_both_arms_begin_from_the_same_labels(demo):
    assert demo["arms"]["auto"][0] == demo["arms"]["random"][0]


def test_it_says_in_words_what_the_figures_show(demo):
    end = demo["arms"]["random"][-1]["accuracy"]
    assert f"{end:.3f}" in demo["sentences"][0]


def test_the_servers_stay_up(demo, stack_home):
    parts = json.loads(labelrounds("status", "--json", home=stack_home).stdout)
    assert {
        part["health"] for part in parts if part["name"] in ("postgres", "s3", "gateway", "mlflow", "prefect")
    } == {"healthy"}


def test_a_campaign_of_the_demo_stays_stopped_until_its_budget_is_raised(demo, stack_home):
    done = labelrounds("round", "emails-auto-1", "--json", home=stack_home)
    outcome = json.loads(done.stdout)
    assert outcome["result"] == "stopped"
    assert "raise" in outcome["message"]


def test_the_batch_of_a_round_can_be_chosen_anew(demo, stack_home):
    done = labelrounds("round", "emails-auto-1", "--verify", "1", "--json", home=stack_home)
    assert json.loads(done.stdout)["same"] is True


def test_the_labels_can_be_exported_with_their_provenance(demo, stack_home):
    lines = labelrounds("labels", "export", "emails-auto-1", home=stack_home).stdout.splitlines()
    assert lines[0].startswith("item_id,label,confidence,kind,method")
    kinds = [line.split(",")[3] for line in lines[1:]]
    assert (kinds.count("seed"), kinds.count("work"), kinds.count("audit")) == (100, 90, 10)
