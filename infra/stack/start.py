"""Start one part and wait until it answers."""

from __future__ import annotations

import time
from pathlib import Path

from infra.stack.parts import Part
from infra.stack.place import Place
from infra.stack.processes import end, end_strays, is_alive, last_lines, spawn
from infra.stack.state import ProcessId, StateFile
from tasks.errors import StackError

GRACE_SECONDS = 10.0


def start(part: Part, place: Place, state: StateFile) -> tuple[ProcessId, str]:
    """Make sure that a part runs and answers.

    Returns
    -------
    process, detail
        Its process, and for people how it went.

    Raises
    ------
    StackError
        It does not start, with the last lines of its log.
    """
    begun = time.monotonic()
    process = state.state.processes.get(part.name)
    if process is not None and is_alive(process):
        # One that an interrupted `up` left may still be starting; one that hangs is replaced.
        left = process.created + part.start_seconds - time.time()
        if _answers(part, place, process, max(GRACE_SECONDS, left)):
            part.finish(place)
            return process, "was running"
        end(process, part.stop_signal, part.stop_seconds)
    end_strays(part.mark(place), place.directory(part.name))
    part.prepare(place)
    log = place.log(part.name)
    offset = log.stat().st_size if log.exists() else 0
    process = spawn(part.command(place), log)
    state.set_process(part.name, process)
    if not _answers(part, place, process, part.start_seconds):
        complaint = _complaint(part, process, log, offset)
        end(process, part.stop_signal, part.stop_seconds)
        raise StackError(complaint)
    part.finish(place)
    return process, f"started in {time.monotonic() - begun:.1f} s"


def _answers(part: Part, place: Place, process: ProcessId, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(process):
        try:
            part.check(place)
        except Exception:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True
    return False


def _complaint(part: Part, process: ProcessId, log: Path, offset: int) -> str:
    what = f"does not answer after {part.start_seconds:.0f} s" if is_alive(process) else "ended at its start"
    return f"{part.name} {what}; its log {log} ends with:\n{last_lines(log, offset)}"
