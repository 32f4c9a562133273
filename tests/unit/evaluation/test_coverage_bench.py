"""The command that measures coverage, on a set that takes no training."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from flows.bench import known
from flows.bench.command import bench
from flows.bench.coverage import Line, Population, _first_miss, bench_coverage
from flows.bench.known import ROUNDS, Known
from flows.bench.shares import shares
from tasks.errors import UsageError
from tasks.evaluation import METRICS


def made(n: int = 400) -> Known:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    z = rng.normal(size=(ROUNDS, n, 3))
    z[:, np.arange(n), y] += np.linspace(0.5, 2, ROUNDS)[:, None]
    return Known("made", np.exp(z) / np.exp(z).sum(axis=2, keepdims=True), y)


def test_every_figure_is_drawn_in_every_way():
    told: list[str] = []
    lines = list(bench_coverage(made(), sizes=[100], replays=4, seed=0, tick=told.append))
    assert told == [
        f"made: {one}, 100 items" for one in ("uniform", "over-sampled", "prediction-powered", "active")
    ] + ["made: sequences"]
    by_study = {
        study: [one.of for one in lines if one.study == study] for study in {one.study for one in lines}
    }
    assert set(METRICS) <= set(by_study["uniform"]) == set(by_study["over-sampled"])
    assert by_study["active"] == by_study["prediction-powered"] == ["accuracy", "log_loss"]
    assert len([study for study in by_study if "model" in study]) == 4
    for one in lines:
        assert one.replays == 4
        assert 0 <= one.above <= 1 - one.held <= 1
        assert one.width > 0
    again = list(bench_coverage(made(), sizes=[100], replays=4, seed=0, tick=told.append))
    assert [one.to_json() for one in again] == [one.to_json() for one in lines]


def test_what_is_over_sampled_is_what_the_model_is_unsure_of():
    population = Population(made())
    often = population.chance > population.chance.min()
    assert often.mean() == pytest.approx(0.2)
    assert population.doubt[often].min() >= population.doubt[~often].max()
    assert population.chance.sum() == pytest.approx(1)


def test_the_first_miss_is_what_counts():
    ends = [(0.1, 0.9), (0.5, 0.6), (0.2, 0.3)]
    assert _first_miss(ends, [0.4] * 3) == (0.5, 0.6)
    assert _first_miss(ends, [0.4, 0.55, 0.25]) == (0.2, 0.3)
    line = Line("accuracy", "made", "uniform", 10, truth=0.4)
    for low, high in ends:
        line.add(low, high)
    assert (line.held, line.above) == pytest.approx((1 / 3, 1 / 3))
    assert line.width == pytest.approx(1 / 3)


def test_clopper_and_pearson_never_hold_less_than_they_say():
    found = {one["way"]: one for one in shares(60, between=(0.01, 0.4))}
    assert found["Clopper-Pearson"]["least"] >= 0.95
    assert found["Clopper-Pearson"]["mean"] > found["mid-P"]["mean"] > 0.95
    few = {one["way"]: one["least"] for one in shares(20, between=(0.005, 0.02))}
    assert few["Wilson"] < 0.9 < few["mid-P"]  # Where errors are rare.


def test_the_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known, "_known", lambda name, source: made())
    arguments = ["coverage", "--sets", "digits", "--replays", "1", "--sizes", "10,20", "--json"]
    done = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["protocol"]["sizes"] == [10, 20]
    assert {one["n"] for one in found["lines"]} == {10, 20}
    assert len(found["shares"]) == 2 * 3 * 3
    assert "held %" in CliRunner().invoke(bench, arguments[:-1], catch_exceptions=False).stdout


@pytest.mark.parametrize(
    "arguments", [["--sets", "nope"], ["--sets", "emails"], ["--sizes", "5"], ["--sizes", "ten"]]
)
def test_wrong_use_is_refused(arguments):
    with pytest.raises(UsageError):
        CliRunner().invoke(bench, ["coverage", *arguments], catch_exceptions=False)
