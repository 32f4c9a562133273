"""Sends what is due, beside the API and beside other gateways."""

from __future__ import annotations

import json
import logging
import random
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from infra.gateway.desk import Desk
from infra.gateway.metrics import Metrics
from infra.gateway.webhooks.schedule import wait_seconds
from infra.gateway.webhooks.send import Sender
from infra.gateway.webhooks.sign import headers

log = logging.getLogger(__name__)

THREADS = 2
IDLE_SECONDS = 1.0
AT_MOST = 20
HOLD_SECONDS = 60
"""Longer than a try may take; renewed with each. A sender that dies lets go by it."""


class Dispatcher:
    """Threads that each take one webhook with something due, send its events in order, and let it go.

    Parameters
    ----------
    clock
        None: the database's own. Tests hand in another, to live through a day in a moment.
    rng
        Of the waits.
    """

    def __init__(
        self,
        desk: Desk,
        sender: Sender,
        rng: random.Random,
        *,
        metrics: Metrics | None = None,
        clock: Callable[[], datetime | None] = lambda: None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._desk, self._sender, self._rng = desk, sender, rng
        self._metrics, self._clock, self._idle = metrics or Metrics(), clock, idle_seconds
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to send."""
        for number in range(THREADS):
            thread = threading.Thread(target=self._work, name=f"webhooks-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, wait_seconds: float = 20.0) -> None:
        """End after the tries that are under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(wait_seconds)

    def turn(self) -> int:
        """Take one webhook and send what it has; up to the first failure, for what follows has to wait.

        Returns
        -------
        int
            Tries made; 0 when nothing was due.
        """
        holder = str(uuid.uuid4())
        values = {"holder": holder, "hold": HOLD_SECONDS, "at_most": AT_MOST, "moment": self._clock()}
        due = self._desk.rows("take_deliveries", values)
        made = 0
        for delivery in due:
            made += 1
            if not self._try(holder, delivery) or self._stop.is_set():
                break
        if due:
            self._desk.rows("let_go", {"holder": holder, "webhook_id": due[0].webhook_id})
        return made

    def _try(self, holder: str, delivery: Any) -> bool:
        """Send one event; whether the next one may follow."""
        now = self._clock() or datetime.now(UTC)
        body = body_of(delivery)
        signed = headers(delivery.secrets, str(delivery.id), int(now.timestamp()), body)
        about = {"Content-Type": "application/json", "User-Agent": "labelrounds-webhooks/1"}
        answer = self._sender.post(delivery.url, about | signed, body)
        self._metrics.count_try(answer.outcome)
        values = {
            "holder": holder,
            "webhook_id": delivery.webhook_id,
            "seq": delivery.seq,
            "outcome": answer.outcome,
            "wait": wait_seconds(delivery.tries, self._rng),
            "error": answer.error,
            "hold": HOLD_SECONDS,
            "moment": self._clock(),
        }
        ((settled,),) = self._desk.rows("settle_delivery", values)
        return bool(settled) and answer.outcome == "sent"

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                made = self.turn()
            except SQLAlchemyError as error:
                log.warning("webhooks: %s", str(error).splitlines()[0])
                made = 0
            except Exception:
                log.exception("webhooks: a turn failed")  # the thread lives on; the hold lapses by itself
                made = 0
            if made == 0:
                self._stop.wait(self._idle)


def body_of(delivery: Any) -> bytes:
    """Write an event as it is sent: the same bytes at every try."""
    event = {
        "type": delivery.kind,
        "timestamp": delivery.at.isoformat(),
        "id": str(delivery.id),
        "seq": delivery.seq,
        "data": json.loads(delivery.body),
    }
    return json.dumps(event, sort_keys=True).encode()
