"""How far a simulation is, and how long it will take."""

from __future__ import annotations

import time
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from flows import console

_LINE_SECONDS = 15.0


class Display:
    """A bar on a terminal, a line now and then elsewhere; on stderr.

    Parameters
    ----------
    total
        Repeats of all arms.
    done
        How many of them an earlier run finished.
    """

    def __init__(self, total: int, done: int) -> None:
        self.total, self.before, self.done = total, done, done
        self._console = console.stderr()
        # The first campaign waits for processes to start, so the pace is that of those after it.
        self._first: float | None = None
        self._told = time.monotonic()
        columns = (TextColumn("campaigns"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(
            *columns,
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, completed=done, left="")

    def __enter__(self) -> Display:
        if self.before:
            self._console.print(f"{self.before} of {self.total} campaigns were finished before")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """Count one campaign that is finished."""
        self.done += 1
        now = time.monotonic()
        self._first = self._first or now
        left = self._left(now - self._first)
        self._bar.update(self._task, completed=self.done, left=left)
        if not self._console.is_terminal and (now - self._told >= _LINE_SECONDS or self.done == self.total):
            self._told = now
            self._console.print(f"{self.done} of {self.total} campaigns, {left}")

    def _left(self, seconds: float) -> str:
        paced = self.done - self.before - 1
        if self.done == self.total:
            return "done"
        if not paced:
            return "time left not known yet"
        left = seconds / paced * (self.total - self.done)
        return f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left"
