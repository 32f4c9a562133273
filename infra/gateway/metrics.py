"""Figures for Prometheus: those of this process, and those of the queue."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FRESH_SECONDS = 10.0
HELP = {
    "tasks_ready": "Tasks that are free to be leased",
    "tasks_leased": "Tasks that a vendor holds",
    "tasks_lapsed": "Tasks whose lease has lapsed and that no sweep has freed yet",
    "webhooks_disabled": "Webhooks that nothing is sent to any more",
    "deliveries_pending": "Webhook deliveries to be sent",
    "deliveries_dead": "Webhook deliveries that were given up",
    "oldest_delivery_seconds": "Age of the oldest event that is still to be sent",
}


class Metrics:
    """Counts of this process; safe to share between threads."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: Counter[tuple[str, float]] = Counter()
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._tries: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._figures: dict[str, float] = {}
        self._read_at = -FRESH_SECONDS

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        with self._lock:
            self._requests[(method if method.isalpha() and len(method) < 10 else "OTHER", route, status)] += 1
            self._sums[route] += seconds
            for limit in BUCKETS:
                if seconds <= limit:
                    self._seconds[(route, limit)] += 1

    def count_try(self, outcome: str) -> None:
        """Count a try to deliver a webhook: sent, failed or gone."""
        with self._lock:
            self._tries[outcome] += 1

    def page(self, read: Callable[[], str]) -> str:
        """Write all in Prometheus' text format.

        Parameters
        ----------
        read
            Reads the queue's figures as JSON; asked every ten seconds at most, for it counts rows.
        """
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            self._figures = json.loads(read())
            self._read_at = time.monotonic()
        with self._lock:
            return "\n".join([*self._own(), *self._queue(), ""])

    def _own(self) -> Iterator[str]:
        yield "# HELP labelrounds_gateway_requests_total Requests that were answered"
        yield "# TYPE labelrounds_gateway_requests_total counter"
        for (method, route, status), n in sorted(self._requests.items()):
            labels = f'method="{method}",route="{route}",status="{status}"'
            yield f"labelrounds_gateway_requests_total{{{labels}}} {n}"
        yield "# HELP labelrounds_gateway_request_seconds Time until a request was answered"
        yield "# TYPE labelrounds_gateway_request_seconds histogram"
        totals: Counter[str] = Counter()
        for (_, route, _), n in self._requests.items():
            totals[route] += n
        for route, total in sorted(totals.items()):
            name = "labelrounds_gateway_request_seconds"
            for limit in BUCKETS:
                yield f'{name}_bucket{{route="{route}",le="{limit:g}"}} {self._seconds[(route, limit)]}'
            yield f'{name}_bucket{{route="{route}",le="+Inf"}} {total}'
            yield f'{name}_sum{{route="{route}"}} {self._sums[route]:.6f}'
            yield f'{name}_count{{route="{route}"}} {total}'
        yield "# HELP labelrounds_gateway_webhook_tries_total Tries to deliver a webhook"
        yield "# TYPE labelrounds_gateway_webhook_tries_total counter"
        for outcome in ("sent", "failed", "gone"):
            yield f'labelrounds_gateway_webhook_tries_total{{outcome="{outcome}"}} {self._tries[outcome]}'

    def _queue(self) -> Iterator[str]:
        for name, text in HELP.items():
            yield f"# HELP labelrounds_{name} {text}"
            yield f"# TYPE labelrounds_{name} gauge"
            yield f"labelrounds_{name} {self._figures[name]}"
