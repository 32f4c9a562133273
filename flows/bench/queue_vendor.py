"""A vendor as a process of its own, which may be killed at any moment: `python -m flows.bench.queue_vendor`.

It writes a journal. What it is about to send stands there before it is sent, and what it was told after it was told;
whoever takes the place of a killed one reads the journal and sends the same once more.
"""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CLASSES = ("ham", "spam")
GOING_AWAY = ("57P01", "57P02", "57P03", "08000", "08003", "08006", None)


class Vendor:
    """One vendor's work.

    Parameters
    ----------
    task
        ``url``, ``journal``, ``stop`` (a file: its being there ends the work), ``seed``, ``batch``, ``chaos``,
        ``lease_seconds``.
    """

    def __init__(self, task: dict[str, Any]) -> None:
        self.url, self.batch, self.chaos = task["url"], task["batch"], task["chaos"]
        self.journal, self.stop = Path(task["journal"]), Path(task["stop"])
        self.lease_seconds = task["lease_seconds"]
        self.rng = random.Random(task["seed"])
        self.file = self.journal.open("a", encoding="utf-8")
        self.connection: Any = None

    def work(self) -> None:
        """Send what may not have arrived, then lease and answer until the end."""
        for request, rows in unanswered(self.journal):
            self.submit(request, rows)
        while not self.stop.exists():
            if not self.turn():
                time.sleep(0.02 if self.chaos else 0.1)

    def turn(self) -> int:
        """Take one lease and hand it in; give the number of its tasks."""
        asked = self.rng.choice([1, 10, self.batch]) if self.chaos else self.batch
        request = str(uuid.uuid4())
        lease, seconds = self.call("lease", request, asked)
        tasks = lease["tasks"]
        if self.chaos and tasks and self.rng.random() < 0.1:
            again, _ = self.call("lease", request, asked)
            self.expect(again == lease, "a lease was answered in two ways")
        self.write(kind="lease", seconds=seconds, ids=[task["assignment_id"] for task in tasks])
        if not tasks or (self.chaos and self.dawdle(lease)):
            return len(tasks)
        rows = [{"assignment_id": task["assignment_id"], "label": self.rng.choice(CLASSES)} for task in tasks]
        if self.chaos and self.rng.random() < 0.2:
            rows += [{"assignment_id": tasks[0]["assignment_id"], "label": "eggs"}, {}, rows[0]]
        self.submit(str(uuid.uuid4()), rows)
        return len(tasks)

    def dawdle(self, lease: dict[str, Any]) -> bool:
        """Do what disorderly vendors do with a lease; give whether that was all."""
        habit = self.rng.random()
        if habit < 0.04:
            return True  # forgotten
        if habit < 0.08:
            self.call("release", str(uuid.uuid4()), lease["lease_id"])
            return True
        if habit < 0.12:
            self.call("extend", str(uuid.uuid4()), lease["lease_id"], self.lease_seconds)
        elif habit < 0.18:
            time.sleep(self.lease_seconds * 1.2)  # too late
        return False

    def submit(self, request: str, rows: list[dict[str, Any]]) -> None:
        """Hand rows in, once the journal has them; write what was told."""
        self.write(kind="intent", request=request, rows=rows)
        told, seconds = self.call("submit", request, json.dumps(rows))
        if self.chaos and self.rng.random() < 0.1:
            again, _ = self.call("submit", request, json.dumps(rows))
            self.expect(again == told, "a submission was answered in two ways")
        results = [[row["id"], row["result"]] for row in told["rows"]]
        self.expect(len(results) == len(rows), "not every row was answered")
        self.write(kind="told", request=request, seconds=seconds, at=time.time(), rows=results)

    def call(self, function: str, *arguments: Any) -> tuple[Any, float]:
        """Call the vendors' door until it answers; give the answer, and the seconds of the call that got it."""
        import psycopg2

        places = ", ".join(["%s"] * len(arguments))
        while True:
            begun = time.perf_counter()
            try:
                if self.connection is None:
                    self.connection = psycopg2.connect(self.url, connect_timeout=5)
                    self.connection.autocommit = True
                with self.connection.cursor() as cursor:
                    cursor.execute(f"SELECT vendor.{function}({places})", arguments)
                    return cursor.fetchone()[0], time.perf_counter() - begun
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                self.expect(error.pgcode in GOING_AWAY, f"{error.pgcode}: {error}")
                self.connection = None
                if self.stop.exists():
                    sys.exit(0)
                time.sleep(0.1)
            except psycopg2.Error as error:
                self.expect(False, f"{error.pgcode}: {error}")
                raise

    def expect(self, right: bool, what: str) -> None:
        """Write down what must never be."""
        if not right:
            self.write(kind="error", what=what)

    def write(self, **line: Any) -> None:
        """Add a line to the journal; what a killed process wrote stays."""
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()


def lines(journal: Path) -> Iterator[dict[str, Any]]:
    """Read a journal; the last line of one that was killed may be half a line, in its middle too."""
    if not journal.exists():
        return
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def unanswered(journal: Path) -> list[tuple[str, list[dict[str, Any]]]]:
    """Give what was about to be sent and was not seen to be answered."""
    sent = {}
    for line in lines(journal):
        if line["kind"] == "intent":
            sent[line["request"]] = line["rows"]
        elif line["kind"] == "told":
            sent.pop(line["request"], None)
    return list(sent.items())


if __name__ == "__main__":
    Vendor(json.load(sys.stdin)).work()
