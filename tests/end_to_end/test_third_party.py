"""A strategy from another package, installed as its users do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = Path(__file__).parent / "third_party"

CODE = """
from tasks.strategies import get, names
from tasks.strategies.testing import check_strategy
assert "longest_id" in names(), names()
check_strategy(get("longest_id"))
assert get("longest_id(least=3)").least == 3
print(get("70% longest_id + 30% random").name)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Install the package into a folder of its own, from its source, without the network."""
    source, target = tmp_path_factory.mktemp("source") / "oddly", tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    subprocess.run([*command, "--target", str(target), str(source)], check=True, capture_output=True)
    return target


def run(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


def test_it_is_found_by_name_and_keeps_the_contract(installed):
    done = run(installed, sys.executable, "-c", CODE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "70% longest_id + 30% random"


def test_the_command_knows_it(installed):
    code = "from flows.cli import main; import sys; sys.argv[1:] = {!r}; main()"
    arguments = [
        "bench",
        "select",
        "--rows",
        "50",
        "--batch",
        "5",
        "--strategies",
        "longest_id",
        "--repeats",
        "1",
    ]
    done = run(installed, sys.executable, "-c", code.format(arguments))
    assert done.returncode == 0, done.stderr
    assert "longest_id" in done.stdout
    wrong = run(installed, sys.executable, "-c", code.format([*arguments[:7], "longst_id"]))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Did you mean longest_id?" in wrong.stderr
