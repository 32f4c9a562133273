"""What is remembered of the stack between two commands: `stack.json` and `secrets.json` in its home."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from infra.settings import STATE_FILE
from tasks.errors import StackError


@dataclass(frozen=True)
class ProcessId:
    """A process that cannot be mistaken for another that got its number later.

    Parameters
    ----------
    pid
        The number, which is also its process group's.
    created
        When it was started, in seconds since 1970.
    mark
        One argument of its command line that no other process has.
    """

    pid: int
    created: float
    mark: str


@dataclass(frozen=True)
class StackState:
    """The stack as it was last seen.

    Parameters
    ----------
    ports
        Per part, its ports by their use. They outlive `down`, so that addresses stay the same.
    processes
        Per started part, its process.
    settings
        What the running parts offer, by the names of `infra.settings.Settings`.
    """

    ports: dict[str, dict[str, int]] = field(default_factory=dict)
    processes: dict[str, ProcessId] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


class StateFile:
    """`stack.json`: read once, written whole after each change; safe for the threads of one command."""

    def __init__(self, home: Path) -> None:
        self.path = home / STATE_FILE
        self.state = read_state(home)
        self._lock = Lock()

    def set_ports(self, part: str, ports: dict[str, int]) -> None:
        """Remember a part's ports."""
        with self._lock:
            self._write(replace(self.state, ports=self.state.ports | {part: ports}))

    def set_process(self, part: str, process: ProcessId | None) -> None:
        """Remember a part's process, or that it has none."""
        with self._lock:
            processes = {name: p for name, p in self.state.processes.items() if name != part}
            if process is not None:
                processes[part] = process
            self._write(replace(self.state, processes=processes))

    def offer(self, settings: dict[str, str]) -> None:
        """Add settings of a part that runs."""
        with self._lock:
            self._write(replace(self.state, settings=self.state.settings | settings))

    def withdraw(self) -> None:
        """Offer no settings any more."""
        with self._lock:
            self._write(replace(self.state, settings={}))

    def _write(self, state: StackState) -> None:
        write_private(self.path, json.dumps(asdict(state), indent=2))
        self.state = state


def read_state(home: Path) -> StackState:
    """Read the state; an absent or broken file is an empty one, since processes are found by marks."""
    try:
        document: dict[str, Any] = json.loads((home / STATE_FILE).read_text())
        return StackState(
            ports={part: dict(ports) for part, ports in document["ports"].items()},
            processes={part: ProcessId(**known) for part, known in document["processes"].items()},
            settings=dict(document["settings"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return StackState()


def load_secrets(home: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return the stack's secrets, made at random on the first call and kept."""
    path = home / "secrets.json"
    try:
        known: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        known = {}
    except ValueError as error:
        raise StackError(f"{path} is damaged ({error}); restore it, or delete {home} to start anew") from None
    missing = {name: secrets.token_hex(20) for name in names if name not in known}
    if missing:
        known |= missing
        write_private(path, json.dumps(known, indent=2))
    return known


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, at once or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def exclusive(home: Path, wait_seconds: float = 300) -> Iterator[None]:
    """Hold the stack's lock: one `up` or `down` at a time.

    Raises
    ------
    StackError
        Another command held it all the time.
    """
    with (home / "stack.lock").open("w") as file:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"another `labelrounds up` or `down` has held {file.name} for {wait_seconds:.0f} s; "
                        "wait for it or end it"
                    ) from None
                time.sleep(0.1)
        yield
