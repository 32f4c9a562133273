"""The parent's side of the process that runs Python labeling functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.weak.wire import ConnectionEnded, NoAnswer, receive, send

Votes = NDArray[np.int16]

IMPORT_SECONDS = 60.0
"""To start Python and import a module; a function's own time begins after that."""
GRACE = 5.0
"""Seconds beyond its limit until a function is ended that lets nothing interrupt it."""
_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from tasks.weak.worker import main; main()"


@dataclass(frozen=True)
class Answer:
    """What a function said of some rows.

    Attributes
    ----------
    votes : int16 (n,)
        -1 = abstain, also where it failed.
    failures : tuple of (row, message)
        Rows on which it raised an exception or returned no class.
    fatal : str or None
        Why it cannot be asked again: out of time, or it ended the process.
    row : int or None
        Where that was.
    """

    votes: Votes
    failures: tuple[tuple[int, str], ...] = ()
    fatal: str | None = None
    row: int | None = None


class Process:
    """Runs labeling functions in another process, started when it is first needed and again after it was ended.

    Parameters
    ----------
    classes : sequence of str
    folder : path, optional
        Where relative module paths begin.
    """

    def __init__(self, classes: Sequence[str], folder: Path | None) -> None:
        self._hello = {
            "do": "open",
            "classes": list(classes),
            "folder": None if folder is None else str(folder.resolve()),
        }
        self._child: subprocess.Popen[bytes] | None = None
        self._imported: set[tuple[str, ...]] = set()

    def functions(self, module: str, wanted: Sequence[str]) -> tuple[list[str], str | None]:
        """Import a module; give the names of its labeling functions, or why there are none."""
        request = {
            "do": "list",
            "module": module,
            "functions": list(wanted),
            "seconds": IMPORT_SECONDS,
        }
        try:
            send(self._input(), request)
            reply, _ = receive(self._output(), IMPORT_SECONDS + GRACE)
        except ConnectionEnded:
            return [], f"{module} ended its process when it was imported ({self._end()})"
        except NoAnswer:
            self._end()
            return [], f"{module} took more than {IMPORT_SECONDS:g} s to import"
        self._imported.add((module, *wanted))
        return reply.get("functions", []), reply.get("error")

    def ask(self, tasks: Sequence[dict[str, Any]], table: pa.Table) -> list[Answer]:
        """Ask functions about rows, one after the other.

        Parameters
        ----------
        tasks : sequence of dict
            With ``seconds`` and either ``module``, ``functions`` and ``function``, or ``conditions``.
        table : pyarrow.Table (n rows)

        Returns
        -------
        list of Answer
            One a task.
        """
        answers: list[Answer] = []
        while len(answers) < len(tasks):  # once, and again after each function that ended the process
            rest = tasks[len(answers) :]
            for task in rest:
                if "module" in task and (task["module"], *task["functions"]) not in self._imported:
                    self.functions(task["module"], task["functions"])
            answers += self._ask(rest, table)
        return answers

    def _ask(self, tasks: Sequence[dict[str, Any]], table: pa.Table) -> list[Answer]:
        answers: list[Answer] = []
        nothing = np.full(table.num_rows, -1, np.int16)
        try:
            send(self._input(), {"do": "vote", "tasks": list(tasks)}, _stream(table))
            for task in tasks:
                reply, data = receive(self._output(), task["seconds"] + GRACE)
                failures = tuple((int(row), str(message)) for row, message in reply["failures"])
                votes = nothing if reply["fatal"] else np.frombuffer(data, np.int16)
                answers.append(Answer(votes, failures, reply["fatal"], reply["row"]))
        except ConnectionEnded:
            answers.append(Answer(nothing, fatal=f"ended its process ({self._end()})"))
        except NoAnswer:
            self._end()
            limit = tasks[len(answers)]["seconds"]
            answers.append(Answer(nothing, fatal=f"took more than {limit:g} s for {table.num_rows} rows"))
        return answers

    def close(self) -> None:
        """End the process."""
        self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            path = json.dumps([item or str(Path.cwd()) for item in sys.path])
            self._child = subprocess.Popen(
                [sys.executable, "-c", _CODE, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, "PYTHONHASHSEED": "0"},  # sets in the same order every time
            )
            send(self._pipe(self._child.stdin), self._hello)
            receive(self._pipe(self._child.stdout), IMPORT_SECONDS)
        return self._child

    def _input(self) -> int:
        return self._pipe(self._start().stdin)

    def _output(self) -> int:
        return self._pipe(self._start().stdout)

    @staticmethod
    def _pipe(file: Any) -> int:
        number: int = file.fileno()
        return number

    def _end(self) -> str:
        """End the process and say how it ended before that."""
        child, self._child = self._child, None
        self._imported.clear()
        if child is None:
            return "it was not running"
        for file in (child.stdin, child.stdout):
            if file is not None:
                file.close()
        try:
            code = child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        return f"exit code {code}"


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data
