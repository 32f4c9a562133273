"""Every command of the pages under docs runs, made smaller where it measures."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.command import ROOT, labelrounds

SHORT = ["--repeats", "1", "--seed-labels", "20", "--batch", "20", "--budget", "60"]
SMALLER = {
    "simulate": ["--repeats", "1", "--seed-labels", "20", "--budget", "30", "--batch", "10"],
    "bench": ["--rows", "500", "--batch", "10", "--repeats", "1"],
    "bench queue": ["--vendors", "3", "--tasks", "300"],
    "bench forecast": ["--campaigns", "1", "--rounds", "2", "--no-savings", "--metrics", "accuracy"],
    "bench coverage": ["--replays", "2", "--sizes", "20"],
    "bench stopping": [*SHORT, "--model", "linear"],
    "bench guards": [*SHORT, "--strategies", "auto"],
}


def smaller(words: list[str]) -> list[str]:
    """Give options that make a measurement short; the last of an option that is given twice counts."""
    found = SMALLER.get(" ".join(words[:2]), SMALLER.get(words[0], []))
    # Servers and vendors that are to die need time to do so.
    killing = [option for option in ("--kill-vendors", "--kill-postgres") if option in words]
    return [*found, *(word for option in killing for word in (option, "1"))]


def commands() -> list[str]:
    pages = sorted((ROOT / "docs").glob("*.md"))
    blocks = [
        block for page in pages for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def write_files(folder: Path) -> None:
    """Save what the pages show as files: blocks whose first line is a comment with a file's name."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        blocks = re.findall(
            r"^```\w+\n(# ([a-z_]+\.(?:py|yaml))\n.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
        )
        for content, name in blocks:
            (folder / name).write_text(content)


@pytest.mark.slow
def test_the_commands_run(stack_home: Path, stack: object, tmp_path: Path) -> None:
    seen = set()
    vendor: dict[str, str] = {}
    write_files(tmp_path)
    shutil.copy(ROOT / "infra/campaigns/demo/spamassassin.parquet", tmp_path)
    for line in commands():
        line, _, redirected = line.partition(" > ")
        program, *words = shlex.split(line)
        if program == "python":
            subprocess.run([sys.executable, *words], check=True, cwd=tmp_path, env={**os.environ, **vendor})
        else:
            done = labelrounds(*words, *smaller(words), home=stack_home, timeout=300, cwd=tmp_path)
            if words[:2] == ["vendor", "add"]:
                hired = dict(told.split() for told in done.stdout.splitlines())
                vendor |= {"KEY": hired["key"], "GATEWAY": hired["gateway"]}
            if redirected:
                (tmp_path / redirected).write_text(done.stdout)
            if "--verify" in words:
                assert "the same, item by item" in done.stdout
        seen.add(words[0])
    assert {"simulate", "bench", "round", "embed.py", "predict.py"} <= seen
