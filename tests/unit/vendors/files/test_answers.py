"""Answers come exactly once by (key, ETag, row), in any portions, and what contradicts is a correction."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import PoolChanged, UsageError
from tasks.vendors.connector import Change, Row
from tasks.vendors.files import spans
from tasks.vendors.testing import Judge, make_offers
from tests.unit.vendors.files.memory import (
    URI,
    Crash,
    Memory,
    answers_of,
    connector,
    jsonl,
    known_of,
    reports,
    turn,
    turns,
    upload,
)

OFFERS = make_offers(5)
IDS = [offer.assignment_id for offer in OFFERS]
LABELS = st.sampled_from(["ham", "spam"])
# A file: rows of (task, label), some of them broken.
ROWS = st.lists(st.tuples(st.integers(0, 4), LABELS | st.just("")), max_size=12)


def judge() -> Judge:
    return Judge(set(IDS), ("ham", "spam"))


def line(task: int, label: str) -> str:
    return jsonl({"assignment_id": IDS[task], "label": label}) if label else "{broken\n"


def last_answers(files: list[list[tuple[int, str]]]) -> dict[str, str]:
    return {IDS[task]: label for rows in files for task, label in rows if label}


@given(files=st.lists(ROWS, max_size=3), portion=st.integers(1, 9), packed=st.booleans())
def test_the_last_answer_counts_and_every_row_is_reported_once(files, portion, packed) -> None:
    store, judged = Memory(), judge()
    for number, rows in enumerate(files):
        data = "".join(line(*row) for row in rows).encode()
        upload(store, f"{number}.jsonl" + (".gz" if packed else ""), gzip.compress(data) if packed else data)
    made = connector(store, portion=portion)
    turns(made, OFFERS, judged)
    assert answers_of(judged) == last_answers(files)
    for number, rows in enumerate(files):
        found = reports(store, f"{number}.jsonl" + (".gz" if packed else ""))
        assert sorted(row["line"] for row in found) == list(range(1, len(rows) + 1))
        bad = {row["line"] for row in found if row["result"] == "rejected"}
        assert bad == {place for place, (_, label) in enumerate(rows, 1) if not label}


@given(
    files=st.lists(ROWS, min_size=1, max_size=3),
    portion=st.integers(1, 9),
    crashes=st.lists(st.integers(1, 12), max_size=8),
)
def test_an_end_at_any_call_changes_nothing(files, portion, crashes) -> None:
    calm, rough = Memory(), Memory()
    results = []
    for store, ends in ((calm, iter(())), (rough, iter(crashes))):
        for number, rows in enumerate(files):
            upload(store, f"{number}.jsonl", "".join(line(*row) for row in rows))
        judged = judge()
        for _ in range(200):
            end = next(ends, None)
            store.crash_at = None if end is None else store.calls + end
            try:
                if turn(connector(store, portion=portion), OFFERS, judged) == 0:
                    break
            except Crash:
                continue
        results.append(judged.known)
    assert results[0] == results[1]
    for number in range(len(files)):
        one, two = (Counter(row["line"] for row in reports(s, f"{number}.jsonl")) for s in (calm, rough))
        assert one == two


def test_what_was_read_is_not_read_again_and_a_repetition_is_a_duplicate() -> None:
    store, judged = Memory(), judge()
    data = line(0, "ham") + line(1, "spam")
    upload(store, "a.jsonl", data)
    assert turn(connector(store), OFFERS, judged) == 2
    assert turn(connector(store), OFFERS, judged) == 0
    upload(store, "copy.jsonl", data)
    assert turn(connector(store), OFFERS, judged) == 2
    assert [row["result"] for row in reports(store, "copy.jsonl")] == ["duplicate"] * 2


def test_a_half_written_file_is_read_as_far_as_it_goes_and_again_when_it_is_whole() -> None:
    store, judged = Memory(), judge()
    whole = "".join(line(task, "ham") for task in range(4))
    upload(store, "a.jsonl", whole[: len(whole) // 2 + 10])
    turns(connector(store), OFFERS, judged)
    assert len(judged.known) == 2
    assert reports(store, "a.jsonl")[-1]["code"] == "NOT_JSON"
    upload(store, "a.jsonl", whole)
    turns(connector(store), OFFERS, judged)
    assert len(judged.known) == 4
    assert {known.revision for known in known_of(judged)} == {1}


def test_a_change_names_the_answer_and_the_revision_that_it_changes() -> None:
    store, judged = Memory(), judge()
    upload(store, "a.jsonl", jsonl({"assignment_id": IDS[0], "client_annotation_id": "x-1", "label": "ham"}))
    turns(connector(store), OFFERS, judged)
    # The vendor may use its own id again, another, or none.
    for revision, (own, label) in enumerate([("x-1", "spam"), ("x-2", "ham"), (None, "spam")], start=1):
        row = {"assignment_id": IDS[0], "label": label, "comment": "second look", "client_annotation_id": own}
        upload(store, f"b-{own}.jsonl", jsonl(row))
        fetched = connector(store).fetch(OFFERS, known_of(judged), {})
        (change,) = fetched.changes
        assert change == Change("x-1", revision, "label", label, "second look", f"b-{own}.jsonl:1")
        connector(store).acknowledge(fetched, judged.judge(fetched))
    assert known_of(judged)[0].revision == 4


def test_the_same_set_in_another_order_is_no_change() -> None:
    store, judged = Memory(), judge()
    for name, labels in (("a", ["ham", "spam"]), ("b", ["spam", "ham"])):
        upload(store, f"{name}.jsonl", jsonl({"assignment_id": IDS[0], "labels": labels}))
        fetched = connector(store).fetch(OFFERS, known_of(judged), {})
        assert not fetched.changes
        connector(store).acknowledge(fetched, judged.judge(fetched))


def test_an_id_that_means_another_task_is_for_the_database_to_refuse() -> None:
    store, judged = Memory(), judge()
    for name, task, label in (("a", 0, "ham"), ("b", 1, "spam")):
        row = {"assignment_id": IDS[task], "client_annotation_id": "1", "label": label}
        upload(store, f"{name}.jsonl", jsonl(row))
        turns(connector(store), OFFERS, judged)
    assert reports(store, "b.jsonl")[0]["code"] == "CONFLICT"
    assert answers_of(judged) == {IDS[0]: "ham"}


def test_a_file_that_appears_late_does_not_break_into_a_span_that_is_read_again() -> None:
    store, judged = Memory(), judge()
    upload(store, "b.jsonl", line(0, "ham") + line(0, "spam") + line(1, "ham"))
    turn(connector(store), OFFERS, judged)
    # As a multipart upload that began earlier: its time is that of its beginning.
    store.objects[f"{URI}/in/check/a.jsonl"] = (line(1, "spam").encode(), 0.5)
    turns(connector(store), OFFERS, judged)
    assert answers_of(judged) == {IDS[0]: "spam", IDS[1]: "spam"}
    assert sorted(row["line"] for row in reports(store, "b.jsonl")) == [1, 2, 3]


def test_a_file_that_contradicts_another_leaves_no_empty_report() -> None:
    store, judged = Memory(), judge()
    upload(store, "a.jsonl", line(0, "ham"))
    upload(store, "b.jsonl", line(0, "spam"))
    turns(connector(store), OFFERS, judged)
    assert len([key for key in store.objects if "/reports/" in key]) == 2


def test_a_good_answer_after_a_bad_one_is_taken() -> None:
    store, judged = Memory(), judge()
    upload(store, "a.jsonl", line(0, "eggs") + line(0, "spam"))
    turns(connector(store), OFFERS, judged)
    assert answers_of(judged) == {IDS[0]: "spam"}
    assert [row["result"] for row in reports(store, "a.jsonl")] == ["rejected", "accepted"]


def test_the_later_file_is_the_newer_answer_whatever_its_name() -> None:
    store, judged = Memory(), judge()
    upload(store, "z.jsonl", line(0, "ham"))
    upload(store, "a.jsonl", line(0, "spam"))
    turns(connector(store), OFFERS, judged)
    assert answers_of(judged) == {IDS[0]: "spam"}


def test_an_answer_that_changes_without_end_comes_to_one() -> None:
    store, judged = Memory(), judge()
    upload(store, "a.jsonl", "".join(line(0, label) for label in ["ham", "spam"] * 100))
    assert turns(connector(store), OFFERS, judged) == 200
    assert known_of(judged)[0].revision == spans.MAX_WAVES
    found = Counter(row["result"] for row in reports(store, "a.jsonl"))
    assert found == {"accepted": 1, "corrected": spans.MAX_WAVES - 1, "rejected": 200 - spans.MAX_WAVES}


def test_two_workers_on_one_file_take_each_answer_once() -> None:
    store, judged = Memory(), judge()
    upload(store, "a.jsonl", "".join(line(task, "ham") for task in range(5)) + "{broken\n")
    one, two = connector(store), connector(store)
    first, second = one.fetch(OFFERS, [], {}), two.fetch(OFFERS, [], {})
    assert first == second
    verdicts = judged.judge(first), judged.judge(second)
    one.acknowledge(first, verdicts[0])
    two.acknowledge(second, verdicts[1])
    assert len(judged.known) == 5
    assert [row["result"] for row in reports(store, "a.jsonl")] == ["accepted"] * 5 + ["rejected"]


def test_a_file_that_is_replaced_while_it_is_read_is_left_to_the_next_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, judged = Memory(), judge()
    upload(store, "a.jsonl", line(0, "ham"))
    upload(store, "b.jsonl", line(1, "ham"))
    real = Memory.open

    def replaced(self: Memory, uri: str, *, etag: str | None = None) -> Any:
        if uri.endswith("a.jsonl"):
            raise PoolChanged(uri)
        return real(self, uri, etag=etag)

    monkeypatch.setattr(Memory, "open", replaced)
    turns(connector(store), OFFERS, judged)
    assert set(answers_of(judged)) == {IDS[1]}
    monkeypatch.undo()
    turns(connector(store), OFFERS, judged)
    assert set(answers_of(judged)) == {IDS[0], IDS[1]}


@pytest.mark.parametrize(
    "name", [".a.jsonl", "_tmp/a.jsonl", "a.jsonl.part", "a.txt", "a.json", "x/annotations/worker.json"]
)
def test_names_that_are_no_answers_are_passed_over(name: str) -> None:
    store = Memory()
    upload(store, name, line(0, "ham"))
    assert connector(store).fetch(OFFERS, [], {}).rows == ()


def test_the_report_sums_up_says_why_and_ends_with_the_last_part() -> None:
    store, judged = Memory(), judge()
    upload(store, "deep/er/a.jsonl", line(0, "ham") + "\n{\n" + line(1, "eggs") + line(2, "spam"))
    turns(connector(store, portion=3), OFFERS, judged)
    parts = {
        key.rpartition(".results")[2]: store.objects[key][0] for key in store.objects if "/reports/" in key
    }
    assert sorted(parts) == [".00001.jsonl", ".jsonl"]
    first, *rows = (json.loads(one) for one in parts[".00001.jsonl"].splitlines())
    assert (first["complete"], first["results"]) == (False, {"accepted": 1, "rejected": 2})
    assert first["codes"] == {"NOT_JSON": 1, "LABEL_NOT_IN_SCHEMA": 1}
    assert [(row["line"], row["result"], row.get("code")) for row in rows] == [
        (1, "accepted", None), (3, "rejected", "NOT_JSON"), (4, "rejected", "LABEL_NOT_IN_SCHEMA"),
    ]  # fmt: skip
    assert rows[2]["field"] == "label"
    assert all(row["reason"] for row in rows[1:])
    last = json.loads(parts[".jsonl"].splitlines()[0])
    assert (last["complete"], last["so_far"]["rows"]) == (True, 4)
    assert last["so_far"]["results"] == {"accepted": 2, "rejected": 2}


def test_a_file_without_rows_is_reported_as_read() -> None:
    store = Memory()
    upload(store, "a.jsonl", "\n\n")
    turns(connector(store), OFFERS, judge())
    assert any(key.endswith(".results.jsonl") for key in store.objects)


def test_a_broken_row_is_handed_in_too_so_that_it_is_kept_and_counted() -> None:
    store = Memory()
    upload(store, "a.jsonl", "{broken\n")
    (row,) = connector(store).fetch(OFFERS, [], {}).rows
    assert isinstance(row, Row)
    assert (row.assignment_id, row.place) == ("", "a.jsonl:1")
    assert (row.comment or "").startswith("NOT_JSON: ")


def test_verdicts_must_belong_to_what_was_fetched() -> None:
    store = Memory()
    upload(store, "a.jsonl", line(0, "ham"))
    made = connector(store)
    with pytest.raises(UsageError, match="one verdict for each"):
        made.acknowledge(made.fetch(OFFERS, [], {}), [])
