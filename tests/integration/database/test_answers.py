"""Answers and their corrections: what becomes of every kind of row, alone and beside others."""

import json
import uuid

import psycopg2
import pytest

from infra.database import operations, queue, rounds, vendors
from infra.database.campaigns import Offer, register

TWO = {"acme": 10, "bolt": 10}


def new():
    return str(uuid.uuid4())


def said(rows):
    return [row["code"] or row["result"] for row in rows]


def row(task, label="ham", **more):
    return {"assignment_id": task["assignment_id"], "label": label, **more}


@pytest.fixture
def held(desk):
    """Ten tasks that acme holds."""
    desk.publish(desk.campaign(), 10)
    client = desk.client()
    return client, client.lease()


def test_the_response_counts_what_it_lists(desk, held):
    client, tasks = held
    request = new()
    body = [row(tasks[0]), row(tasks[0]), row(tasks[1], "eggs"), row(tasks[2], client_annotation_id="mine")]
    told = client.call("submit", request, json.dumps(body))
    counts = {key: told[key] for key in told if key not in ("rows", "submission_id")}
    assert counts == {
        "accepted": 2,
        "late_accepted": 0,
        "duplicates": 1,
        "corrected": 0,
        "surplus": 0,
        "rejected": 1,
    }
    assert [one["id"] for one in told["rows"]] == [*[tasks[n]["assignment_id"] for n in (0, 0, 1)], "mine"]
    assert [one["revision"] for one in told["rows"]] == [1, None, None, 1]
    assert told["rows"][2] == {
        "row": 2, "id": tasks[1]["assignment_id"], "assignment_id": tasks[1]["assignment_id"], "result": "rejected",
        "code": "LABEL_NOT_IN_SCHEMA", "field": "label", "annotation_id": None, "revision": None,
    }  # fmt: skip
    assert client.call("submit", request, json.dumps(body)) == told
    (reject,) = client.call("rejects")["rejects"]
    assert (reject["submission_id"], reject["row"], reject["raw"]) == (told["submission_id"], 2, body[2])
    assert client.call("rejects", reject["reject_id"])["rejects"] == []


def test_an_answer_without_a_label(desk, held):
    client, tasks = held
    for n, answer in enumerate(("skip", "unsure", "bad_item")):
        one, two = tasks[2 * n : 2 * n + 2]
        rows = [row(one, answer=answer), {"assignment_id": two["assignment_id"], "answer": answer}]
        assert said(client.submit(rows)) == ["accepted"] * 2
        assert said(client.submit([row(one, None, answer=answer)])) == ["duplicate"]
        other = "unsure" if answer == "skip" else "skip"
        assert said(client.submit([row(one, answer=other), row(one, "ham")])) == ["CONFLICT"] * 2
        stored = desk.run(
            "SELECT answer, label FROM labelrounds.annotations ORDER BY annotation_id DESC LIMIT 2"
        )
        assert stored == [(answer, None)] * 2


class TestNames:
    """`client_annotation_id` against what is stored, and rows of one call against each other."""

    def test_said_again_and_contradicted_later(self, held):
        client, (a, b, *_) = held
        assert said(client.submit([row(a, client_annotation_id="x")])) == ["accepted"]
        rows = [
            row(a, client_annotation_id="x"), row(a), row(a, client_annotation_id="y"),
            row(a, "spam", client_annotation_id="x"), row(a, "spam"), row(b, client_annotation_id="x"),
            row(b, client_annotation_id="y"),
        ]  # fmt: skip
        assert said(client.submit(rows)) == [
            "duplicate", "duplicate", "duplicate", "CONFLICT", "CONFLICT", "CONFLICT", "accepted",
        ]  # fmt: skip

    CASES = (
        ([(0, "ham", "x"), (0, "ham", "x")], ["accepted", "duplicate"]),
        ([(0, "ham", "x"), (0, "ham", "y")], ["accepted", "duplicate"]),
        ([(0, "ham", None), (0, "ham", "y")], ["accepted", "duplicate"]),
        ([(0, "ham", "x"), (0, "spam", "x")], ["accepted", "CONFLICT"]),
        ([(0, "ham", "x"), (0, "spam", "y")], ["accepted", "CONFLICT"]),
        ([(0, "ham", "x"), (1, "ham", "x")], ["accepted", "CONFLICT"]),
        # A row that is not kept stands in nobody's way: what it named is still to be had.
        ([(0, "ham", "x"), (1, "ham", "x"), (1, "ham", "y")], ["accepted", "CONFLICT", "accepted"]),
        ([(0, "ham", "x"), (1, "ham", "x"), (1, "spam", "y"), (1, "spam", "z")],
         ["accepted", "CONFLICT", "accepted", "duplicate"]),
        ([(0, "eggs", "x"), (0, "ham", "x")], ["LABEL_NOT_IN_SCHEMA", "accepted"]),
        ([(0, "eggs", "x"), (1, "ham", "x")], ["LABEL_NOT_IN_SCHEMA", "accepted"]),
        ([(0, "ham", "x"), (0, "eggs", "x"), (0, "ham", "x")], ["accepted", "LABEL_NOT_IN_SCHEMA", "duplicate"]),
        ([(0, "ham", "x"), (1, "ham", "y"), (0, "ham", "y"), (1, "ham", "x")],
         ["accepted", "accepted", "CONFLICT", "CONFLICT"]),
    )  # fmt: skip

    def test_in_one_call(self, desk):
        desk.publish(desk.campaign(), 2 * len(self.CASES))
        client = desk.client()
        tasks, before = client.lease(), 0
        for n, (rows, expected) in enumerate(self.CASES):
            body = [
                row(tasks[2 * n + which], label, client_annotation_id=name and f"{name}{n}")
                for which, label, name in rows
            ]
            assert said(client.submit(body)) == expected, rows
            before += expected.count("accepted")
            assert desk.one("SELECT count(*) FROM labelrounds.annotations") == before, rows

    def test_one_vendors_names_are_not_anothers(self, desk):
        desk.publish(desk.campaign(vendors=TWO), 1, overlap=2)
        for name in TWO:
            client = desk.client(name)
            assert said(client.submit([row(client.lease(1)[0], client_annotation_id="x")])) == ["accepted"]


class TestBadRows:
    """Each is told by code and field, kept as it came, and harms no row beside it."""

    CASES = (
        ("{}", "MISSING_FIELD", "assignment_id"),
        ('{"assignment_id": null, "label": "ham"}', "MISSING_FIELD", "assignment_id"),
        ('{"assignment_id": 7, "label": "ham"}', "BAD_TYPE", "assignment_id"),
        ('{"assignment_id": "x", "label": "ham"}', "UNKNOWN_ASSIGNMENT", "assignment_id"),
        ('{"assignment_id": "{A}"}', "MISSING_FIELD", "label"),
        ('{"assignment_id": "{A}", "label": null}', "MISSING_FIELD", "label"),
        ('{"assignment_id": "{A}", "label": "Ham"}', "LABEL_NOT_IN_SCHEMA", "label"),
        ('{"assignment_id": "{A}", "label": ["ham", "spam"]}', "BAD_TYPE", "label"),
        ('{"assignment_id": "{A}", "label": {"ham": 1}}', "LABEL_NOT_IN_SCHEMA", "label"),
        ('{GOOD, "answer": "maybe"}', "BAD_TYPE", "answer"),
        ('{GOOD, "answer": 1}', "BAD_TYPE", "answer"),
        ('{GOOD, "client_annotation_id": ""}', "MISSING_FIELD", "client_annotation_id"),
        ('{GOOD, "client_annotation_id": 1}', "BAD_TYPE", "client_annotation_id"),
        ('{GOOD, "client_annotation_id": "LONG"}', "TOO_LARGE", "client_annotation_id"),
        ('{GOOD, "annotator": "LONG"}', "TOO_LARGE", "annotator"),
        ('{GOOD, "annotator": ["jo"]}', "BAD_TYPE", "annotator"),
        ('{GOOD, "comment": "VERY LONG"}', "TOO_LARGE", "comment"),
        ('{GOOD, "confidence": 1.01}', "BAD_TYPE", "confidence"),
        ('{GOOD, "confidence": -1e400}', "BAD_TYPE", "confidence"),
        ('{GOOD, "confidence": "1"}', "BAD_TYPE", "confidence"),
        ('{GOOD, "started_at": "yesterday"}', "TIME_INVALID", "started_at"),
        ('{GOOD, "started_at": "2026-02-30T10:00:00Z"}', "TIME_INVALID", "started_at"),
        ('{GOOD, "started_at": "2026-01-01T10:00:00 Foo/Bar"}', "TIME_INVALID", "started_at"),
        ('{GOOD, "finished_at": "infinity"}', "TIME_INVALID", "finished_at"),
        ('{GOOD, "started_at": 5}', "BAD_TYPE", "started_at"),
        ('{GOOD, "started_at": "2026-01-01T10:00:01Z", '
         '"finished_at": "2026-01-01T10:00:00Z"}', "TIME_INVALID", "finished_at"),
        ('{GOOD, "schema_version": 2}', "SCHEMA_VERSION_MISMATCH", "schema_version"),
        ('{GOOD, "schema_version": 1.5}', "SCHEMA_VERSION_MISMATCH", "schema_version"),
        ('{GOOD, "schema_version": 1e400}', "SCHEMA_VERSION_MISMATCH", "schema_version"),
        ('{GOOD, "schema_version": "1"}', "BAD_TYPE", "schema_version"),
        ('{"assignment_id": "{A}", "label": "MEGABYTES"}', "LABEL_NOT_IN_SCHEMA", "label"),
        ('{"assignment_id": "{A}", "label": DEEP}', "BAD_TYPE", "label"),
        ("[[[[1]]]]", "BAD_TYPE", None),
        ('"text"', "BAD_TYPE", None),
        ("1e400", "BAD_TYPE", None),
    )  # fmt: skip

    def test_all_at_once_beside_good_ones(self, desk, held):
        client, (first, bad, last, *_) = held
        long = {
            "LONG": "x" * 201,
            "VERY LONG": "x" * 10_001,
            "MEGABYTES": "y" * 5_000_000,
            "DEEP": "[" * 500 + "]" * 500,
        }
        texts = []
        for text, _, _ in self.CASES:
            text = text.replace("{GOOD", '{"assignment_id": "{A}", "label": "ham"').replace(
                "{A}", bad["assignment_id"]
            )
            for name, value in long.items():
                text = text.replace(
                    f'"{name}"' if name != "DEEP" else name, json.dumps(value) if name != "DEEP" else value
                )
            texts.append(text)
        body = [json.dumps(row(first)), *texts, json.dumps(row(last))]
        told = client.call("submit", new(), f"[{','.join(body)}]")["rows"]
        assert [(one["code"], one["field"]) for one in told[1:-1]] == [
            (code, field) for _, code, field in self.CASES
        ]
        assert said([told[0], told[-1]]) == ["accepted"] * 2
        kept = dict(desk.run("SELECT row_no, raw = CAST(x.given AS jsonb) FROM labelrounds.rejects, "
                             "unnest(CAST(:given AS text[])) WITH ORDINALITY x (given, nth) WHERE nth = row_no",
                             given=texts))  # fmt: skip
        assert kept == dict.fromkeys(range(1, len(body) - 1), True)
        # What was refused can still be answered.
        assert said(client.submit([row(bad)])) == ["accepted"]

    ODD = (
        {"confidence": 1e-300}, {"confidence": 0}, {"confidence": 1.0}, {"comment": "x" * 10_000},
        {"annotator": "\U0001f600" * 200}, {"client_annotation_id": "\u202e\U0001f600" * 100},
        {"schema_version": 1}, {"schema_version": 1.0}, {"unknown": {"field": [1]}}, {"answer": None},
        {"started_at": "2026-01-01T10:00:00+05:45", "finished_at": "2026-01-01 10:00"},
        {"started_at": "1999-12-31T23:59:60Z"}, {"finished_at": "2999-01-01T00:00:00.123456Z"},
    )  # fmt: skip

    def test_what_is_odd_but_right(self, desk):
        desk.publish(desk.campaign(), len(self.ODD))
        client = desk.client()
        for task, more in zip(client.lease(), self.ODD, strict=True):
            assert said(client.submit([row(task, **more)])) == ["accepted"], more

    def test_a_confidence_that_no_float_can_hold(self, held):
        client, tasks = held
        for task, confidence in zip(tasks, ("1e-400", f"0.{'0' * 50}1"), strict=False):
            body = f'[{{"assignment_id": "{task["assignment_id"]}", "label": "ham", "confidence": {confidence}}}]'
            assert said(client.call("submit", new(), body)["rows"]) == ["accepted"]

    def test_what_is_no_json_to_postgres_is_refused_whole_as_bad_data(self, held):
        """A class-22 or 54 error is the caller's; whatever it sent with it, it can send again."""
        client, tasks = held
        texts = (
            '[{"label": "a\\u0000b"}]',
            '[{"label": "\\ud800"}]',
            "[NaN]",
            "[Infinity]",
            "[1e999999]",
            "[" * 100_000,
        )
        for text in texts:
            with pytest.raises(psycopg2.Error) as refused:
                client.call("submit", new(), text)
            assert refused.value.pgcode[:2] in ("22", "54"), text[:20]
        assert said(client.submit([row(tasks[0])])) == ["accepted"]

    def test_a_key_that_comes_twice_counts_as_it_is_said_last(self, held):
        client, tasks = held
        body = f'[{{"assignment_id": "{tasks[0]["assignment_id"]}", "label": "eggs", "label": "ham"}}]'
        assert said(client.call("submit", new(), body)["rows"]) == ["accepted"]

    def test_a_vendors_clock_changes_nothing(self, desk, held):
        client, tasks = held
        desk.lapse(tasks[:1])
        times = {"started_at": "2020-01-01T00:00:00Z", "finished_at": "2020-01-01T00:01:00Z"}
        assert said(client.submit([row(tasks[0], **times), row(tasks[1], **times)])) == [
            "late_accepted",
            "accepted",
        ]


class TestPeople:
    """`distinct_by: annotator`: each task of an item takes another person, of whatever vendor."""

    @pytest.fixture
    def tasks(self, desk):
        """Three tasks of one item, in acme's hands."""
        desk.publish(desk.campaign(vendors=TWO), ["a"], overlap=3, exclusive=False)
        client = desk.client()
        return client, [client.lease(1)[0] for _ in range(3)]

    def test_different_people_of_one_vendor(self, tasks):
        client, (a, b, c) = tasks
        rows = [row(a, annotator="jo"), row(b, "spam", annotator="al"), row(c, annotator="Jo")]
        assert said(client.submit(rows)) == ["accepted"] * 3

    def test_the_same_person_in_one_call_and_later(self, desk, tasks):
        client, (a, b, c) = tasks
        told = client.submit([row(a, annotator="jo"), row(b, annotator="jo"), row(b, annotator="al")])
        assert said(told) == ["accepted", "ANNOTATOR_REPEAT", "accepted"]
        assert told[1]["field"] == "annotator"
        assert said(client.submit([row(c, annotator="al"), row(a, annotator="jo")])) == [
            "ANNOTATOR_REPEAT",
            "duplicate",
        ]
        assert said(client.submit([row(c, annotator="cy")])) == ["accepted"]

    def test_a_row_that_is_said_again_does_not_use_the_person_up(self, tasks):
        client, (a, b, _) = tasks
        client.submit([row(a, annotator="al")])
        # Who is named in a repeated row is not looked at: the answer is al's.
        assert said(client.submit([row(a, annotator="jo"), row(b, annotator="jo")])) == [
            "duplicate",
            "accepted",
        ]

    def test_nobody_named(self, tasks):
        client, (a, b, _) = tasks
        told = client.submit([row(a), row(b, annotator="")])
        assert [(one["code"], one["field"]) for one in told] == [("MISSING_FIELD", "annotator")] * 2

    def test_people_of_two_vendors_may_have_one_name(self, desk, tasks):
        client, (a, _, c) = tasks
        of_c = "SELECT CAST(lease_id AS text) FROM labelrounds.assignments WHERE assignment_id = CAST(:a AS uuid)"
        client.call("release", new(), desk.one(of_c, a=c["assignment_id"]))
        bolt = desk.client("bolt")
        assert said(client.submit([row(a, annotator="jo")])) == ["accepted"]
        assert said(bolt.submit([row(bolt.lease(1)[0], annotator="jo")])) == ["accepted"]

    def test_late_answers_take_free_tasks_only(self, desk, tasks):
        client, (a, b, _) = tasks
        desk.lapse([a, b])
        queue.expire(desk.engine)
        (again,) = client.lease(1)
        told = said(
            client.submit([row(a, annotator="jo"), row(b, annotator="al"), row(again, annotator="cy")])
        )
        assert sorted(told) == ["accepted", "late_accepted", "surplus"]
        assert told[2] == "accepted"


class TestCorrect:
    @pytest.fixture
    def answered(self, desk, held):
        client, tasks = held
        rows = [row(task, client_annotation_id=f"c{n}") for n, task in enumerate(tasks[:3])]
        assert said(client.submit(rows)) == ["accepted"] * 3
        return client

    def test_a_correction_is_a_new_revision(self, desk, answered):
        change = {"client_annotation_id": "c0", "base_revision": 1, "label": "spam", "reason": "misread"}
        request = new()
        told = answered.call("correct", request, json.dumps([change]))
        assert (told["corrected"], told["rows"][0]["revision"]) == (1, 2)
        assert answered.call("correct", request, json.dumps([change])) == told
        assert said(answered.correct([change])) == ["duplicate"]
        assert desk.run(
            "SELECT revision, label, reason, disposition::text FROM labelrounds.annotations "
            "WHERE client_annotation_id = 'c0' ORDER BY revision"
        ) == [(1, "ham", None, "accepted"), (2, "spam", "misread", "accepted")]
        assert (
            desk.one("SELECT label FROM labelrounds.current_annotations WHERE client_annotation_id = 'c0'")
            == "spam"
        )
        assert desk.one("SELECT spent_micro FROM labelrounds.balances") == 30
        with pytest.raises(psycopg2.Error) as refused:
            answered.call("submit", request, json.dumps([change]))
        assert refused.value.pgcode == "LR409"

    def test_the_base_revision_is_the_lock(self, desk, answered):
        change = {"client_annotation_id": "c0", "reason": "r"}
        rows = [
            {**change, "base_revision": 1, "label": "spam"}, {**change, "base_revision": 1, "answer": "skip"},
            {**change, "base_revision": 2, "answer": "skip"}, {**change, "base_revision": 3, "label": "ham"},
            {**change, "base_revision": 9, "label": "spam"}, {**change, "base_revision": 0, "label": "spam"},
        ]  # fmt: skip
        told = answered.correct(rows)
        assert said(told) == [
            "corrected",
            "STALE_REVISION",
            "corrected",
            "corrected",
            "STALE_REVISION",
            "STALE_REVISION",
        ]
        assert [one["revision"] for one in told] == [2, 2, 3, 4, 4, 4]
        assert told[1]["field"] == "base_revision"

    def test_what_says_the_same_is_a_duplicate(self, answered):
        change = {"client_annotation_id": "c0", "base_revision": 1, "label": "ham", "reason": "r"}
        assert said(answered.correct([change, {**change, "label": ["ham"]}])) == ["duplicate"] * 2

    BAD = (
        ({"client_annotation_id": "x", "base_revision": 1, "label": "ham"},
         "UNKNOWN_ANNOTATION", "client_annotation_id"),
        ({"base_revision": 1, "label": "ham"}, "MISSING_FIELD", "client_annotation_id"),
        ({"client_annotation_id": "c0", "label": "ham"}, "MISSING_FIELD", "base_revision"),
        ({"client_annotation_id": "c0", "base_revision": "1", "label": "ham"}, "BAD_TYPE", "base_revision"),
        ({"client_annotation_id": "c0", "base_revision": 10**300, "label": "spam"}, "STALE_REVISION", "base_revision"),
        ({"client_annotation_id": "c0", "base_revision": 1}, "MISSING_FIELD", "label"),
        ({"client_annotation_id": "c0", "base_revision": 1, "label": "eggs"}, "LABEL_NOT_IN_SCHEMA", "label"),
        ({"client_annotation_id": "c0", "base_revision": 1, "answer": "maybe"}, "BAD_TYPE", "answer"),
        ({"client_annotation_id": "c0", "base_revision": 1, "reason": "x" * 10_001}, "TOO_LARGE", "reason"),
        ({"client_annotation_id": "c0", "base_revision": 1, "label": "spam", "reason": 5}, "BAD_TYPE", "reason"),
        (["c0"], "BAD_TYPE", None),
    )  # fmt: skip

    def test_bad_rows_beside_a_good_one(self, desk, answered):
        good = {"client_annotation_id": "c1", "base_revision": 1, "label": "spam"}
        told = answered.correct([*(change for change, _, _ in self.BAD), good])
        assert [(one["code"], one["field"]) for one in told[:-1]] == [
            (code, field) for _, code, field in self.BAD
        ]
        assert told[-1]["result"] == "corrected"
        kept = dict(desk.run("SELECT row_no, raw FROM labelrounds.rejects"))
        assert kept == {n: change for n, (change, _, _) in enumerate(self.BAD)}

    def test_another_vendors_answer_is_as_good_as_none(self, desk):
        desk.publish(desk.campaign(vendors=TWO), 1)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        acme.submit([row(acme.lease(1)[0], client_annotation_id="c0")])
        change = {"client_annotation_id": "c0", "base_revision": 1, "label": "spam"}
        assert said(bolt.correct([change])) == ["UNKNOWN_ANNOTATION"]

    def test_the_window_closes(self, desk):
        spec = desk.campaign().spec
        campaign = register(desk.engine, "spam", spec, "d", [Offer("acme", 10, 60, correction_seconds=1)])
        desk.publish(campaign, 1)
        client = desk.client()
        client.submit([row(client.lease(1)[0], client_annotation_id="c0")])
        change = {"client_annotation_id": "c0", "base_revision": 1, "label": "spam"}
        assert said(client.correct([change])) == ["corrected"]
        register(desk.engine, "spam", spec, "d", [Offer("acme", 10, 60, correction_seconds=0)])
        told = client.correct([{**change, "base_revision": 2, "label": "ham"}])
        assert said(told) == ["CORRECTION_CLOSED"]

    def test_it_stays_open_when_the_round_is_closed(self, desk, answered):
        round_ = rounds.find(desk.engine, 1)
        desk.let_due(round_)
        assert queue.withdraw_overdue(desk.engine, round_, 1.0)
        rounds.store(desk.engine, round_, "closed")
        change = {"client_annotation_id": "c0", "base_revision": 1, "label": "spam"}
        assert said(answered.correct([change])) == ["corrected"]

    def test_what_was_refused_cannot_be_mended(self, desk, answered):
        campaign_id = desk.one("SELECT campaign_id FROM labelrounds.campaigns")
        operations.rework(
            desk.engine, campaign_id, "acme", None, "wrong", refund=False, price_micro=10, money_micro=None
        )
        change = {"client_annotation_id": "c0", "base_revision": 1, "label": "spam"}
        assert said(answered.correct([change])) == ["CORRECTION_CLOSED"]

    def test_a_surplus_answer_stays_surplus(self, desk):
        desk.publish(desk.campaign(vendors=TWO), 1)
        acme, bolt = desk.client("acme"), desk.client("bolt")
        old = acme.lease()
        desk.lapse(old)
        queue.expire(desk.engine)
        bolt.answer(bolt.lease())
        assert said(acme.submit([row(old[0], client_annotation_id="late")])) == ["surplus"]
        change = {"client_annotation_id": "late", "base_revision": 1, "label": "spam"}
        assert said(acme.correct([change])) == ["corrected"]
        kept = "SELECT revision, disposition::text FROM labelrounds.annotations WHERE client_annotation_id = 'late'"
        assert sorted(desk.run(kept)) == [(1, "surplus"), (2, "surplus")]

    def test_what_was_said_in_any_revision_is_a_duplicate_when_it_is_handed_in_again(self, desk, answered):
        """A vendor that repeats an old submission under a new request undoes no correction."""
        change = {"client_annotation_id": "c0", "base_revision": 1, "label": "spam"}
        answered.correct([change])
        first = desk.one(
            "SELECT CAST(assignment_id AS text) FROM labelrounds.annotations WHERE client_annotation_id = 'c0' LIMIT 1"
        )
        rows = [
            {"assignment_id": first, "label": label, "client_annotation_id": "c0"}
            for label in ("ham", "spam")
        ]
        assert said(answered.submit(rows)) == ["duplicate"] * 2
        assert (
            desk.one("SELECT label FROM labelrounds.current_annotations WHERE client_annotation_id = 'c0'")
            == "spam"
        )


def test_what_a_suspended_vendor_sends_is_kept_and_not_counted(desk):
    desk.publish(desk.campaign(vendors=TWO), 4)
    acme = desk.client("acme")
    tasks = acme.lease()
    acme.submit([row(tasks[0])])
    vendors.suspend(desk.engine, "acme", "too many errors")
    rows = [row(tasks[0]), row(tasks[1]), row(tasks[1], "spam"), row(tasks[2], "eggs")]
    assert said(acme.submit(rows)) == ["duplicate", "surplus", "CONFLICT", "LABEL_NOT_IN_SCHEMA"]
    assert desk.one("SELECT spent_micro FROM labelrounds.balances") == 10
    lease = desk.one("SELECT CAST(lease_id AS text) FROM labelrounds.leases LIMIT 1")
    assert acme.call("release", new(), lease)["released"] == 0
    assert len(desk.client("bolt").lease()) == 3
