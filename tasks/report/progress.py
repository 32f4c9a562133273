"""How far the scoring of the pool is, in Prefect."""

from __future__ import annotations

import logging
import time
from types import TracebackType
from uuid import UUID

from infra.database.rounds import Round

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 2.0


class ScoringProgress:
    """Shows in Prefect how much of the pool is scored; silent outside a flow run.

    A short scan ends before the first update, so it costs one artifact at most.

    Parameters
    ----------
    items
        Rows of the pool.
    """

    def __init__(self, items: int, round_: Round) -> None:
        self.items = max(items, 1)
        self.done = 0
        self._round = round_
        self._artifact: UUID | None = None
        self._shown = time.monotonic()

    def __enter__(self) -> ScoringProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._artifact is not None:
            self._show(100.0)

    def advance(self, rows: int) -> None:
        """Count rows that are scored."""
        self.done += rows
        if time.monotonic() - self._shown >= PROGRESS_SECONDS:
            self._shown = time.monotonic()
            self._show(100.0 * self.done / self.items)

    def _show(self, percent: float) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact
        from prefect.context import FlowRunContext

        log.info("scored %d of %d items", self.done, self.items)
        if FlowRunContext.get() is None:
            return
        if self._artifact is None:
            created = create_progress_artifact(percent, description=f"scoring round {self._round.number}")
            self._artifact = created if isinstance(created, UUID) else None
        else:
            update_progress_artifact(self._artifact, percent)


def artifact_key(campaign: str) -> str:
    """Give the key of a campaign's report in Prefect: its versions are the rounds."""
    return f"round-{campaign}"
