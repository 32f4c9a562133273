"""Typing `labelrounds` commands that can be killed: in children of a nursery, or as programs of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.end_to_end.crashes import writes

ROOT = Path(__file__).parents[3]
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    code
        Exit code; negative is the signal that killed it.
    writes
        What it wrote to S3, database and MLflow, in order; empty for a program of its own.
    """

    code: int
    out: str
    err: str
    writes: list[str]
    seconds: float

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def last_line(self) -> str:
        """What it said at the end on stderr."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


class Nursery:
    """Starts commands without the seconds that imports take. Used by one thread."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._number = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.crashes.nursery"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **ONE_THREAD, **environment, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert "ready" in self._hear()

    def start(self, *words: str, die_before: int | None = None, **environment: str) -> Child:
        """Start a command; with `die_before` it kills itself right before that write."""
        self._number += 1
        folder = self._folder / f"{self._number:04d}"
        folder.mkdir(parents=True)
        order = {"words": words, "folder": str(folder), "die_before": die_before, "environment": environment}
        return Child(self, self.ask({"start": order})["pid"], folder)

    def run(self, *words: str, die_before: int | None = None, **environment: str) -> Ended:
        """Run a command to its end."""
        return self.start(*words, die_before=die_before, **environment).wait()

    def ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._hear()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the nursery has ended"
        return json.loads(line)


class Child:
    """A command that runs in a forked process."""

    def __init__(self, nursery: Nursery, pid: int, folder: Path) -> None:
        self._nursery, self.pid, self._folder, self._begun = nursery, pid, folder, time.monotonic()

    def kill(self) -> Ended:
        """Send SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> Ended:
        """Wait for the end."""
        code = self._nursery.ask({"wait": self.pid})["code"]
        out, err = (self._folder / name for name in ("out", "err"))
        seconds = time.monotonic() - self._begun
        return Ended(
            code,
            out.read_text() if out.exists() else "",
            err.read_text() if err.exists() else "",
            writes.read(self._folder / "writes"),
            seconds,
        )


class Program:
    """The command as a program of its own, as people start it."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *words: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err, self._begun = folder / "out", folder / "err", time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("labelrounds")), *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT,
                env={**os.environ, **ONE_THREAD, **environment},
            )  # fmt: skip
        self.pid = self.process.pid

    def kill(self) -> Ended:
        """Send SIGKILL."""
        self.process.kill()
        return self.wait()

    def wait(self) -> Ended:
        """Wait for the end."""
        code = self.process.wait(180)
        return Ended(code, self._out.read_text(), self._err.read_text(), [], time.monotonic() - self._begun)
