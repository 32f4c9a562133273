"""Answers that are wrong, bought more than once, and what they become."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.simulation import SimulationProtocol, Treatment, run_repeat, split
from tasks.simulation.analysis import analyse, to_json
from tasks.simulation.choice import named
from tasks.simulation.held import Held
from tasks.simulation.labeling import Labeling, labeling_of, labeling_specs
from tasks.simulation.run import Curve
from tasks.simulation.vendors import Desk, vendors_of
from tasks.simulation.words import labeling_sentence
from tasks.truth import Belief
from tests.unit.simulation.conftest import blobs

FAST = "xgboost(num_boost_round=20)"
NOISY = SimulationProtocol(seed_labels=12, batch=10, budget=42, noise=0.2)


def run(data, labeling, protocol=NOISY, strategy="margin"):
    return run_repeat(data, Treatment(strategy, FAST, labeling), protocol, 0)


def test_labelings_are_read_as_they_are_written():
    text = "majority, auto(overlap=2, relabel=auto), crowdlab(relabel=0.2, max_answers=4), majority"
    found = [str(spec) for spec in labeling_specs(text)]
    assert found == ["majority", "auto(overlap=2, relabel=auto)", "crowdlab(relabel=0.2, max_answers=4)"]
    assert labeling_of(found[1]) == Labeling("auto", 2, "auto")
    assert labeling_of(found[2]) == Labeling("crowdlab", 1, 0.2, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("majorty", "Did you mean majority"),
        ("auto(overlap=0)", "overlap of the labeling auto must be 1 to 15"),
        ("auto(overlap=two)", "overlap"),
        ("auto(max_answers=99)", "max_answers"),
        ("auto(relabel=share)", "relabel is auto, off or a share"),
        ("auto(votes=3)", "takes overlap, relabel and max_answers, not votes"),
        ("auto(majority)", "cannot have another inside"),
        ("auto(", "cannot be read"),
    ],
)
def test_labelings_that_are_none_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        labeling_specs(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "needs its error"),
        ("a(error=2)", "must be 0 to 1"),
        ("a(error=[0.1, x])", "cannot be read"),
        ("a(error=0.1),a(error=0.2)", "different names"),
        ("a(error=0.1, speed=3)", "nothing else"),
    ],
)
def test_vendors_that_are_none_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        vendors_of(text)


def test_vendors_must_fit_the_data_and_stand_alone(data):
    with pytest.raises(UsageError, match="3 error rates, and the data 2 classes"):
        split(data.y, 2, SimulationProtocol(vendors="a(error=[0, 0.1, 0.2])"), 0)
    with pytest.raises(UsageError, match="give one of them"):
        SimulationProtocol(noise=0.1, vendors="a(error=0.1)")


def test_answers_are_wrong_as_often_as_was_asked_for():
    y = np.arange(6000) % 3
    desk = Desk.of(y, 3, 0.0, "good(error=0.05), bad(error=[0.1, 0.3, 0.6])", seed=1)
    labels, vendor = zip(*(desk.nth(n) for n in range(4)), strict=True)
    # The first two answers for an item are of different vendors.
    assert (vendor[0] != vendor[1]).all()
    assert (vendor[2] == vendor[0]).all()
    rates = {0: [0.05] * 3, 1: [0.1, 0.3, 0.6]}
    for n in range(4):
        for who, expected in rates.items():
            for label in range(3):
                own = (vendor[n] == who) & (y == label)
                assert (labels[n][own] != label).mean() == pytest.approx(expected[label], abs=0.06)
    assert (labels[0] != labels[2]).any()
    np.testing.assert_array_equal(desk.nth(3)[0], labels[3])


@given(st.integers(0, 1000), st.integers(1, 3))
def test_what_is_held_is_what_was_bought(seed, overlap):
    rng = np.random.default_rng(seed)
    desk = Desk.of(rng.integers(0, 2, 20), 2, 0.3, "", seed)
    rows = rng.permutation(20)
    held = Held.nothing(desk).first(rows[:5], named("", 5), overlap, desk)
    held = held.again(np.array([1, 3]), desk).first(rows[5:8], named("margin", 3), overlap, desk)
    assert held.rows.tolist() == rows[:8].tolist()
    assert held.sources.tolist() == [""] * 5 + ["margin"] * 3
    assert held.answers.counts.tolist() == [overlap + (i in (1, 3)) for i in range(8)]
    for item in range(8):
        own = held.answers.label[held.answers.item == item].tolist()
        assert own == [desk.nth(n)[0][rows[item]] for n in range(len(own))]


def test_money_is_counted_by_answers(data):
    one, three = run(data, "majority"), run(data, "majority(overlap=3)")
    again = run(data, "auto(relabel=0.5)")
    assert one.labels == three.labels == again.labels == [12, 22, 32, 42]
    assert one.items == [12, 22, 32, 42]
    assert three.items == [4, 7, 10, 14]
    assert again.items == [12, 17, 22, 27]
    assert run(data, "auto").metrics != one.metrics
    assert all(0 <= right <= 1 for right in again.right)


def test_more_answers_make_labels_truer():
    data = blobs(300)
    protocol = SimulationProtocol(seed_labels=40, batch=40, budget=160, noise=0.25)
    right = {}
    for way in ("majority", "majority(overlap=3)", "auto(relabel=0.5)"):
        right[way] = np.mean(
            [run_repeat(data, Treatment("random", FAST, way), protocol, n).right[-1] for n in range(3)]
        )
    assert right["majority"] == pytest.approx(0.75, abs=0.06)
    assert right["majority(overlap=3)"] > right["majority"] + 0.03
    assert right["auto(relabel=0.5)"] > right["majority"] + 0.03


def test_the_pool_may_run_out_while_items_are_asked_again(data):
    protocol = SimulationProtocol(seed_labels=20, batch=20, budget=500, noise=0.2)
    curve = run(data, "auto(relabel=auto)", protocol, "random")
    assert max(curve.items) <= 54


def test_a_belief_that_is_certain_changes_nothing_of_what_was(data):
    """With one answer an item and no doubt a majority is the answer, so earlier results still hold."""
    sure = Belief("majority", np.eye(2)[[0, 1]], np.array([1, 1]), np.ones(1), np.ones(1))
    assert sure.confidence.tolist() == [1, 1]
    clean = SimulationProtocol(seed_labels=12, batch=10, budget=42)
    curve = run(data, "majority", clean)
    assert curve.right == [1.0] * 4
    assert run(data, "one_coin", clean).items == curve.items


def test_half_of_the_answers_are_held_against_the_first_labeling_with_all():
    labels = [10, 20, 30, 40]

    def curves(way, rows):
        made = []
        for n, row in enumerate(rows):
            metrics = {name: list(row) for name in ("accuracy", "macro_f1")}
            kinds = ["linear"] * 4
            made.append(
                Curve(
                    "random",
                    "auto",
                    n,
                    labels,
                    metrics,
                    [0.1] * 3,
                    [1.0] * 4,
                    kinds,
                    0,
                    way,
                    labels,
                    [0.8] * 4,
                )
            )
        return made

    arms = {
        Treatment("random"): curves("majority", [[0.6, 0.7, 0.75, 0.8 + n / 1000] for n in range(8)]),
        Treatment("random", labeling="auto"): curves(
            "auto", [[0.7, 0.9, 0.9, 0.9 + n / 1000] for n in range(8)]
        ),
    }
    plain, better = analyse(arms, [{"accuracy": 0.95}] * 8, "accuracy", seed=0)
    assert plain.halved is None
    assert labeling_sentence(plain) is None
    assert better.halved is not None
    assert (better.halved.labels, better.halved.of) == (20, 40)
    assert better.halved.difference.mean == pytest.approx(0.0965)
    said = labeling_sentence(better)
    assert said is not None
    assert said.startswith(
        "random auto with 20 answers is better than random majority with 40; the difference is sure"
    )
    told = to_json(better)
    assert told["halved"]["labels"] == 20
    assert told["labeling"] == "auto"
    assert told["against"]["random majority"]["mean"] > 0
