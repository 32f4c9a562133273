"""Start, recognise and end the detached processes of the stack."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra.stack.state import ProcessId
from tasks.errors import StackError

MARK_VARIABLE = "LABELROUNDS_STACK_PART"
MAX_LOG_BYTES = 10_000_000


@dataclass(frozen=True)
class Account:
    """A user and group that a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Command:
    """How a process is started.

    Parameters
    ----------
    argv
        The command line. It holds `mark`, and no secret, since everyone can read it.
    mark
        The argument by which the process is recognised.
    environment
        Its whole environment.
    directory
        Its working directory.
    account
        Whom it runs as; None is the caller.
    """

    argv: tuple[str, ...]
    mark: str
    directory: Path
    environment: dict[str, str] = field(repr=False)
    account: Account | None = None


def spawn(command: Command, log: Path) -> ProcessId:
    """Start a process that outlives this one, in a session of its own, its output appended to `log`."""
    _rotate(log)
    account = command.account
    with log.open("ab") as output:
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=command.environment | {MARK_VARIABLE: command.mark},
            cwd=command.directory,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    return _identify(process.pid, command.mark)


def is_alive(process: ProcessId | None) -> bool:
    """Whether exactly this process runs: same number, same start, same mark."""
    return process is not None and _find(process) is not None


def end(process: ProcessId, stop_signal: signal.Signals, wait_seconds: float) -> None:
    """End a process and its group: ask by `stop_signal`, and kill what is left after the wait."""
    found = _find(process)
    if found is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, stop_signal)
    deadline = time.monotonic() + wait_seconds
    while time.monotonic() < deadline and is_alive(process):
        _reap(process.pid)
        time.sleep(0.02)
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(psutil.TimeoutExpired):
            found.wait(10)
    _reap(process.pid)


def end_strays(mark: str, directory: Path) -> None:
    """Kill what a dead or forgotten leader left behind: processes with its mark, or living in its data.

    The mark is an argument of leaders and in the environment of their children. PostgreSQL's children
    overwrite both; they live in the data directory, which nothing else does.
    """
    strays = [p for p in psutil.process_iter() if p.pid != os.getpid() and _belongs(p, mark, directory)]
    for stray in strays:
        with contextlib.suppress(psutil.Error):
            stray.kill()
    psutil.wait_procs(strays, timeout=10)


def free_port(wanted: int | None = None) -> int:
    """Return `wanted` where nothing listens on it on 127.0.0.1, else a free port.

    New ones are drawn below the ports that systems lend to outgoing connections, which could take them while
    the server is down.
    """
    if wanted is not None and is_free(wanted):
        return wanted
    for _ in range(1000):
        if is_free(port := 20_000 + secrets.randbelow(12_000)):
            return port
    raise StackError("no free port between 20000 and 32000 on 127.0.0.1; end some servers")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def last_lines(log: Path, offset: int, count: int = 15) -> str:
    """Return the last lines that were written to `log` after `offset` bytes."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(offset)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
    return ""


def _identify(pid: int, mark: str) -> ProcessId:
    """Return the identity of a process just started.

    For a moment after its start the kernel shows an empty command line, by which it would pass for another.
    """
    created = time.time()
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        created = process.create_time()
        deadline = time.monotonic() + 5
        while mark not in process.cmdline() and time.monotonic() < deadline:
            time.sleep(0.001)
    return ProcessId(pid, created, mark)


def _find(process: ProcessId) -> psutil.Process | None:
    try:
        found = psutil.Process(process.pid)
        same = (
            # The start is counted from boot in the kernel and moves a little when the clock is set.
            abs(found.create_time() - process.created) < 2
            and found.status() != psutil.STATUS_ZOMBIE
            and process.mark in found.cmdline()
        )
    except psutil.Error:
        return None
    return found if same else None


def _belongs(process: psutil.Process, mark: str, directory: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if mark in process.cmdline():
            return True
        if process.name().startswith("postgres") and process.cwd() == str(directory):
            return True
        return process.environ().get(MARK_VARIABLE) == mark
    except (psutil.Error, OSError):
        return False


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
