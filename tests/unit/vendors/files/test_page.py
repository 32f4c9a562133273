"""What docs/connectors.md shows is run: the example, its package, its test, and each form of file."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.vendors.connector import Row
from tasks.vendors.files import problems
from tasks.vendors.files.batches import encode, task_line
from tasks.vendors.files.options import FileOptions
from tasks.vendors.files.records import read_records
from tasks.vendors.registry import names
from tasks.vendors.testing import make_offers

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "connectors.md").read_text(encoding="utf-8")


def blocks(info: str) -> list[str]:
    return re.findall(rf"^```{info}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def save(folder: Path) -> None:
    for block in (*blocks("python"), *blocks("toml")):
        found = re.match(r"# ([a-z_]+\.(?:py|toml))\n", block)
        if found:
            (folder / found[1]).write_text(block)


def test_the_example_is_short_and_keeps_the_contract(tmp_path: Path) -> None:
    save(tmp_path)
    example = (tmp_path / "shared_folder.py").read_text().splitlines()
    assert len([line for line in example if line.strip()]) < 60
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, tmp_path / "test_shared_folder.py"],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


INSTALLED = """
from tasks.errors import UsageError, VendorUnreachable
from tasks.vendors.registry import Tools, make, names
assert names()[-1] == "shared_folder", names()
tools = Tools("acme", "spam", None)
made = make("shared_folder", {"folder": "SITE"}, tools)
assert made.offer([]) == 0
try:
    make("shared_folder", {}, tools)
except UsageError as error:
    assert "vendor acme" in str(error)
try:
    make("shared_folder", {"folder": __file__ if "__file__" in globals() else "/dev/null"}, tools).offer([])
except VendorUnreachable as error:
    print("unreachable")
"""


def test_the_example_installs_as_a_package_and_is_found_by_name(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    save(source)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED.replace("SITE", str(site / "share"))],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])},
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "unreachable"), done.stderr


@pytest.mark.parametrize(("info", "rows"), [("jsonl", 3), ("csv", 2), ("manifest", 2)])
def test_the_answers_on_the_page_are_read(info: str, rows: int) -> None:
    (block,) = blocks(f"{info} answers")
    found = [record.found for record in read_records(io.BytesIO(block.encode()), f"a.{info}")]
    assert len(found) == rows
    assert all(isinstance(one, Row) for one in found), found


def test_the_tasks_on_the_page_have_the_keys_that_are_written() -> None:
    offer = make_offers(1)[0]
    task = json.loads(blocks("jsonl")[0])
    assert list(task) == list(task_line(offer))
    (manifest,) = blocks("json manifest")
    written = json.loads(encode([offer], FileOptions("s3://b/v", "manifest")))
    assert list(json.loads(manifest)) == list(written)
    header = encode([offer], FileOptions("s3://b/v", "csv")).decode().splitlines()[0]
    assert header.split(",")[:8] == re.findall(r"\w+", PAGE.split("the columns are `")[1].split("`")[0])


def test_every_code_and_every_connector_is_on_the_page() -> None:
    rows = "\n".join(re.findall(r"^\| `.*", PAGE, re.MULTILINE))
    codes = [value for name, value in vars(problems).items() if name.isupper() and isinstance(value, str)]
    for code in (*codes, *problems.REASONS):
        assert f"`{code}`" in rows, code
    assert [name for name in names() if f"| `{name}` |" not in rows] == []
