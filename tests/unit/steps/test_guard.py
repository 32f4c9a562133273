"""What guards look at of a round, and whom they ask."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tasks import guard as guarding
from tasks.campaign import Guards
from tasks.campaign.vendors import Gold
from tasks.drift import moving_names
from tasks.errors import GuardTripped, UsageError
from tasks.evaluation.guards import GUARDS, GuardSignal
from tasks.features import fit_space
from tasks.pool.schema import Columns

MEASURES = {"pool": {"measure": "margin", "scores": [0.1, 0.2], "predicted": [5, 5], "free": 100}}


def campaign(**given: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"guards": Guards(), "gold": None, **given})


def batch(*rows: tuple[str, str | None, list[float] | None]) -> pa.Table:
    return pa.table(
        {
            "kind": [kind for kind, _, _ in rows],
            "score": pa.array([0.5] * len(rows), pa.float32()),
            "reason": [json.dumps({} if part is None else {"part": part}) for _, part, _ in rows],
            "witness": pa.array([witness for _, _, witness in rows], pa.list_(pa.float32())),
        }
    )


def test_limits_are_the_campaigns_or_the_usual_ones():
    assert guarding.limit_of(campaign(), "one_class") == 0.95
    assert guarding.limit_of(campaign(guards=Guards(drift="off")), "drift") == "off"
    assert guarding.limit_of(campaign(guards=Guards(drift=0.4)), "drift") == 0.4
    assert guarding.limit_of(campaign(), "vendor_errors") == "off"
    assert guarding.limit_of(campaign(gold=Gold(passes=0.8)), "vendor_errors") == pytest.approx(0.2)
    assert guarding.limit_of(campaign(guards=Guards(vendor_errors=0.3)), "vendor_errors") == 0.3


def test_only_what_scores_chose_is_looked_at():
    told = batch(
        ("work", None, [0.2, 0.8]), ("audit", None, None), ("relabel", None, None), ("work", "random", None)
    )
    assert len(guarding.chosen_by_score(told, MEASURES)) == 1
    assert guarding.chosen_by_score(told, {"pool": {"measure": "random"}}) == []
    assert guarding.chosen_by_score(told, {**MEASURES, "counts": {"cold_start": "too few"}}) == []


def test_unknown_names_are_refused():
    guarding.check_names(GUARDS)
    with pytest.raises(UsageError, match="no guard one-class; there are one_class"):
        guarding.check_names(["one-class"])


def test_times_and_predictions_are_not_watched():
    table = pa.table(
        {
            "sent": pa.array([0, 86_400_000_000 * 40, 86_400_000_000 * 80], pa.timestamp("us")),
            "size": [1.0, 2.0, 4.0],
        }
    )
    space = fit_space(table, Columns("id", numeric=("size",), date=("sent",)), seed=0)
    moving = moving_names(space)
    assert {name.partition(".")[0] for name in moving} == {"sent"}
    assert "size" in set(space.names) - moving


class Stored:
    """A round in a database of its own: what the step stores is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *signals: GuardSignal) -> None:
        self.round: Any = SimpleNamespace(
            state="scored", batch=object(), measures={"drift": {"why_not": "First round."}}, campaign="spam",
            number=2,
        )  # fmt: skip

        def store(_: Any, round_: Any, measures: dict[str, Any]) -> Any:
            self.round = SimpleNamespace(**{**vars(round_), "measures": json.loads(json.dumps(measures))})
            return self.round

        monkeypatch.setattr(guarding, "campaign_of", lambda _: campaign())
        monkeypatch.setattr(guarding, "earlier_of", lambda *_: None)
        monkeypatch.setattr(guarding, "signals_of", lambda *_: list(signals))
        monkeypatch.setattr(guarding.rounds, "store", store)

    def ask(self, *overrides: str) -> Any:
        return guarding.guard.fn(SimpleNamespace(engine=None), self.round, overrides)


TRIPPED = GuardSignal("drift", True, "The pool drifted.", 0.5, 0.25)
QUIET = GuardSignal("one_class", False, "No model predicts the classes of this batch.")


def test_a_round_that_trips_a_guard_waits_for_a_persons_word(monkeypatch):
    stored = Stored(monkeypatch, QUIET, TRIPPED)
    for _ in range(2):
        with pytest.raises(GuardTripped, match="--override drift") as refused:
            stored.ask("one_class")
        assert refused.value.names == ("drift",)
        assert [one["overridden"] for one in stored.round.measures["guards"]] == [False, False]
    stored.ask("drift")
    assert [one["overridden"] for one in stored.round.measures["guards"]] == [False, True]
    # Should publishing crash now, the word is remembered.
    stored.ask()
    assert [one["overridden"] for one in stored.round.measures["guards"]] == [False, True]


def test_a_round_without_a_fault_goes_on(monkeypatch):
    stored = Stored(monkeypatch, QUIET, replace(TRIPPED, tripped=False))
    assert stored.ask() is stored.round
    assert {one["name"] for one in stored.round.measures["guards"]} == {"one_class", "drift"}
    stored.round.state = "published"
    before = stored.round
    assert stored.ask() is before


def test_over_sampled_audit_items_count_by_their_weight(monkeypatch):
    stick = SimpleNamespace(name="audit", y=np.array([0, 1, 1]), weight=np.array([2.0, 1.0, 1.0]))
    monkeypatch.setattr(guarding, "yardsticks", lambda *_: [stick])
    counts = guarding.audited_classes(None, None, SimpleNamespace(classes=("a", "b")))
    assert counts.tolist() == pytest.approx([16 / 6 / 2, 16 / 6 / 2])
    monkeypatch.setattr(guarding, "yardsticks", lambda *_: [])
    assert guarding.audited_classes(None, None, SimpleNamespace(classes=("a", "b"))).tolist() == [0, 0]
