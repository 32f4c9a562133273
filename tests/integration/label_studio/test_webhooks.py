"""Webhooks: a hint that comes early, is missed without harm, and is believed of nobody else."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.vendors.label_studio.webhook import ACTIONS, Hint, read_event
from tests.integration.label_studio.conftest import Bench
from tests.integration.label_studio.desk import Desk
from tests.integration.label_studio.listener import listening

SECRET = "not-to-be-guessed"


def wait_for(hints: list[Hint], kinds: list[str]) -> None:
    deadline = time.monotonic() + 10
    while [hint.kind for hint in hints] != kinds and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [hint.kind for hint in hints] == kinds


def test_the_server_calls_when_answers_change(bench: Bench, desk: Desk) -> None:
    hints: list[Hint] = []
    desk.add(["one", "two"])
    with listening(lambda body, headers: hints.append(read_event(body, headers, SECRET))) as url:
        for _ in range(2):
            bench.connector(webhook=url, secret=SECRET).offer(desk.held)
        project = bench.project["id"]
        (hook,) = bench.studio.api("GET", "/api/webhooks/", params={"project": project}).json()
        assert set(hook["actions"]) == set(ACTIONS)
        # Somebody's change that forgot the actions silenced it.
        path = f"/api/webhooks/{hook['id']}/"
        bench.studio.api("PATCH", path, params={"project": project}, json={"url": url, "project": project})
        bench.connector(webhook=url, secret=SECRET).offer(desk.held)
        one = bench.tasks()[0]["id"]
        annotation = bench.answer(one, "ham")
        bench.edit(annotation, ["spam"])
        bench.delete(annotation)
        wait_for(hints, ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"])
    assert {hint.project for hint in hints} == {project}


@pytest.mark.slow
def test_a_thousand_items_with_a_third_of_the_webhooks_dropped(bench: Bench, anna: str, ben: str) -> None:
    desk, rng, due = Desk(), random.Random(5), threading.Event()
    heard = {"all": 0, "dropped": 0, "edits": 0, "deletions": 0, "skips": 0, "looks": 0}

    def hear(body: bytes, headers: dict[str, str]) -> None:
        heard["all"] += 1
        if rng.random() < 0.3:
            heard["dropped"] += 1
            return
        read_event(body, headers, SECRET)
        due.set()

    with listening(hear) as url:
        desk.add([f"mail {n}" for n in range(1_000)])
        connector = bench.connector(webhook=url, secret=SECRET)
        start = time.monotonic()
        assert connector.offer(desk.held) == 1_000
        offered = time.monotonic() - start
        tasks = {task["data"]["text"]: task["id"] for task in bench.tasks()}
        wanted: dict[str, str] = {}

        def work(n: int) -> None:
            text, token = f"mail {n}", (anna, ben)[n % 2]
            label = "ham" if n % 3 else "spam"
            if n % 50 == 7:
                heard["skips"] += 1
                bench.answer(tasks[text], label, token, was_cancelled=True)
                return
            annotation = bench.answer(tasks[text], label, token)
            if n % 20 == 3:
                heard["edits"] += 1
                label = "spam" if label == "ham" else "ham"
                bench.edit(annotation, [label])
            if n % 100 == 11:
                heard["deletions"] += 1
                bench.delete(annotation)
                return
            wanted[text] = label

        start = time.monotonic()
        with ThreadPoolExecutor(4) as annotators:
            jobs = [annotators.submit(work, n) for n in range(1_000)]
            while not all(job.done() for job in jobs):
                due.wait(10)
                due.clear()
                heard["looks"] += 1
                desk.collect(connector)
            for job in jobs:
                job.result()
        annotated = time.monotonic() - start
        start = time.monotonic()
        desk.collect(connector)
        last = time.monotonic() - start
    texts = {offer.assignment_id: offer.payload["text"] for offer in desk.offers}
    got = {texts[one.assignment_id]: one.label for one in desk.known.values() if one.answer == "label"}
    lost = [text for text, label in wanted.items() if got.get(text) != label]
    print(
        f"\n1,000 offered in {offered:.1f} s, annotated in {annotated:.1f} s, last look {last:.1f} s, {heard}, "
        f"labels {len(got)}, wanted {len(wanted)}, lost {len(lost)}, surplus {len(desk.surplus)}, "
        f"rejected {len(desk.rejected)}"
    )
    assert heard["dropped"] > 200
    assert got == wanted
    assert not desk.surplus
    assert not desk.rejected
