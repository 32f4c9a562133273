"""What lies where, and that every verb shows how it is used."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from flows.cli import cli

ROOT = Path(__file__).parents[2]
TOP = {
    ".ci",
    ".env.example",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "docker-compose.yml",
    "docs",
    "flows",
    "infra",
    "pyproject.toml",
    "tasks",
    "tests",
    "uv.lock",
}


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, (*path, name))
        else:
            yield (*path, name), command


VERBS = dict(verbs(cli))


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_shows_an_example_that_names_it(path: tuple[str, ...]) -> None:
    example = (VERBS[path].help or "").partition("Example:")[2]
    assert f"labelrounds {' '.join(path)}" in " ".join(example.split())


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_that_tells_something_tells_it_as_json(path: tuple[str, ...]) -> None:
    options = {option for parameter in VERBS[path].params for option in parameter.opts}
    assert "--json" in options or path in {("down",), ("ml-backend",)}


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="no git checkout")
def test_the_top_level_holds_only_what_belongs_there() -> None:
    git = ["git", "-c", f"safe.directory={ROOT}", "ls-files"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {line.split("/")[0] for line in listed.stdout.splitlines()} <= TOP


def test_every_package_has_its_marker() -> None:
    folders = {path.parent for floor in ("flows", "tasks", "infra") for path in (ROOT / floor).rglob("*.py")}
    migrations = ROOT / "infra" / "database" / "migrations"
    missing = [f for f in folders if not f.is_relative_to(migrations) and not (f / "__init__.py").exists()]
    assert missing == []
