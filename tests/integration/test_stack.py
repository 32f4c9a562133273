"""The embedded stack with real processes: started twice, killed, moved, ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from infra.settings import Settings, load_settings
from infra.stack import PartStatus, StackState, down, status, up
from infra.stack.postgres import connect
from infra.storage import Storage
from tasks.errors import SettingsError, StackError, UsageError

DATA = {"postgres", "s3"}
ROOT = Path(__file__).parents[2]
UP = "import sys, pathlib, infra.stack as s; s.up(pathlib.Path(sys.argv[1]), only={'postgres', 's3'})"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A stack's own directory, deeper than the 107 bytes that a unix socket's path may have."""
    directory = tmp_path / ("deep-" * 20) / "stack home"
    directory.parent.mkdir()
    yield directory
    down(directory)


def pids(home: Path) -> dict[str, int]:
    return {part.name: part.pid for part in status(home) if part.pid is not None}


def processes_of(home: Path) -> list[psutil.Process]:
    """Every process that has to do with this stack, by command line, directory or environment."""
    found = []
    for process in psutil.process_iter():
        try:
            traces = [*process.cmdline(), process.cwd(), *process.environ().values()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(home) in trace for trace in traces):
            found.append(process)
    return found


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def open_storage(state: StackState) -> Storage:
    return Storage(
        endpoint=state.settings["s3_endpoint_url"],
        access_key_id=state.settings["s3_access_key_id"],
        secret_access_key=state.settings["s3_secret_access_key"],
        region="us-east-1",
    )


def test_up_twice_is_one_stack_and_down_leaves_the_data_and_nothing_else(home: Path) -> None:
    seen: list[PartStatus] = []
    first = up(home, seen.append, only=DATA)
    assert {(part.name, part.health) for part in seen} == {
        (name, health) for name in DATA for health in ("starting", "healthy")
    }
    before = pids(home)
    second = up(home, only=DATA)
    assert (second.processes, second.settings, pids(home)) == (first.processes, first.settings, before)

    query(first.settings["database_url"], "CREATE TABLE kept AS SELECT 42 AS answer")
    open_storage(first).put("s3://labelrounds/kept", b"data")
    down(home)
    assert processes_of(home) == []
    assert {part.health for part in status(home)} == {"stopped"}
    with pytest.raises(SettingsError, match="labelrounds up"):
        load_settings(home=home)

    third = up(home, only=DATA)
    assert third.settings == first.settings  # the same addresses and secrets
    assert query(third.settings["database_url"], "SELECT answer FROM kept") == [(42,)]
    assert open_storage(third).get("s3://labelrounds/kept") == b"data"


@pytest.mark.parametrize("name", sorted(DATA))
def test_a_killed_part_is_started_again_where_it_was(home: Path, name: str) -> None:
    first = up(home, only=DATA)
    query(first.settings["database_url"], "CREATE TABLE kept AS SELECT 42 AS answer")
    open_storage(first).put("s3://labelrounds/kept", b"data")
    before = pids(home)
    os.kill(before[name], signal.SIGKILL)
    psutil.wait_procs([psutil.Process(before[name])] if psutil.pid_exists(before[name]) else [], timeout=5)
    (crashed,) = [part for part in status(home) if part.name == name]
    assert (crashed.health, crashed.detail, crashed.pid) == ("stopped", "has crashed", None)

    second = up(home, only=DATA)
    after = pids(home)
    assert second.settings == first.settings
    assert after[name] != before[name]
    assert {n: pid for n, pid in after.items() if n != name} == {n: p for n, p in before.items() if n != name}
    assert query(second.settings["database_url"], "SELECT answer FROM kept") == [(42,)]
    assert open_storage(second).get("s3://labelrounds/kept") == b"data"


def test_a_part_whose_port_is_taken_moves(home: Path) -> None:
    first = up(home, only={"postgres"})
    port = first.ports["postgres"]["postgres"]
    down(home)
    with socket.create_server(("127.0.0.1", port)):
        second = up(home, only={"postgres"})
        assert second.ports["postgres"]["postgres"] != port
        assert query(second.settings["database_url"], "SELECT 1") == [(1,)]


def test_another_process_with_a_stale_pid_is_not_touched(home: Path) -> None:
    up(home, only={"postgres"})
    down(home)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        created = psutil.Process(stranger.pid).create_time()
        file = home / "stack.json"
        document = json.loads(file.read_text())
        document["processes"] = {
            name: {"pid": stranger.pid, "created": created, "mark": str(home / name)} for name in DATA
        }
        file.write_text(json.dumps(document))
        assert "healthy" not in {part.health for part in status(home)}
        up(home, only={"postgres"})
        down(home)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_stack_whose_state_file_is_lost_is_not_started_beside_itself(home: Path) -> None:
    first = up(home, only={"postgres"})
    query(first.settings["database_url"], "CREATE TABLE kept AS SELECT 42 AS answer")
    (home / "stack.json").unlink()
    second = up(home, only={"postgres"})
    assert query(second.settings["database_url"], "SELECT answer FROM kept") == [(42,)]
    leaders = [p for p in processes_of(home) if str(home / "postgres") in p.cmdline()]
    assert [p.pid for p in leaders] == [pids(home)["postgres"]]


def test_two_commands_at_once_start_one_stack_that_outlives_them(home: Path) -> None:

    def run(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", UP, str(home)], cwd=ROOT, capture_output=True, text=True, timeout=60
        )

    with ThreadPoolExecutor(2) as threads:
        for finished in threads.map(run, range(2)):
            assert (finished.returncode, finished.stderr) == (0, "")
    assert {part.name for part in status(home) if part.health == "healthy"} == DATA
    leaders = [p for p in processes_of(home) if p.pid == os.getpgid(p.pid) and "weed" in p.name()]
    assert len(leaders) == 1


def test_an_up_that_was_killed_midway_leaves_nothing_that_blocks_the_next(home: Path) -> None:
    for delay in (0.3, 0.6, 0.9):
        started = subprocess.Popen([sys.executable, "-c", UP, str(home)], cwd=ROOT)
        time.sleep(delay)
        started.kill()
        started.wait()
    state = up(home, only=DATA)
    assert query(state.settings["database_url"], "SELECT 1") == [(1,)]
    down(home)
    assert processes_of(home) == []


def test_a_part_that_does_not_start_says_why(home: Path) -> None:
    up(home, only={"postgres"})
    down(home)
    (home / "postgres" / "postgresql.conf").write_text("no_such_option = 1\n")
    with pytest.raises(StackError, match="no_such_option") as error:
        up(home, only=DATA)
    assert str(home / "logs" / "postgres.log") in str(error.value)
    found = {part.name: (part.health, part.detail) for part in status(home)}
    assert found["postgres"] == ("stopped", "has crashed")
    assert found["s3"] == ("healthy", "")


def test_secrets_are_private_and_in_no_command_line(home: Path) -> None:
    up(home, only=DATA)
    for name in ("secrets.json", "stack.json", "s3/s3.json"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    values = json.loads((home / "secrets.json").read_text()).values()
    lines = [" ".join(process.cmdline()) for process in processes_of(home)]
    assert lines
    assert not [line for line in lines for value in values if value in line]


def test_all_servers_listen_on_this_machine_alone_and_ask_for_passwords(home: Path) -> None:
    state = up(home, only=DATA)
    addresses = {
        connection.laddr.ip
        for process in processes_of(home)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}
    port = state.ports["postgres"]["postgres"]
    with pytest.raises(Exception, match="password authentication failed"):
        connect(f"postgresql://postgres:wrong@127.0.0.1:{port}/labelrounds")
    filer = f"http://127.0.0.1:{state.ports['s3']['filer']}/buckets/"
    with pytest.raises(OSError, match="401"):
        urllib.request.urlopen(filer)


def test_a_role_of_its_own_can_log_in_by_tcp(home: Path) -> None:
    state = up(home, only={"postgres"})
    query(state.settings["database_url"], "CREATE ROLE vendor LOGIN PASSWORD 'vendors own'")
    port = state.ports["postgres"]["postgres"]
    url = f"postgresql://vendor:vendors%20own@127.0.0.1:{port}/labelrounds"
    assert query(url, "SELECT current_user") == [("vendor",)]


def test_what_the_settings_name_is_not_started(
    home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELROUNDS_DATABASE_URL", database_url)
    monkeypatch.setenv("LABELROUNDS_PREFECT_API_URL", "http://127.0.0.1:9/api")
    seen: list[PartStatus] = []
    state = up(home, seen.append, only=DATA)
    assert set(state.processes) == {"s3"}
    found = {part.name: part for part in status(home)}
    assert (found["postgres"].health, found["postgres"].external) == ("healthy", True)
    assert found["prefect"].health == "unreachable"
    assert database_url.split("@")[1] in found["postgres"].address
    assert database_url.split(":")[2].split("@")[0] not in found["postgres"].address


def test_a_part_that_does_not_exist_is_named(home: Path) -> None:
    with pytest.raises(UsageError, match="redis"):
        up(home, only={"redis"})


def test_down_and_status_of_nothing(home: Path) -> None:
    down(home)
    assert not home.exists()
    assert [part.health for part in status(home)] == ["stopped"] * 5


def test_mlflow_and_prefect_answer_and_pass_artifacts_to_s3(stack: StackState, settings: Settings) -> None:
    # Another test of the session may have started the worker, and campaigns may have experiments.
    health = {part.name: part.health for part in status(settings.home)}
    names = ("postgres", "s3", "gateway", "mlflow", "prefect")
    assert {name: health[name] for name in names} == dict.fromkeys(names, "healthy")
    api = settings.mlflow_tracking_uri
    put = urllib.request.Request(
        f"{api}/api/2.0/mlflow-artifacts/artifacts/probe/note.txt", data=b"note", method="PUT"
    )
    with urllib.request.urlopen(put):
        pass
    assert Storage.from_settings(settings).get("s3://labelrounds/mlflow/probe/note.txt") == b"note"
    mlflow_database = stack.settings["database_url"].replace("/labelrounds", "/mlflow")
    assert ("Default",) in query(mlflow_database, "SELECT name FROM experiments")
    with urllib.request.urlopen(api.replace("127.0.0.1", "localhost")) as answer:
        assert b"MLflow" in answer.read()
    with urllib.request.urlopen(f"{settings.prefect_api_url}/admin/version") as answer:
        assert answer.read().startswith(b'"3.')
    with urllib.request.urlopen(f"{settings.prefect_api_url.removesuffix('/api')}/ui-settings") as answer:
        assert json.loads(answer.read())["api_url"] == settings.prefect_api_url
    assert (settings.home / "prefect" / "prefect.db").exists()
