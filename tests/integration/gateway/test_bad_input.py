"""Whatever is sent: a bad row gets its code, the good ones beside it go in, and nothing is a fault of ours."""

import json
import random
import time
import uuid

import pytest

GOOD = "ham"
DEEP = "[" * 900 + "]" * 900
DEEPER = "[" * 30_000 + "]" * 30_000

# JSON texts of bad rows, with %s for an assignment that is held, and what becomes of them.
BAD_ROWS = {
    '{"assignment_id": "%s", "label": "ham\\u0000"}': ("BAD_TYPE", "LABEL_NOT_IN_SCHEMA"),
    '{"assignment_id": "%s", "label": "\\ud800"}': ("BAD_TYPE", "LABEL_NOT_IN_SCHEMA"),
    '{"assignment_id": "%s", "label": "ham", "comment": "\\udfff\\ud800"}': ("BAD_TYPE",),
    '{"assignment_id": "%s", "label": "ham", "label": "spam"}': ("BAD_TYPE", "LABEL_NOT_IN_SCHEMA"),
    '{"assignment_id": "%s", "label": NaN}': ("BAD_TYPE", "LABEL_NOT_IN_SCHEMA"),
    '{"assignment_id": "%s", "label": "ham", "confidence": 1e400}': ("BAD_TYPE",),
    '{"assignment_id": "%s", "label": "ham", "confidence": -Infinity}': ("BAD_TYPE",),
    '{"assignment_id": "%s", "label": "ham", "confidence": 1.5}': ("BAD_TYPE",),
    '{"assignment_id": "%s", "label": 1%s}'.replace("1%s", "1" * 5000): ("BAD_TYPE", "LABEL_NOT_IN_SCHEMA"),
    '{"assignment_id": "%s", "label": ' + DEEP + "}": ("BAD_TYPE", "LABEL_NOT_IN_SCHEMA"),
    '{"assignment_id": "%s", "label": {"a": 1}}': ("BAD_TYPE", "LABEL_NOT_IN_SCHEMA"),
    '{"assignment_id": "%s", "label": "' + "x" * 1_000_000 + '"}': ("TOO_LARGE", "LABEL_NOT_IN_SCHEMA"),
    '{"assignment_id": "%s", "label": "ham", "annotator": "' + "x" * 1_000_000 + '"}': ("TOO_LARGE",),
    '{"assignment_id": "%s", "label": "ham", "schema_version": 99}': ("SCHEMA_VERSION_MISMATCH",),
    '{"assignment_id": "%s", "label": "ham", "started_at": "9999999-01-01"}': ("TIME_INVALID",),
    '{"assignment_id": "%s", "label": "ham", "finished_at": 7}': ("BAD_TYPE", "TIME_INVALID"),
    '{"assignment_id": "%s", "answer": "dunno"}': ("BAD_TYPE",),
    '{"assignment_id": "%s"}': ("MISSING_FIELD",),
    '{"assignment_id": {"a": "%s"}, "label": "ham"}': ("BAD_TYPE", "UNKNOWN_ASSIGNMENT"),
    '{"assignment_id": "\\u0000%s", "label": "ham"}': ("BAD_TYPE", "UNKNOWN_ASSIGNMENT"),
    '{"label": "ham"}': ("MISSING_FIELD",),
    "null": ("BAD_TYPE",), "7": ("BAD_TYPE",), '"x"': ("BAD_TYPE",), "[]": ("BAD_TYPE",), "[[]]": ("BAD_TYPE",),
    "{}": ("MISSING_FIELD",), DEEPER: ("BAD_TYPE",),
    # Their place holders are objects.
    "1e400": ("MISSING_FIELD",), '"\\u0000"': ("MISSING_FIELD",),
}  # fmt: skip

# Rows that are good, however odd.
GOOD_ROWS = (
    '{"assignment_id": "%s", "label": "ham"}',
    '{"assignment_id": "%s", "label": "ham", "label": "ham"}',
    '{"assignment_id": "%s", "label": "ham", "confidence": 1e-400}',
    '{"assignment_id": "%s", "label": "ham", "confidence": 1e-60}',
    '{"assignment_id": "%s", "label": "ham", "confidence": 0.99999999999999999999999999999999999999}',
    '{"assignment_id": "%s", "label": "ham", "ours": "\\u0000", "\\ud800": 1, "deep": ' + DEEP + "}",
    '{"assignment_id": "%s", "label": "ham", "started_at": "1970-01-01T00:00:00Z"}',
    '{"assignment_id": "%s", "answer": "skip", "label": {"odd": 1}}',
    '{"assignment_id": "%s", "label": "ham", "comment": "\\ud83d\\ude00 \\u2028"}',
)


def upper(task):
    return task["assignment_id"].upper()


def test_a_bad_row_keeps_no_good_one_out(house):
    number = len(BAD_ROWS) + len(GOOD_ROWS)
    house.desk.publish(house.desk.campaign(), number)
    acme = house.vendor()
    tasks = acme.lease(number)["tasks"]
    texts = [*BAD_ROWS, *GOOD_ROWS]
    # A vendor may write its ids in capitals.
    rows = [text.replace("%s", upper(task)) for text, task in zip(texts, tasks, strict=True)]
    order = random.Random(3).sample(range(number), number)
    body = f'{{"request_id": "{uuid.uuid4()}", "rows": [{",".join(rows[n] for n in order)}]}}'
    reply = acme.ask("POST", "/v1/annotations", data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 200, reply.text[:1000]
    told = reply.json()
    for place, n in enumerate(order):
        row = told["rows"][place]
        if n < len(BAD_ROWS):
            assert row["code"] in BAD_ROWS[texts[n]], (texts[n][:200], row)
        else:
            assert row["result"] == "accepted", (texts[n][:200], row)
    assert (told["accepted"], told["rejected"]) == (len(GOOD_ROWS), len(BAD_ROWS))
    kept, after = [], 0
    while page := acme.ask("GET", f"/v1/rejects?limit=7&after={after}").json()["rejects"]:
        kept += page
        after = kept[-1]["reject_id"]
    assert [row["row"] for row in kept] == [p for p, n in enumerate(order) if n < len(BAD_ROWS)]
    assert any("not_storable" in json.dumps(row["raw"]) for row in kept)
    again = acme.ask("POST", "/v1/annotations", data=body, headers={"Content-Type": "application/json"})
    assert again.content == reply.content


REQUEST = f'"request_id": "{uuid.uuid4()}"'
BODIES = {
    b"": 400,
    b"{": 400,
    b"\xff\xfe": 400,
    b"\xef\xbb\xbf{}": 400,
    b"[]": 400,
    b"null": 400,
    b'"x"': 400,
    b'{"rows": [{}]}': 400,
    b'{"request_id": 7, "rows": [{}]}': 400,
    b'{"request_id": "x", "rows": [{}]}': 400,
    b'{"request_id": "\\u0000", "rows": [{}]}': 400,
    b'{"request_id": "\\ud800", "rows": [{}]}': 400,
    b'{"rows": [{}], "request_id": "' + str(uuid.uuid4()).encode() + b'", "request_id": "x"}': 400,
    f"{{{REQUEST}}}".encode(): 400,
    f'{{{REQUEST}, "rows": []}}'.encode(): 400,
    f'{{{REQUEST}, "rows": {{}}}}'.encode(): 400,
    f'{{{REQUEST}, "rows": [{{}}], "more": 1}}'.encode(): 400,
    f'{{{REQUEST}, "rows": [{",".join(["{}"] * 1001)}]}}'.encode(): 413,
    b"[" * 5_000_000: 400,
    b'{"a":' * 1_000_000: 400,
    b'"' * 3_000_000: 400,
    b" " * (5 * 1024 * 1024 + 1): 413,
}


def test_a_call_without_sense_is_refused_whole_and_fast(house):
    house.desk.campaign()
    acme = house.vendor()
    for body, status in BODIES.items():
        begun = time.monotonic()
        reply = acme.ask("POST", "/v1/annotations", data=body, headers={"Content-Type": "application/json"})
        assert (reply.status_code, body[:60]) == (status, body[:60]), reply.text[:300]
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert time.monotonic() - begun < 5
    assert house.desk.one("SELECT count(*) FROM labelrounds.submissions") == 0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/rejects?after=-1", 400),
        ("/v1/rejects?after=9223372036854775808", 400),
        ("/v1/rejects?after=9223372036854775807", 200),
        ("/v1/events?after=x", 400),
        ("/v1/events?limit=1001", 400),
        ("/v1/report?from=yesterday", 400),
        ("/v1/report?from=2026-01-01", 400),
        ("/v1/report?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z", 200),
        ("/v1/report?from=0001-01-01T00:00:00%2B14:00", 200),
        ("/v1/schema/spam/0", 400),
        ("/v1/schema/spam/99999999999", 400),
        ("/v1/schema/%00/1", 400),
        ("/v1/schema/other/1", 404),
        ("/v1/leases/not-a-uuid/release", 405),
        ("/v1/leases/", 404),
        ("/v1", 404),
        ("/%2e%2e/%00", 404),
    ],
)
def test_parameters(small, path, status):
    reply = small.ask("GET", path)
    assert reply.status_code == status, reply.text
    if status != 200:
        assert reply.headers["Content-Type"] == "application/problem+json"
