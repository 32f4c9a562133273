"""The gateway as a part of the embedded stack, and its command."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import psutil
import pytest
import requests
from click.testing import CliRunner

from flows.vendor import commands
from infra.settings import load_settings
from infra.stack import status, up
from infra.stack.postgres import connect

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def state(stack_home, data_stack):
    return up(stack_home, only={"gateway"})


@pytest.fixture
def lr(stack_home, state, monkeypatch):
    """Run a verb of `labelrounds vendor`."""
    monkeypatch.setenv("LABELROUNDS_HOME", str(stack_home))
    monkeypatch.setenv("LABELROUNDS_MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("LABELROUNDS_PREFECT_API_URL", "http://127.0.0.1:9/api")
    group = click.Group("vendor")
    commands.register(group)
    return lambda *words: CliRunner().invoke(group, words, catch_exceptions=False)


def part(home):
    (found,) = [one for one in status(home) if one.name == "gateway"]
    return found


def test_it_runs_under_a_login_of_its_own_and_comes_back_where_it_was(stack_home, state):
    url = state.settings["gateway_url"]
    assert requests.get(f"{url}/healthz", timeout=10).json() == {"status": "ok", "database": "ok"}
    assert (part(stack_home).health, part(stack_home).address) == ("healthy", url)
    arguments = " ".join(psutil.Process(part(stack_home).pid).cmdline())
    secrets = [
        state.settings["s3_secret_access_key"],
        state.settings["database_url"].split("@")[0].rpartition(":")[2],
    ]
    assert not any(secret in arguments for secret in secrets)
    environment = psutil.Process(part(stack_home).pid).environ()
    assert not any(secrets[1] in value for value in environment.values())  # the owner's password
    connection = connect(state.settings["database_url"])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'labelrounds-gateway'"
        )
        ((login,),) = cursor.fetchall()
    connection.close()
    assert login.startswith("lr_gateway_")
    pid = part(stack_home).pid
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
    assert part(stack_home).health == "stopped"
    assert up(stack_home, only={"gateway"}).settings["gateway_url"] == url
    assert part(stack_home).health == "healthy"


def test_a_vendor_is_served_from_its_first_key_to_its_last(lr, state, tmp_path, stack_home):
    made = commands.new_vendor("acme")
    assert made["gateway"] == state.settings["gateway_url"] == load_settings(home=stack_home).gateway_url
    url, key, truth = made["gateway"], made["key"], str(tmp_path / "truth.csv")
    assert lr("sandbox", "acme", "--items", "40", "--truth", truth).exit_code == 0
    done = lr("conformance", url, "--key", key)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "21 of 21 checks passed")
    done = lr(
        "simulate",
        url,
        "--key",
        key,
        "--truth",
        truth,
        "--error-rate",
        "0",
        "--class-error-rate",
        "ham=1",
        "--json",
    )
    assert done.exit_code == 0
    assert '"accepted": 32' in done.output
    new = lr("rotate-key", "acme", "--grace-hours", "0").output.strip()
    failed = lr("conformance", url, "--key", key, "--json")
    assert failed.exit_code == 1
    assert '"failed": 0' not in failed.output
    assert lr("keys", "acme", "--json").output.count('"state": "valid"') == 1
    assert lr("revoke-key", str(made["key_id"] + 1)).exit_code == 0
    assert (
        requests.get(f"{url}/v1/leases", headers={"Authorization": f"Bearer {new}"}, timeout=10).status_code
        == 401
    )
    bell = lr("bell", "acme").output.strip()
    assert requests.post(bell, json={}, timeout=10).status_code == 204
    assert lr("webhook", "add", "https://acme.example/x", "--vendor", "acme").output.startswith(
        "webhook 1: whsec_"
    )
    assert lr("webhook", "rotate-secret", "1").output.startswith("whsec_")
    assert '"pending": 0' in lr("webhook", "list", "--json").output
    assert lr("webhook", "deliveries", "1", "--json").output.strip() == "[]"
    assert lr("webhook", "redeliver", "1").output == "0 events will be sent\n"
    assert lr("webhook", "remove", "1").exit_code == 0


def test_it_says_what_it_lacks(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LABELROUNDS_")}
    done = subprocess.run(
        [sys.executable, "-m", "infra.gateway"], env=environment | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "LABELROUNDS_GATEWAY_DATABASE_URL" in done.stderr
