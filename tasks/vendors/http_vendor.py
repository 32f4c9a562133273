"""A vendor for demos and tests: leases over HTTP, thinks, errs, is late, vanishes, sends twice; forgets nothing.

What it is about to do stands in a journal before it is done. Killed at any moment and started again, it sends the
same request with the same id, and so gets the same tasks and the same answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import ServiceUnavailable
from tasks.vendors.http_client import GatewayClient

log = logging.getLogger(__name__)

Answer = Callable[[Mapping[str, Any]], str | Collection[str]]
"""Payload -> true class, or in a multilabel campaign the classes that the item has."""


@dataclass(frozen=True)
class Habits:
    """How a vendor works.

    Parameters
    ----------
    error_rate
        Share of answers that are another class, 0 to 1. Where an answer is a set: the share of the campaign's classes
        that it is wrong about, by naming what is not there or leaving out what is.
    class_error_rates
        Class to its own rate, instead of `error_rate`.
    seconds_per_task
        How long it thinks of one.
    late_rate, late_seconds
        Share of leases that are handed in only after so many seconds more.
    drop_rate
        Share of leases that it takes and never answers.
    duplicate_rate
        Share of submissions that it sends twice, half of them under a new request id.
    skip_rate
        Share of tasks that it skips.
    batch
        Tasks taken at once, at most 1,000.
    ttl_s
        Lease time that it asks for; None is the campaign's.
    campaign
        The only one that it works for; None is any.
    seed
        Decides which items are misread.
    """

    error_rate: float = 0.02
    class_error_rates: Mapping[str, float] = field(default_factory=dict)
    seconds_per_task: float = 0.0
    late_rate: float = 0.0
    late_seconds: float = 1.0
    drop_rate: float = 0.0
    duplicate_rate: float = 0.0
    skip_rate: float = 0.0
    batch: int = 50
    ttl_s: int | None = None
    campaign: str | None = None
    seed: int = 0


@dataclass
class Tally:
    """What the vendor did so far.

    Attributes
    ----------
    rows
        Result, or code of a rejected row, -> how many.
    """

    rows: Counter[str] = field(default_factory=Counter)
    leases: int = 0
    late: int = 0
    dropped: int = 0
    sent_twice: int = 0
    resumed: int = 0


class Journal:
    """One step of work at a time, on disk before it is taken.

    Parameters
    ----------
    path
        None keeps it in memory, for vendors that are never killed.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._step: dict[str, Any] | None = None
        if path is not None and path.exists():
            self._step = json.loads(path.read_text(encoding="utf-8"))

    def open_step(self) -> dict[str, Any] | None:
        """Return the step that was begun and not ended."""
        return self._step

    def begin(self, step: dict[str, Any] | None) -> None:
        """Write down what comes next; None is nothing."""
        self._step = step
        if self.path is None:
            return
        part = self.path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(step, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)


class HttpVendor:
    """Works through the queue like a company that integrated the gateway.

    Parameters
    ----------
    answer
        What is true of a payload; the vendor sees nothing else of an item.
    rng
        Of its moods: when it is late, vanishes, repeats itself.
    """

    def __init__(
        self,
        client: GatewayClient,
        answer: Answer,
        habits: Habits,
        rng: np.random.Generator,
        journal: Path | None = None,
    ) -> None:
        self.client, self.answer, self.habits, self.rng = client, answer, habits, rng
        self.journal, self.tally = Journal(journal), Tally()

    def work(self, stop: threading.Event, pause: float = 0.25) -> None:
        """Lease and answer until `stop` is set; an empty queue is asked again after `pause` seconds.

        A gateway that is away is waited for.
        """
        while not stop.is_set():
            try:
                if self.turn(stop) == 0:
                    stop.wait(pause)
            except ServiceUnavailable as error:
                log.warning("vendor: %s; trying again", error)
                stop.wait(pause)

    def turn(self, stop: threading.Event) -> int:
        """Take one lease and hand it in, or go on with what a killed process had begun.

        Returns
        -------
        int
            Tasks in the lease.
        """
        step = self.journal.open_step()
        if step is not None:
            self.tally.resumed += 1
        else:
            step = {"do": "lease", "request_id": str(uuid.uuid4())}
            self.journal.begin(step)
        if step["do"] == "lease":
            rows = self._lease(step["request_id"], stop)
            if not rows:
                self.journal.begin(None)
                return 0
            step = {"do": "submit", "request_id": str(uuid.uuid4()), "rows": rows}
            self.journal.begin(step)
        self._submit(step["request_id"], step["rows"])
        self.journal.begin(None)
        return len(step["rows"])

    def _lease(self, request_id: str, stop: threading.Event) -> list[dict[str, Any]]:
        habits = self.habits
        lease = self.client.lease(
            habits.batch, ttl_s=habits.ttl_s, campaign=habits.campaign, request_id=request_id
        )
        tasks = lease["tasks"]
        if not tasks:
            return []
        self.tally.leases += 1
        if self.rng.random() < habits.drop_rate:
            self.tally.dropped += 1
            return []
        stop.wait(habits.seconds_per_task * len(tasks))
        if self.rng.random() < habits.late_rate:
            self.tally.late += 1
            stop.wait(habits.late_seconds)
        return [self.row(task) for task in tasks]

    def _submit(self, request_id: str, rows: Sequence[Any]) -> None:
        told = self.client.submit(rows, request_id=request_id)
        self.tally.rows.update(row["code"] or row["result"] for row in told["rows"])
        if self.rng.random() < self.habits.duplicate_rate:
            self.tally.sent_twice += 1
            again = request_id if self.rng.random() < 0.5 else str(uuid.uuid4())
            self.client.submit(rows, request_id=again)

    def row(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one task; what is misread once is misread the same way again, whoever reads it."""
        rng = _luck(task["payload"], self.habits.seed)
        row = {"assignment_id": task["assignment_id"], "annotator": f"sim-{self.habits.seed}"}
        if rng.random() < self.habits.skip_rate:
            return row | {"answer": "skip"}
        return row | {"label": self._label(task, rng)}

    def _label(self, task: Mapping[str, Any], rng: np.random.Generator) -> str | list[str]:
        truth, classes = self.answer(task["payload"]), task["classes"]
        if not isinstance(truth, str):
            return [name for name in classes if (name in truth) != (rng.random() < self._rate(name))]
        if rng.random() < self._rate(truth):
            return str(rng.choice([name for name in classes if name != truth]))
        return truth

    def _rate(self, name: str) -> float:
        return self.habits.class_error_rates.get(name, self.habits.error_rate)


def _luck(payload: Mapping[str, Any], seed: int) -> np.random.Generator:
    text = json.dumps(payload, sort_keys=True, default=str)
    seen = hashlib.blake2b(text.encode(), digest_size=8, salt=seed.to_bytes(8, "big"))
    return np.random.default_rng(int.from_bytes(seen.digest(), "big"))
