"""The contract, check by check. Each returns a sentence, or raises Failed with what it found instead."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import requests

from flows.vendor.session import Session, expect

WANTED = 12
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def _wrong_key(session: Session) -> str:
    for key in ("lr_wrong", ""):
        _is_problem(session.ask("GET", "/v1/leases", key=key), 401, "UNAUTHORIZED")
    return "a key that is none is refused with 401"


def _lease(session: Session) -> str:
    session.lease = session.post(
        "/v1/leases", request_id=session.request, max=WANTED, campaign=session.campaign
    )
    tasks = session.lease["tasks"]
    expect(
        len(tasks) == WANTED,
        f"{len(tasks)} tasks of campaign {session.campaign} are free, {WANTED} are needed; "
        "`labelrounds vendor sandbox` publishes new ones",
    )
    expect(len({task["assignment_id"] for task in tasks}) == WANTED, "assignment ids repeat")
    expect(all(task["campaign"] == session.campaign for task in tasks), "a task is of another campaign")
    datetime.fromisoformat(session.lease["expires_at"])
    return f"{WANTED} tasks until {session.lease['expires_at']}"


def _lease_again(session: Session) -> str:
    again = session.post("/v1/leases", request_id=session.request, max=WANTED, campaign=session.campaign)
    ids = [[task["assignment_id"] for task in lease["tasks"]] for lease in (session.lease, again)]
    expect(ids[0] == ids[1] and again["lease_id"] == session.lease_id, "the tasks are others")
    return "the same request id gives the same tasks"


def _request_id_reused(session: Session) -> str:
    body = {"request_id": session.request, "max": WANTED + 1, "campaign": session.campaign}
    _is_problem(session.ask("POST", "/v1/leases", body=body), 409, "REQUEST_ID_REUSED")
    return "a request id with another body is refused with 409"


def _open_leases(session: Session) -> str:
    held = {one["lease_id"]: one["assignments"] for one in session.get("/v1/leases?open=1")["leases"]}
    mine = {task["assignment_id"] for task in session.tasks}
    expect(mine == set(held.get(session.lease_id, ())), "the lease is not listed with its tasks")
    return f"{len(mine)} open assignments are listed"


def _extend(session: Session) -> str:
    told = session.post(f"/v1/leases/{session.lease_id}/extend", ttl_s=60)
    expect(told["extended"] == WANTED, f"{told['extended']} of {WANTED} were extended")
    expect(
        datetime.fromisoformat(told["expires_at"]) >= datetime.fromisoformat(session.lease["expires_at"]),
        "the new deadline is before the old one",
    )
    return f"held until {told['expires_at']}"


def _schema(session: Session) -> str:
    named = session.tasks[0]["schema"]
    found = session.get(f"/v1/schema/{named['id']}/{named['version']}")
    expect(found["classes"] == session.tasks[0]["classes"], "its classes are not the task's")
    return f"schema {named['id']} {named['version']} has {len(found['classes'])} classes"


def _payload_urls(session: Session) -> str:
    reply = session.ask(
        "POST", "/v1/payload_urls", body={"assignment_ids": [session.tasks[0]["assignment_id"], UNKNOWN]}
    )
    expect(reply.status_code == 200, f"answered {reply.status_code}")
    found = [one["assignment_id"] for one in reply.json()["payloads"]]
    expect(found == [session.tasks[0]["assignment_id"]], f"answers for {found}")
    return "addresses are signed anew, for what is held alone"


def _submit_mixed_rows(session: Session) -> str:
    good = [_row(task) for task in session.tasks[:4]]
    bad: list[tuple[Any, str]] = [
        (_row(session.tasks[4]) | {"label": "no such class"}, "LABEL_NOT_IN_SCHEMA"),
        ({"assignment_id": UNKNOWN, "label": "x"}, "UNKNOWN_ASSIGNMENT"),
        ({"label": "x"}, "MISSING_FIELD"),
        (7, "BAD_TYPE"),
        (_row(session.tasks[5]) | {"finished_at": "yesterday"}, "TIME_INVALID"),
    ]
    rows = [*good[:2], *(row for row, _ in bad), *good[2:]]
    told = session.post("/v1/annotations", rows=rows)
    expect([row["row"] for row in told["rows"]] == list(range(len(rows))), "not one result for each row")
    found = [row["code"] or row["result"] for row in told["rows"]]
    wanted = ["accepted"] * 2 + [code for _, code in bad] + ["accepted"] * 2
    expect(found == wanted, f"got {found}, not {wanted}")
    session.answered = good
    return f"{len(good)} good rows are accepted beside {len(bad)} bad ones with their codes"


def _resubmit(session: Session) -> str:
    rows = [_row(task) for task in session.tasks[4:6]]
    body = {"request_id": str(uuid.uuid4()), "rows": rows}
    first, second = (session.ask("POST", "/v1/annotations", body=body) for _ in range(2))
    expect(first.status_code == second.status_code == 200, f"{first.status_code}, {second.status_code}")
    expect(first.content == second.content, "the two replies differ")
    session.answered += rows
    return "the same request gives the same bytes"


def _duplicates(session: Session) -> str:
    told = session.post("/v1/annotations", rows=session.answered)
    expect(told["duplicates"] == len(session.answered), f"{told['duplicates']} of {len(session.answered)}")
    return "the same rows under a new request id are duplicates"


def _conflict(session: Session) -> str:
    other = session.answered[0] | {"label": _label(session.tasks[0], other=True)}
    told = session.post("/v1/annotations", rows=[other])
    expect(told["rows"][0]["code"] == "CONFLICT", f"the row is {told['rows'][0]}")
    return "another label for what is answered is a CONFLICT, not an overwrite"


def _corrections(session: Session) -> str:
    change = {
        "client_annotation_id": session.answered[0]["client_annotation_id"], "base_revision": 1,
        "label": _label(session.tasks[0], other=True), "reason": "conformance",
    }  # fmt: skip
    first = session.post("/v1/corrections", rows=[change])["rows"][0]
    expect((first["result"], first["revision"]) == ("corrected", 2), f"the row is {first}")
    stale = session.post("/v1/corrections", rows=[change | {"label": _label(session.tasks[0])}])["rows"][0]
    expect(stale["code"] == "STALE_REVISION", f"a change of the old revision is {stale}")
    return "a correction is revision 2, and one of revision 1 is then stale"


def _rejects(session: Session) -> str:
    codes, after = set(), 0
    while page := session.get(f"/v1/rejects?after={after}")["rejects"]:
        codes |= {one["code"] for one in page}
        after = page[-1]["reject_id"]
    missing = {"LABEL_NOT_IN_SCHEMA", "UNKNOWN_ASSIGNMENT", "BAD_TYPE", "STALE_REVISION"} - codes
    expect(not missing, f"{', '.join(sorted(missing))} are not listed")
    return "rejected rows are kept and listed"


def _release(session: Session) -> str:
    given = [task["assignment_id"] for task in session.tasks[6:8]]
    told = session.post(f"/v1/leases/{session.lease_id}/release", assignment_ids=given, reason="conformance")
    expect(told["released"] == 2, f"{told['released']} of 2 were given back")
    return "2 tasks are given back"


def _fence(session: Session) -> str:
    told = session.post("/v1/annotations", rows=[_row(task) for task in session.tasks[6:8]])
    found = [row["result"] for row in told["rows"]]
    expect(set(found) <= {"late_accepted", "surplus"}, f"answers after release are {found}")
    return f"answers after release are kept as {' and '.join(sorted(set(found)))}"


def _unknown_lease(session: Session) -> str:
    for path in (f"/v1/leases/{UNKNOWN}/release", f"/v1/leases/{UNKNOWN}/extend"):
        _is_problem(session.ask("POST", path, body={"request_id": str(uuid.uuid4())}), 404, "NOT_FOUND")
    return "a lease that is not yours is 404, like one that does not exist"


def _events(session: Session) -> str:
    seen, after = [], 0
    while page := session.get(f"/v1/events?after={after}")["events"]:
        seen += page
        after = page[-1]["seq"]
    numbers = [one["seq"] for one in seen]
    expect(numbers == sorted(set(numbers)), "their numbers do not rise")
    expect(
        "annotation.rejected" in {one["type"] for one in seen}, "the rejected rows above are not among them"
    )
    return f"{len(seen)} events in order"


def _bad_bodies(session: Session) -> str:
    call = "/v1/annotations"
    _is_problem(session.ask("POST", call, raw=b"{"), 400, "NOT_JSON")
    _is_problem(session.ask("POST", call, raw=b"[]"), 400, "BAD_REQUEST")
    _is_problem(session.ask("POST", call, raw=b'{"rows": []}'), 400, "BAD_REQUEST")
    _is_problem(
        session.ask("POST", call, raw=b"x=1", kind="application/x-www-form-urlencoded"), 415, "NOT_JSON"
    )
    _is_problem(session.ask("POST", call, raw=b" " * (5 * 1024 * 1024 + 1)), 413, "TOO_LARGE")
    _is_problem(session.ask("GET", "/v1/nothing"), 404, "NOT_FOUND")
    _is_problem(session.ask("DELETE", "/v1/leases"), 405, "METHOD_NOT_ALLOWED")
    return "each is a problem document with its code"


def _report(session: Session) -> str:
    found = session.get("/v1/report")
    expect(found["answered"] >= len(session.answered), f"{found['answered']} answers are counted")
    return f"{found['answered']} answers, {found['on_time']} of them on time"


def _give_back_the_rest(session: Session) -> str:
    told = session.post(f"/v1/leases/{session.lease_id}/release")
    expect(told["released"] == WANTED - 8, f"{told['released']} of {WANTED - 8} were given back")
    return "what was not answered is given back"


CHECKS: tuple[Callable[[Session], str], ...] = (
    _wrong_key,
    _lease,
    _lease_again,
    _request_id_reused,
    _open_leases,
    _extend,
    _schema,
    _payload_urls,
    _submit_mixed_rows,
    _resubmit,
    _duplicates,
    _conflict,
    _corrections,
    _rejects,
    _release,
    _fence,
    _unknown_lease,
    _events,
    _bad_bodies,
    _report,
    _give_back_the_rest,
)


def _row(task: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "assignment_id": task["assignment_id"],
        "client_annotation_id": f"conformance-{task['assignment_id']}",
        "label": _label(task),
        "annotator": "conformance",
    }


def _label(task: Mapping[str, Any], other: bool = False) -> Any:
    name = task["classes"][1 if other else 0]
    return [name] if task["task"] == "multilabel" else name


def _is_problem(reply: requests.Response, status: int, code: str) -> None:
    where = f"{reply.request.method} {reply.request.path_url[:60]}"
    expect(reply.status_code == status, f"{where} answered {reply.status_code}, not {status}")
    kind = reply.headers.get("Content-Type", "")
    expect(kind.startswith("application/problem+json"), f"{where}: the error is {kind or 'untyped'}")
    document = reply.json()
    expect(document.get("code") == code, f"{where}: the code is {document.get('code')}, not {code}")
    expect({"type", "title", "status", "detail"} <= set(document), f"{where}: fields are missing")
