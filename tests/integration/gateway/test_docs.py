"""docs/vendors.md: what it shows is run."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from flows.vendor.commands import register
from flows.vendor.sandbox import publish
from infra.gateway.problems import CODES
from infra.gateway.webhooks.sign import headers
from infra.settings import PREFIX, Given

PAGE = (Path(__file__).parents[3] / "docs" / "vendors.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_ten_minutes(house, tmp_path):
    truth = tmp_path / "truth.csv"
    publish(house.desk.engine, "acme", 120, truth)
    environment = os.environ | {"GATEWAY": house.url, "KEY": house.vendor().key}
    if shutil.which("curl"):
        (curl,) = (block for block in blocks("bash") if block.startswith("curl"))
        done = subprocess.run(
            ["bash", "-c", curl], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("assignment_id") == 2
    (loop,) = (block for block in blocks("python") if "requests.Session" in block)
    done = subprocess.run(
        [sys.executable, "-c", loop],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"(\d+) accepted, 0 rejected", done.stdout) == ["100", "18"]


def test_a_signature_is_verified_as_shown():
    (shown,) = (block for block in blocks("python") if "def verify" in block)
    names = {}
    exec(shown, names)
    old, new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    now = int(time.time())
    signed = headers([new, old], "e1", now, b"{}")
    assert names["verify"](old, signed, b"{}")
    assert names["verify"](new, signed, b"{}")
    assert not names["verify"](new, signed, b"{ }")
    assert not names["verify"]("whsec_" + "A" * 32, signed, b"{}")
    assert not names["verify"](new, signed, b"{}", now=now + 301)


def test_all_codes_calls_and_settings_are_described(house):
    functions = " ".join(
        row.source for row in house.desk.run(
            "SELECT p.prosrc AS source FROM pg_proc p "
            "WHERE pronamespace::regnamespace::text IN ('labelrounds', 'vendor')"
        )
    )  # fmt: skip
    for code in re.findall(r"'([A-Z]+_[A-Z_]+)'", functions):
        assert f"`{code}`" in PAGE, code
    for code in set(CODES.values()):
        assert f"`{code}`" in PAGE, code
    import requests

    for path, verbs in requests.get(f"{house.url}/openapi.json", timeout=10).json()["paths"].items():
        for verb in verbs:
            assert f"`{verb.upper()} {path.replace('schema_id', 'id')}" in PAGE
    for name in Given.model_fields:
        if name.startswith("gateway_"):
            assert f"`{PREFIX}{name.upper()}`" in PAGE


def commands():
    group = click.Group("vendor")
    register(group)
    return group


@pytest.mark.parametrize("line", re.findall(r"^labelrounds vendor (.*?)\s*(?:#.*)?$", PAGE, re.MULTILINE))
def test_every_command_on_the_page_exists(line):
    words, command = line.split(), commands()
    if words[0] in ("add",):
        return
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
