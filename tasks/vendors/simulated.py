"""A vendor for demos and tests: leases, thinks, errs, is late; all through its own database login."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import uuid
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extras

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
    late_rate
        Share of leases that are handed in only after `late_seconds`.
    late_seconds
        How late.
    batch
        Tasks taken at once.
    seed
        Decides which items are misread.
    """

    error_rate: float = 0.02
    late_rate: float = 0.0
    late_seconds: float = 1.0
    batch: int = 50
    seed: int = 0


@dataclass
class Tally:
    """What the vendor did so far: status of a submitted row -> how many."""

    rows: dict[str, int] = field(default_factory=dict)
    late_leases: int = 0


class SimulatedVendor:
    """Works through the queue like a company behind a database login.

    Parameters
    ----------
    url
        ``postgresql://role:password@host:port/database``, as `labelrounds vendor add` prints it.
    answer
        What is true of a payload; the vendor sees nothing else of an item.
    classes
        Of the campaign: from which a wrong answer is drawn.
    """

    def __init__(
        self, url: str, answer: Answer, classes: tuple[str, ...], habits: Habits, rng: np.random.Generator
    ) -> None:
        self.url, self.answer, self.classes, self.habits, self.rng = url, answer, classes, habits, rng
        self.tally = Tally()

    def work(self, stop: threading.Event, pause: float = 0.25) -> None:
        """Lease and answer until `stop` is set; an empty queue is asked again after `pause` seconds.

        A lost connection is made anew; the tasks of the lease in hand lapse and come back.
        """
        while not stop.is_set():
            try:
                self._shift(stop, pause)
            except psycopg2.OperationalError as error:
                log.warning("vendor: %s; connecting anew", str(error).strip())
                stop.wait(pause)

    def _shift(self, stop: threading.Event, pause: float) -> None:
        # `closing`, not the connection's own `with`: that one would make the whole shift one transaction.
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            while not stop.is_set():
                if self.turn(connection, stop) == 0:
                    stop.wait(pause)

    def turn(self, connection: Any, stop: threading.Event) -> int:
        """Take one lease and hand it in.

        Returns
        -------
        int
            Tasks in the lease.
        """
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute("SELECT * FROM vendor.lease(%s, %s)", (str(uuid.uuid4()), self.habits.batch))
            tasks = cursor.fetchall()
            if not tasks:
                return 0
            if self.rng.random() < self.habits.late_rate:
                self.tally.late_leases += 1
                stop.wait(self.habits.late_seconds)
            answers = [
                {"assignment_id": str(task["assignment_id"]), "label": self.label(task["payload"])}
                for task in tasks
            ]
            cursor.execute("SELECT vendor.submit(%s, %s) AS result", (str(uuid.uuid4()), json.dumps(answers)))
            for row in cursor.fetchone()["result"]:
                self.tally.rows[row["status"]] = self.tally.rows.get(row["status"], 0) + 1
        return len(tasks)

    def label(self, payload: Mapping[str, Any]) -> str | list[str]:
        """Answer one task; what is misread once is misread the same way again, whoever reads it."""
        truth = self.answer(payload)
        text = json.dumps(payload, sort_keys=True, default=str)
        seen = hashlib.blake2b(text.encode(), digest_size=8, salt=self.habits.seed.to_bytes(8, "big"))
        rng = np.random.default_rng(int.from_bytes(seen.digest(), "big"))
        if not isinstance(truth, str):
            wrong = rng.random(len(self.classes)) < self.habits.error_rate
            pairs = zip(self.classes, wrong, strict=True)
            return [name for name, misread in pairs if (name in truth) != misread]
        if rng.random() < self.habits.error_rate:
            return str(rng.choice([name for name in self.classes if name != truth]))
        return truth
