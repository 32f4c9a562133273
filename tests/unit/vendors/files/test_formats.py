"""Texts survive each format, both ways."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.vendors.connector import Row
from tasks.vendors.files import batches
from tasks.vendors.files.options import FileOptions
from tasks.vendors.files.problems import Problem
from tasks.vendors.files.records import read_records
from tasks.vendors.testing import make_offers

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
LABEL = TEXT.filter(bool)
ONE = str(uuid.UUID(int=1))


def read(data: bytes | str, name: str, **more: Any) -> list[Row | Problem]:
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return [record.found for record in read_records(stream, name, **more)]


def row_of(found: Row | Problem) -> Row:
    assert isinstance(found, Row), found
    return found


def problem_of(found: Row | Problem) -> Problem:
    assert isinstance(found, Problem), found
    return found


@given(st.lists(st.dictionaries(st.sampled_from("abc"), TEXT, min_size=1), min_size=1, max_size=4))
def test_payloads_survive_json_lines_and_csv(payloads: list[dict[str, str]]) -> None:
    offers = [
        replace(offer, payload=payload)
        for offer, payload in zip(make_offers(len(payloads)), payloads, strict=True)
    ]
    lines = batches.encode(offers, FileOptions("s3://b/v")).decode("ascii").splitlines()
    assert [json.loads(line)["payload"] for line in lines] == payloads
    data = batches.encode(offers, FileOptions("s3://b/v", "csv")).decode()
    rows = list(csv.DictReader(io.StringIO(data, newline="")))
    found = [
        {name: row[f"payload.{name}"] for name in payload}
        for row, payload in zip(rows, payloads, strict=True)
    ]
    assert found == payloads
    ids = [offer.assignment_id for offer in offers]
    assert list(batches.ids_of_csv(io.BytesIO(data.encode()))) == ids
    assert list(batches.ids_of_json_lines(io.BytesIO("\n".join(lines).encode()))) == ids


@given(TEXT)
def test_payloads_survive_manifests(text: str) -> None:
    offer = replace(make_offers(1)[0], payload={"text": text, "subject": "about"})
    options = FileOptions("s3://b/v", "manifest", source="text")
    (line,) = batches.encode([offer], options).split(b"\n")[:-1]
    found = json.loads(line)
    assert (found["source"], found["payload"]) == (text, {"subject": "about"})
    linked = replace(offer, payload={"page": "s3://b/k.png"}, urls={"page": "https://signed"})
    assert (
        json.loads(batches.encode([linked], FileOptions("s3://b/v", "manifest")))["source-ref"]
        == "s3://b/k.png"
    )
    for source, payload in ((None, {"a": "", "b": ""}), ("c", {"a": ""})):
        with pytest.raises(UsageError, match=r"options\.source"):
            batches.encode([replace(offer, payload=payload)], replace(options, source=source))


@given(label=LABEL, comment=TEXT, annotator=TEXT, own=TEXT)
def test_answers_survive_json_lines_and_csv(label: str, comment: str, annotator: str, own: str) -> None:
    fields = {
        "assignment_id": ONE.upper(), "label": label, "comment": comment, "annotator": annotator,
        "client_annotation_id": own,
    }  # fmt: skip
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\r\n")
    writer.writeheader()
    writer.writerow(fields)
    (plain,) = read(json.dumps(fields), "a.jsonl")
    (raw,) = read(json.dumps(fields, ensure_ascii=False), "a.ndjson")
    (table,) = read(text.getvalue(), "a.CSV")
    found = row_of(plain)
    assert (found.assignment_id, found.label, found.comment) == (ONE, label, comment)
    assert (found.annotator, found.client_annotation_id) == (annotator, own or f"file:{ONE}")
    assert raw == replace(found, place="a.ndjson:1")
    # A cell has no way to say that it is an empty text.
    assert row_of(table) == replace(
        found, comment=comment or None, annotator=annotator or None, place=row_of(table).place
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_spreadsheets_write_is_read(delimiter: str, encoding: str, packed: bool) -> None:
    rows = [["assignment_id", "label", "comment"], [ONE, "Übel", 'a "b"; c,\td\nnext'], [ONE, "ham", ""]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    data = text.getvalue().encode(encoding)
    if encoding == "utf-16":
        assert data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    found = [row_of(one) for one in read(gzip.compress(data) if packed else data, "a.csv")]
    assert [(row.label, row.comment) for row in found] == [("Übel", rows[1][2]), ("ham", None)]


def test_a_set_is_a_list_or_parted_by_bars() -> None:
    head = "assignment_id,labels\n"
    (bars,) = read(f"{head}{ONE},a | b\n", "a.csv")
    (listed,) = read(f'{head}{ONE},"[""a"", ""b|c""]"\n', "a.csv")
    (none,) = read(f"{head}{ONE},[]\n", "a.csv")
    (lines,) = read(json.dumps({"assignment_id": ONE, "labels": ["a"]}), "a.jsonl")
    assert [row_of(one).label for one in (bars, listed, none, lines)] == [
        ("a", "b"),
        ("a", "b|c"),
        (),
        ("a",),
    ]


AUGMENTED = {
    "source": "text", "assignment_id": ONE, "sport": 0,
    "sport-metadata": {
        "class-name": "football", "confidence": 0.8, "type": "groundtruth/text-classification",
        "job-name": "identify-sport", "human-annotated": "yes", "creation-date": "2018-10-18T22:18:13.527256",
    },
}  # fmt: skip
SEVERAL = {
    "source-ref": "s3://b/k.jpg", "assignment_id": ONE, "kinds": [1, 0],
    "kinds-metadata": {
        "class-map": {"0": "person", "1": "bicycle"}, "confidence-map": {"0": 0.77, "1": 0.95},
        "type": "groundtruth/image-classification-multilabel", "job-name": "labeling-job/kinds",
        "human-annotated": "no", "creation-date": "2020-02-27T21:36:25.000201",
    },
}  # fmt: skip


def test_augmented_manifests_are_read() -> None:
    one, several = (
        row_of(found) for found in read(json.dumps(AUGMENTED) + "\n" + json.dumps(SEVERAL), "o.manifest")
    )
    assert (one.label, one.confidence, one.annotator) == ("football", 0.8, None)
    assert (one.finished_at, one.client_annotation_id) == ("2018-10-18T22:18:13.527256+00:00", f"file:{ONE}")
    assert (several.label, several.annotator, several.confidence) == (
        ("bicycle", "person"),
        "automated",
        None,
    )


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"sport-metadata": {"failure-reason": "ClientError"}}, "MISSING_FIELD", "ClientError"),
        ({"sport-metadata": {}}, "MISSING_FIELD", "class-name"),
        ({"sport-metadata": 3}, "MISSING_FIELD", "sport-metadata"),
        ({"other-metadata": {}}, "MISSING_FIELD", "sport, other"),
        ({"assignment_id": None}, "MISSING_FIELD", "assignment_id"),
        ({"sport-metadata": {"class-map": {}}}, "BAD_TYPE", "list"),
        ({"sport": [7], "sport-metadata": {"class-map": {"1": "a"}}}, "MISSING_FIELD", "7"),
    ],
)
def test_manifests_without_an_answer_say_why(change: dict[str, Any], code: str, reason: str) -> None:
    found = problem_of(read(json.dumps(AUGMENTED | change), "o.manifest")[0])
    assert found.code == code
    assert reason in found.reason


def test_the_label_attribute_picks_one_of_several() -> None:
    line = json.dumps(AUGMENTED | SEVERAL)
    assert row_of(read(line, "o.manifest", attribute="sport")[0]).label == "football"
    assert row_of(read(line, "o.manifest", attribute="kinds")[0]).label == ("bicycle", "person")
