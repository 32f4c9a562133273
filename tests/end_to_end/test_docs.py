"""Every command of the pages under docs runs, made smaller where it measures."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.command import ROOT, labelrounds

SMALLER = {
    "simulate": ["--repeats", "1", "--budget", "30", "--batch", "5"],
    "bench": ["--rows", "500", "--batch", "10", "--repeats", "1"],
}


def commands() -> list[str]:
    pages = sorted((ROOT / "docs").glob("*.md"))
    blocks = [
        block for page in pages for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.slow
def test_the_commands_run(stack_home: Path, stack: object, tmp_path: Path) -> None:
    seen = set()
    for line in commands():
        program, *words = shlex.split(line)
        if program == "python":
            subprocess.run([sys.executable, *words], check=True, cwd=tmp_path)
        else:
            labelrounds(*words, *SMALLER.get(words[0], []), home=stack_home, timeout=300, cwd=tmp_path)
        seen.add(words[0])
    assert {"simulate", "bench"} <= seen
