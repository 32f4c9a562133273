"""A bad row never costs a good one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.vendors.connector import Row
from tasks.vendors.files.lines import MAX_LINE, read_lines
from tasks.vendors.files.problems import Problem
from tests.unit.vendors.files.test_formats import ONE, problem_of, read, row_of

GARBAGE = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b""))
COMMENT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
# What hurts parsers most, beside anything.
TRAPS = st.sampled_from(
    [
        b'"',
        b'",',
        b',"',
        b'a,"b',
        b'"a","b',
        b'x,ham,"',
        b"{",
        b'{"a":',
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
    ]
)


def ids(count: int) -> list[str]:
    return [str(uuid.UUID(int=number)) for number in range(1, count + 1)]


@given(st.lists(st.tuples(GARBAGE | TRAPS, COMMENT), max_size=8), st.sampled_from(["jsonl", "manifest"]))
def test_garbage_lines_cost_no_good_line_of_json(parts: list[tuple[bytes, str]], kind: str) -> None:
    good = ids(len(parts))
    lines = [b""]
    for one, (junk, comment) in zip(good, parts, strict=True):
        row = {"assignment_id": one, "label": "ham", "comment": comment}
        augmented = {"assignment_id": one, "k": 0, "k-metadata": {"class-name": "ham"}, "comment": comment}
        lines += [junk, json.dumps(augmented if kind == "manifest" else row, ensure_ascii=False).encode()]
    found = read(b"\n".join(lines), f"a.{kind}")
    assert [one.assignment_id for one in found if isinstance(one, Row) and one.assignment_id in good] == good


@given(st.lists(st.tuples(GARBAGE | TRAPS, COMMENT), max_size=8), st.booleans())
def test_garbage_lines_cost_no_good_row_of_csv(parts: list[tuple[bytes, str]], first: bool) -> None:
    good = ids(len(parts))
    data = b"assignment_id,label,comment\n" if first else b"comment,label,assignment_id\n"
    for one, (junk, comment) in zip(good, parts, strict=True):
        text = io.StringIO()
        comment = comment.replace("\r", "") if first else comment.replace("\r", "").replace("\n", "")
        csv.writer(text).writerow([one, "ham", comment] if first else [comment, "ham", one])
        data += junk + b"\n" + text.getvalue().encode()
    found = read(data, "a.csv")
    assert [one.assignment_id for one in found if isinstance(one, Row) and one.assignment_id in good] == good


@given(st.integers(0, 10), st.integers(0, 400), st.booleans(), st.sampled_from(["jsonl", "csv"]))
def test_of_a_file_that_breaks_off_all_whole_rows_are_read(
    rows: int, cut: int, packed: bool, kind: str
) -> None:
    lines = [
        json.dumps({"assignment_id": one, "label": "ham"}) if kind == "jsonl" else f"{one},ham,'x'"
        for one in ids(rows)
    ]
    head = ["assignment_id,label,comment"] if kind == "csv" else []
    data = "".join(line + "\n" for line in (*head, *lines)).encode()
    end = min(cut, len(data))
    whole = max(0, data[:end].count(b"\n") - len(head))
    part = data[:end] if not packed else gzip.compress(data[:end])[:-8]
    found = read(part, f"a.{kind}" + (".gz" if packed else ""))
    taken = [one.assignment_id for one in found if isinstance(one, Row)]
    assert taken[:whole] == ids(rows)[:whole]
    assert len(taken) <= whole + 1  # the last line may lack nothing but its end
    assert not packed or isinstance(found[-1], Problem)


BAD_LINES = [
    (b'{"assignment_id": "%s", "label": "ham"', "NOT_JSON"),
    (b'{"assignment_id": "%s", "label": "ham", "label": "spam"}', "NOT_JSON"),
    (b'{"assignment_id": "%s", "label": NaN}', "NOT_JSON"),
    (b'{"assignment_id": "%s", "confidence": Infinity}', "NOT_JSON"),
    (b'{"assignment_id": "%s", "confidence": 1e400}', "BAD_TYPE"),
    (b'{"assignment_id": "%s", "label": "\\u0000"}', "BAD_CHARACTER"),
    (b'{"assignment_id": "%s", "label": "\\ud800"}', "BAD_CHARACTER"),
    (b'{"assignment_id": "%s", "label": ["a", {"b": 1}]}', "BAD_TYPE"),
    (b'{"assignment_id": "%s", "label": {"a": 1}}', "BAD_TYPE"),
    (b'{"assignment_id": "%s", "label": "h\xe4m"}', "NOT_UTF8"),
    (b'{"assignment_id": 7, "label": "ham"}', "BAD_TYPE"),
    (b'{"assignment_id": "%s", "client_annotation_id": 7, "label": "ham"}', "BAD_TYPE"),
    (b'{"assignment_id": "%s", "answer": ["label"]}', "BAD_TYPE"),
    (b'{"label": "ham"}', "MISSING_FIELD"),
    (b'{"assignment_id": "", "label": "ham"}', "MISSING_FIELD"),
    (b'{"assignment_id": "%s", "comment": "' + b"x" * 17_000 + b'"}', "TOO_LARGE"),
    (b"[" * 100_000, "NOT_JSON"),
    (b"1" * 5_000, "NOT_JSON"),
    (b"[1]", "BAD_TYPE"),
    (b"null", "BAD_TYPE"),
    (b'"text"', "BAD_TYPE"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_has_a_code_and_its_neighbours_are_read(line: bytes, code: str) -> None:
    good = json.dumps({"assignment_id": ONE, "label": "ham"}).encode()
    before, bad, after = read(b"\n".join([good, line.replace(b"%s", ONE.encode()), good]), "a.jsonl")
    assert problem_of(bad).code == code
    assert row_of(before).label == row_of(after).label == "ham"


def test_wrong_types_that_the_database_can_judge_are_left_to_it() -> None:
    (row,) = read(json.dumps({"assignment_id": ONE, "label": 3, "confidence": "high"}), "a.jsonl")
    assert (row_of(row).label, row_of(row).confidence) == (3, "high")


BAD_ROWS = [
    (f"{ONE},ham", "COLUMNS"),
    (f"{ONE},ham,x,y", "COLUMNS"),
    (f'{ONE},"ham,x', "COLUMNS"),
    (f'{ONE},"ham"x,', "COLUMNS"),
    (f"{ONE},ham,\x00", "BAD_CHARACTER"),
    (",ham,x", "MISSING_FIELD"),
]


@pytest.mark.parametrize(("line", "code"), BAD_ROWS)
def test_a_bad_row_of_csv_has_a_code_and_its_neighbours_are_read(line: str, code: str) -> None:
    good = f"{ONE},ham,"
    before, bad, after = read("\n".join(["assignment_id,label,comment", good, line, good]), "a.csv")
    assert problem_of(bad).code == code
    assert row_of(before).label == row_of(after).label == "ham"


def test_what_excel_adds_at_the_end_of_a_table_is_no_row() -> None:
    assert len(read(f"assignment_id,label\n{ONE},ham\n,\n,\n\n", "a.csv")) == 1


@pytest.mark.parametrize("head", ["id,label", "assignment_id,text", "assignment_id,label,label", "\x00"])
def test_a_table_whose_first_line_names_nothing_is_one_problem(head: str) -> None:
    (found,) = read(f"{head}\n{ONE},ham\n{ONE},spam\n", "a.csv")
    assert problem_of(found).code in {"NOT_READABLE", "BAD_CHARACTER"}


@pytest.mark.parametrize("data", [b"PK\x03\x04rest\nof\nit", b"%PDF-1.7\n\n\n", b"PAR1\x00\n"])
def test_what_is_no_text_is_one_problem(data: bytes) -> None:
    (found,) = read(data, "a.jsonl")
    assert problem_of(found).code == "NOT_READABLE"


def test_a_huge_line_is_skipped_without_being_held() -> None:
    good = json.dumps({"assignment_id": ONE, "label": "ham"})
    first, huge, last = read(f"{good}\n{'x' * (3 * MAX_LINE)}\n{good}", "a.jsonl")
    assert problem_of(huge).code == "TOO_LARGE"
    assert row_of(first).place == "a.jsonl:1"
    assert row_of(last).place == "a.jsonl:3"


@given(st.lists(st.binary(max_size=20), max_size=12), st.integers(0, 12), st.booleans())
def test_lines_can_be_read_on_from_each_of_them(pieces: list[bytes], skip: int, packed: bool) -> None:
    data = b"{}" + b"\n".join(pieces)  # the first bytes say what a file is
    stored = gzip.compress(data) if packed else data
    lines = list(read_lines(io.BytesIO(stored)))
    rest = lines[skip:]
    if rest and rest[0].start > 0:
        again = list(read_lines(io.BytesIO(stored), rest[0].start, rest[0].number))
        assert again == rest
    for line in lines:
        assert data[line.start : line.start + len(line.data)] == line.data
        assert data[: line.start].count(b"\n") == line.number - 1
