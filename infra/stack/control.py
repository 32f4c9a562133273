"""Start, end and look at the stack as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from infra.settings import AMAZON, Given, read_given
from infra.stack import postgres, seaweed
from infra.stack.parts import Part, all_parts, answer
from infra.stack.place import SECRETS, Place
from infra.stack.processes import end, end_strays, free_port, is_alive, is_free
from infra.stack.start import start
from infra.stack.state import StackState, StateFile, exclusive, load_secrets, read_state
from tasks.errors import StackError, UsageError

Health = Literal["starting", "healthy", "unreachable", "stopped"]


@dataclass(frozen=True)
class PartStatus:
    """One part as it is now.

    Parameters
    ----------
    name
        ``postgres``, ``s3``, ``gateway``, ``mlflow``, ``prefect`` or ``worker``.
    address
        Where it is, without secrets.
    pid
        Its process; None where it does not run or is not ours.
    health
        ``healthy`` is: it answered.
    detail
        The reason of a bad health, the seconds of a start, or nothing.
    external
        It is set by the user and not part of the stack.
    """

    name: str
    address: str
    pid: int | None
    health: Health
    detail: str = ""
    external: bool = False


Progress = Callable[[PartStatus], None]


def up(home: Path, progress: Progress | None = None, only: Collection[str] | None = None) -> StackState:
    """Start the parts that do not run, side by side, and wait until they answer.

    Parameters
    ----------
    home
        The stack's directory, made when it is missing.
    progress
        Called from several threads, when a part begins to start and when it answers.
    only
        The parts wanted; where None all, the worker only if it was wanted before. Parts that these require
        are started as well.

    Raises
    ------
    StackError
        A part does not start; the message ends with the last lines of its log. The others go on.
    UsageError
        `only` names a part that does not exist.
    """
    home = home.expanduser().absolute()
    given = read_given(home=home)
    wanted = _wanted(given, read_state(home), only)
    report = progress or (lambda _: None)
    _make_home(home)
    with exclusive(home):
        state = StateFile(home)
        secrets = load_secrets(home, SECRETS)
        _assign_ports(wanted, Place(home, given, {}, secrets), state)
        place = Place(home, given, state.state.ports, secrets)
        for status_ in (_external(name, given) for name in _externals(given, only)):
            report(status_)
        _start_all(wanted, place, state, report)
        return state.state


def down(home: Path, progress: Progress | None = None) -> None:
    """End all parts and wait for it; data, ports and secrets stay.

    Parameters
    ----------
    home
        The stack's directory.
    progress
        Called when a part has ended.
    """
    home = home.expanduser().absolute()
    if not home.is_dir():
        return
    report = progress or (lambda _: None)
    with exclusive(home):
        state = StateFile(home)
        place = Place(home, read_given(home=home), state.state.ports, {})
        state.withdraw()
        parts = all_parts()
        # The servers that use others go first.
        for names in (("worker",), ("gateway", "mlflow", "prefect"), ("postgres", "s3")):
            with ThreadPoolExecutor(len(names)) as threads:
                for _ in threads.map(lambda name: _end(parts[name], place, state, report), names):
                    pass
        seaweed.remove_sockets(place)


def status(home: Path) -> list[PartStatus]:
    """Look at all parts: does the process run, does the server answer."""
    home = home.expanduser().absolute()
    given, state = read_given(home=home), read_state(home)
    secrets = load_secrets(home, ()) if home.is_dir() else {}
    place = Place(home, given, state.ports, secrets)

    def look(part: Part) -> PartStatus:
        if part.given(given) is not None:
            return _external(part.name, given)
        process = state.processes.get(part.name)
        address = part.address(place)
        if process is None or not is_alive(process):
            return PartStatus(part.name, address, None, "stopped", "has crashed" if process else "")
        reason = _failure(lambda: part.check(place))
        return PartStatus(part.name, address, process.pid, "unreachable" if reason else "healthy", reason)

    with ThreadPoolExecutor() as threads:
        return list(threads.map(look, _usual(state).values()))


def _usual(state: StackState) -> dict[str, Part]:
    """Return all parts but those that are started on demand and never were."""
    return {name: part for name, part in all_parts().items() if not part.on_demand or name in state.ports}


def _wanted(given: Given, state: StackState, only: Collection[str] | None) -> dict[str, Part]:
    parts = all_parts()
    names = set(_usual(state)) if only is None else set(only)
    if unknown := names - set(parts):
        raise UsageError(f"no part {', '.join(sorted(unknown))} in the stack; there are {', '.join(parts)}")
    for part in reversed(parts.values()):  # each comes after those that it requires
        if part.name in names and part.given(given) is None:
            names |= part.requires
    return {name: part for name, part in parts.items() if name in names and part.given(given) is None}


def _externals(given: Given, only: Collection[str] | None) -> list[str]:
    return [
        name
        for name, part in all_parts().items()
        if part.given(given) is not None and (only is None or name in only)
    ]


def _make_home(home: Path) -> None:
    # Root lends PostgreSQL another account, which has to pass through.
    home.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    (home / "logs").mkdir(mode=0o700, exist_ok=True)
    (home / ".gitignore").write_text("*\n")


def _assign_ports(wanted: dict[str, Part], place: Place, state: StateFile) -> None:
    """Give each part that does not run its old ports where they are free, else new ones.

    A running part that was told the old port of one that has to move is ended, to be started anew.
    """
    moved = set[str]()
    for part in wanted.values():
        process, known = state.state.processes.get(part.name), state.state.ports.get(part.name, {})
        if process is not None and is_alive(process):
            if not part.requires & moved:
                continue
            end(process, part.stop_signal, part.stop_seconds)
        end_strays(part.mark(place), place.directory(part.name))  # they may sit on the old ports
        ports = {use: free_port(known.get(use)) for use in part.ports}
        if ports != known:
            moved.add(part.name)
        state.set_ports(part.name, ports)


def _start_all(wanted: dict[str, Part], place: Place, state: StateFile, report: Progress) -> None:
    """Start each part once what it requires answers; raise the first failure at the end."""
    waiting, running, answered = dict(wanted), dict[Future[str], str](), set[str]()
    failure: BaseException | None = None

    def run(part: Part) -> str:
        report(PartStatus(part.name, part.address(place), None, "starting"))
        here = replace(place, ports=state.state.ports)
        try:
            process, detail = start(part, here, state)
        except StackError:
            if all(is_free(port) for port in here.ports[part.name].values()):
                raise
            # Another program took a port since it was found free.
            state.set_ports(part.name, {use: free_port() for use in part.ports})
            here = replace(place, ports=state.state.ports)
            process, detail = start(part, here, state)
        state.offer(part.offers(here))
        report(PartStatus(part.name, part.address(here), process.pid, "healthy", detail))
        return part.name

    with ThreadPoolExecutor(max(len(wanted), 1)) as threads:
        while waiting or running:
            for name, part in list(waiting.items()):
                if failure is None and part.requires & set(wanted) <= answered:
                    running[threads.submit(run, waiting.pop(name))] = name
            if not running:
                break
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                running.pop(done)
                if (error := done.exception()) is None:
                    answered.add(done.result())
                else:
                    failure = failure or error
    if failure is not None:
        raise failure


def _end(part: Part, place: Place, state: StateFile, report: Progress) -> None:
    process = state.state.processes.get(part.name)
    if process is not None:
        end(process, part.stop_signal, part.stop_seconds)
    end_strays(part.mark(place), place.directory(part.name))
    state.set_process(part.name, None)
    if process is not None:
        report(PartStatus(part.name, part.address(place), None, "stopped"))


def _external(name: str, given: Given) -> PartStatus:
    address = all_parts()[name].given(given) or ""
    check = {
        "postgres": lambda: postgres.connect(address).close(),
        "s3": lambda: _check_s3(given),
        "mlflow": lambda: answer(f"{address}/health") if address.startswith("http") else None,
        "prefect": lambda: answer(f"{address}/health"),
        "gateway": lambda: answer(f"{address}/healthz"),
    }[name]
    reason = _failure(check)
    shown = "Amazon S3" if name == "s3" and address == AMAZON else _without_secret(address)
    return PartStatus(name, shown, None, "unreachable" if reason else "healthy", reason, external=True)


def _check_s3(given: Given) -> None:
    place = Place(given.home, given, {}, {})
    next(seaweed.storage(place, attempts=1).list(f"s3://{given.artifact_bucket}/health/"), None)


def _failure(check: Callable[[], object]) -> str:
    try:
        check()
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return ""


def _without_secret(address: str) -> str:
    head, separator, tail = address.rpartition("@")
    scheme = head.partition("://")[0]
    return f"{scheme}://{tail}" if separator else address
