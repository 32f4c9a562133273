"""The process that runs Python labeling functions, so that none of them can stop or end a round.

It reads requests from its standard input until that closes, and answers on what was its standard output; what the
functions print goes to standard error.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from tasks.weak.functions import Function, find_functions, load_module
from tasks.weak.wire import ConnectionEnded, receive, send

Row = Mapping[str, Any]
Judge = Callable[[Row], int]

_LONGEST_MESSAGE = 300


class _OutOfTime(BaseException):
    """Not an Exception, so that a function's own `except Exception` does not catch it."""


class _StrangeAnswer(Exception):
    pass


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    answers = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGALRM, _out_of_time)
    host = _Host()
    while True:
        try:
            request, payload = receive(0)
            for reply, data in host.answer(request, payload):
                send(answers, reply, data)
        except ConnectionEnded:
            return


def _out_of_time(number: int, frame: object) -> None:
    raise _OutOfTime


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Host:
    def __init__(self) -> None:
        self._folder: str | None = None
        self._classes: dict[str, int] = {}
        self._modules: dict[tuple[str, tuple[str, ...]], dict[str, Function]] = {}

    def answer(self, request: dict[str, Any], payload: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Give the replies to a request."""
        if request["do"] == "open":
            self._folder = request["folder"]
            self._classes = {name: code for code, name in enumerate(request["classes"])}
            yield {"ready": True}, b""
        elif request["do"] == "list":
            yield self._list(request["module"], request["functions"], request["seconds"]), b""
        else:
            rows = [MappingProxyType(row) for row in pa.ipc.open_stream(payload).read_all().to_pylist()]
            for task in request["tasks"]:
                yield self._vote(task, rows)

    def _list(self, module: str, names: Sequence[str], seconds: float) -> dict[str, Any]:
        try:
            with _at_most(seconds):
                return {"functions": list(self._load(module, names))}
        except _OutOfTime:
            return {"error": f"{module} took more than {seconds:g} s to import"}
        except (Exception, SystemExit) as error:
            return {"error": f"{module} cannot be imported: {_message(error)}"}

    def _load(self, module: str, names: Sequence[str]) -> dict[str, Function]:
        key = (module, tuple(names))
        if key not in self._modules:
            self._modules[key] = find_functions(load_module(module, self._folder), names)
        return self._modules[key]

    def _vote(self, task: dict[str, Any], rows: Sequence[Row]) -> tuple[dict[str, Any], bytes]:
        votes = np.full(len(rows), -1, np.int16)
        failures: list[tuple[int, str]] = []
        row = 0
        try:
            judge = self._judge(task)
            with _at_most(task["seconds"]):
                for row in range(len(rows)):
                    try:
                        votes[row] = judge(rows[row])
                    except (Exception, SystemExit, KeyboardInterrupt) as error:
                        failures.append((row, _message(error)))
        except _OutOfTime:
            fatal = f"took more than {task['seconds']:g} s for {len(rows)} rows"
            return {"fatal": fatal, "row": row, "failures": failures}, b""
        except (Exception, SystemExit) as error:
            return {"fatal": _message(error), "row": None, "failures": failures}, b""
        return {"fatal": None, "row": None, "failures": failures}, votes.tobytes()

    def _judge(self, task: dict[str, Any]) -> Judge:
        if "conditions" in task:
            return _patterns([(columns, re.compile(pattern)) for columns, pattern in task["conditions"]])
        return self._checked(self._load(task["module"], task["functions"])[task["function"]])

    def _checked(self, function: Function) -> Judge:
        def judge(row: Row) -> int:
            answer: object = function(row)
            if answer is None:
                return -1
            if not isinstance(answer, str) or answer not in self._classes:
                classes = ", ".join(self._classes)
                raise _StrangeAnswer(
                    f"returned {answer!r}, which is neither None nor one of the classes {classes}"
                )
            return self._classes[answer]

        return judge


def _patterns(conditions: Sequence[tuple[Sequence[str], re.Pattern[str]]]) -> Judge:
    """Give 0 where every pattern is found in one of its columns, else -1."""

    def judge(row: Row) -> int:
        found = all(
            any(pattern.search(_text(row[name])) for name in columns if row[name] is not None)
            for columns, pattern in conditions
        )
        return 0 if found else -1

    return judge


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _message(error: BaseException) -> str:
    """Give an exception in one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        # The exception is of somebody else's class, whose __str__ may raise whatever it likes.
        text = "an exception that cannot be shown"
    if not isinstance(error, _StrangeAnswer):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 3] + "..."
