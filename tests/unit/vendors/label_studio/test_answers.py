"""Annotations as answers: validation, and whose assignment an answer is under edits, deletions and lost cursors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.vendors.connector import Known
from tasks.vendors.label_studio.answers import Matched, annotation_of, client_id, match
from tasks.vendors.label_studio.form import Question
from tasks.vendors.label_studio.reading import Annotation, Reader

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PROJECT = 7
ONE = Reader("classification", ("ham", "spam"), Question("label", "text", ("ham", "spam")))
SET = Reader("multilabel", ("ham", "spam"), Question("label", "text", ("ham", "spam", "none of these")))


def told(choices: Any, **more: Any) -> dict[str, Any]:
    result = [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": choices}}]
    return {
        "id": 5, "task": 3, "completed_by": 2, "was_cancelled": False, "ground_truth": False, "result": result,
        "created_at": "2026-01-01T00:00:10Z", "lead_time": 4.0, **more,
    }  # fmt: skip


def said(reader: Reader, *given_: Any, **more: Any) -> tuple[str, Any]:
    read = reader.read(told(*given_, **more), NOW)
    assert read is not None
    return read.answer, read.label


def test_labels_and_skips_are_read() -> None:
    assert said(ONE, ["spam"]) == ("label", "spam")
    assert said(ONE, ["spam"], was_cancelled=True) == ("skip", None)
    assert said(ONE, [], result=[]) == ("skip", None)
    assert said(ONE, [], result=None) == ("skip", None)
    assert ONE.read(told(["spam"], ground_truth=True), NOW) is None
    assert said(SET, ["spam", "ham"]) == ("label", ["ham", "spam"])
    assert said(SET, ["none of these"]) == ("label", [])


def test_what_cannot_be_right_is_passed_on() -> None:
    assert said(ONE, ["eggs"]) == ("label", "eggs")
    assert said(ONE, ["ham", "spam"]) == ("label", ["ham", "spam"])
    assert said(ONE, "ham") == ("label", None)
    assert said(ONE, [], result=[{"from_name": "other", "value": {"choices": ["ham"]}}]) == ("label", None)
    assert said(SET, ["ham", "none of these"]) == ("label", ["ham", "none of these"])


LEAVES = st.none() | st.booleans() | st.text(max_size=5) | st.floats()
KEYS = st.sampled_from(["value", "choices", "from_name", "x"])
STRANGE = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=9)


@given(STRANGE)
def test_no_result_is_too_strange_to_read(result: Any) -> None:
    read = ONE.read(told([], result=result), NOW)
    assert read is not None
    assert read.answer in ("label", "skip")


def test_times_are_never_in_our_future() -> None:
    early = ONE.read(told(["ham"]), NOW)
    assert early is not None
    assert (early.started_at, early.finished_at) == ("2026-01-01T00:00:06+00:00", "2026-01-01T00:00:10+00:00")
    late = ONE.read(told(["ham"], created_at="2026-03-01T00:00:00Z", lead_time=None), NOW)
    assert late is not None
    assert (late.started_at, late.finished_at) == (None, NOW.isoformat())
    assert timedelta(0) <= NOW - datetime.fromisoformat(early.finished_at or "")


def test_client_ids_name_their_project() -> None:
    assert annotation_of(client_id(PROJECT, 12), PROJECT) == 12
    assert annotation_of(client_id(PROJECT, 12), 8) is None
    assert annotation_of("something else", PROJECT) is None


class Item:
    """One item with its overlap: a server's annotations, and a database that takes answers by the rules."""

    def __init__(self, overlap: int) -> None:
        self.assignments = [f"a{n}" for n in range(overlap)]
        self.annotations: dict[int, Annotation] = {}
        self.known: dict[str, Known] = {}
        self.handed: dict[str, Any] = {}
        self.used = 0

    @property
    def held(self) -> list[str]:
        done = {one.assignment_id for one in self.known.values()}
        return [name for name in self.assignments if name not in done]

    def write(self, who: int, answer: str, label: str | None) -> None:
        self.used += 1
        self.annotations[self.used] = Annotation(self.used, 1, f"user-{who}", answer, label)

    def look(self) -> Matched:
        return match(
            PROJECT, list(self.annotations.values()), self.held, list(self.known.values()),
            offered=self.assignments, handed=self.handed, is_gone=lambda number: number not in self.annotations,
        )  # fmt: skip

    def turn(self, *, keeps_cursor: bool = True) -> Matched:
        found = self.look()
        for row in found.rows:
            repeats = row.annotator in {k.annotator for k in self.known.values() if k.answer == "label"}
            good = row.answer == "skip" or row.label in ("ham", "spam")
            if row.assignment_id in self.held and good and not repeats:
                name = row.client_annotation_id
                self.known[name] = Known(
                    name, row.assignment_id, "i", 1, row.answer, row.label, row.annotator
                )
        for change in found.changes:
            was = self.known[change.client_annotation_id]
            assert change.base_revision == was.revision
            if change.answer == "skip" or change.label in ("ham", "spam"):
                self.known[was.client_annotation_id] = Known(
                    was.client_annotation_id, was.assignment_id, "i", was.revision + 1, change.answer, change.label,
                    was.annotator,
                )  # fmt: skip
        self.handed = dict(found.handed) if keeps_cursor else {}
        return found


WHO = st.integers(1, 4)
SAYS = st.sampled_from([("label", "ham"), ("label", "spam"), ("label", "eggs"), ("skip", None)])
STEPS = st.lists(
    st.tuples(st.just("write"), WHO, SAYS)
    | st.tuples(st.just("edit"), st.integers(0, 9), SAYS)
    | st.tuples(st.just("delete"), st.integers(0, 9))
    | st.tuples(st.just("turn"), st.booleans()),
    max_size=25,
)


def play(item: Item, steps: list[Any]) -> None:
    for step in steps:
        numbers = sorted(item.annotations)
        if step[0] == "write":
            item.write(step[1], *step[2])
        elif step[0] == "turn":
            before = {name: one.assignment_id for name, one in item.known.items()}
            item.turn(keeps_cursor=step[1])
            # Once taken, an answer keeps its assignment.
            assert before.items() <= {name: one.assignment_id for name, one in item.known.items()}.items()
        elif numbers:
            number = numbers[step[1] % len(numbers)]
            if step[0] == "delete":
                del item.annotations[number]
            else:
                old = item.annotations[number]
                item.annotations[number] = Annotation(number, 1, old.annotator, *step[2])


@settings(max_examples=300)
@given(st.integers(1, 3), STEPS)
def test_whatever_annotators_do_each_has_one_assignment_and_the_last_word(
    overlap: int, steps: list[Any]
) -> None:
    item = Item(overlap)
    play(item, steps)
    for _ in range(3):
        item.turn()
    taken = list(item.known.values())
    assert len({one.assignment_id for one in taken}) == len(taken)
    labels = [one for one in taken if one.answer == "label"]
    assert len({one.annotator for one in labels}) == len(labels)
    for one in taken:
        number = annotation_of(one.client_annotation_id, PROJECT)
        now = item.annotations.get(number or 0)
        mine = [a for a in item.annotations.values() if a.annotator == one.annotator]
        if now is not None and now.label in ("ham", "spam"):
            # An answer that stands is known as it stands now.
            assert (one.answer, one.label) == (now.answer, now.label)
        elif now is not None and now.answer == "skip":
            # Or by what its author answered after all.
            assert one.answer == "skip" or any(a.answer == "label" for a in mine)
        elif now is None and not mine:
            assert one.answer == "skip"
    # Nobody with a good answer waits while a task of the item does.
    waiting = {a.annotator for a in item.annotations.values() if a.label in ("ham", "spam")}
    assert not item.held or waiting <= {one.annotator for one in taken}


@settings(max_examples=200)
@given(st.integers(1, 3), STEPS)
def test_a_turn_after_which_nothing_happened_hands_in_nothing(overlap: int, steps: list[Any]) -> None:
    item = Item(overlap)
    play(item, steps)
    for _ in range(3):
        item.turn()
    calm = item.turn()
    assert not calm.rows
    assert not calm.changes
    assert calm.done is not bool(item.held)
    assert calm.wanted >= 1


@given(st.integers(1, 3), st.lists(st.tuples(WHO, SAYS), max_size=6))
def test_asked_twice_without_taking_it_says_the_same(overlap: int, writes: list[Any]) -> None:
    item = Item(overlap)
    for who, says in writes:
        item.write(who, *says)
    assert item.look() == item.look()


@pytest.mark.parametrize("overlap", [1, 2])
def test_a_late_answer_names_the_assignment_that_lapsed(overlap: int) -> None:
    item = Item(overlap)
    item.write(1, "label", "ham")
    found = match(
        PROJECT, list(item.annotations.values()), [], [], offered=item.assignments, handed={}, is_gone=lambda _: True
    )  # fmt: skip
    assert [row.assignment_id for row in found.rows] == [item.assignments[-1]]
    assert found.done
