"""What may import what: three floors, and pure packages that stand alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("flows", "tasks", "infra")
PURE = (
    "pool",
    "features",
    "models",
    "strategies",
    "truth",
    "evaluation",
    "campaign",
    "simulation",
    "weak",
    "targets",
    "predictions",
    "vendors",
)
VALUES = ("tasks.errors", "tasks.grammar", "tasks.reference")
SERVICES = ("prefect", "mlflow", "sqlalchemy", "alembic", "boto3", "botocore", "psycopg2")
HEAVY = ("prefect", "mlflow", "xgboost", "sklearn", "pandas", "matplotlib")
FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import of a file, wherever it stands; names of `from x import y` as `x.y`."""
    package = path.parent.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *([node.module] if node.module else [])))
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def is_pure(module: str) -> bool:
    return within(module, tuple(f"tasks.{name}" for name in PURE) + VALUES)


def forbidden(importer: str, imported: str) -> str | None:
    """Why `importer` must not import `imported`; None where it may."""
    if within(imported, ("tests",)):
        return "tests are for nobody but themselves"
    if within(importer, ("flows",)):
        return None
    if within(imported, ("flows",)):
        return "imports go down only"
    if is_pure(importer):
        if within(imported, SERVICES):
            return "a pure package knows no server"
        if within(imported, ("infra",)):
            return "a pure package knows nothing of where it runs"
        if within(imported, ("tasks",)) and not is_pure(imported):
            return "a noun does not know the steps"
    if within(importer, ("infra",)) and within(imported, ("tasks",)) and not is_pure(imported):
        return "infra knows values and seams, not the steps"
    return None


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_down_only(path: Path) -> None:
    importer = module_name(path)
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}: {why}"
        for line, imported in imports(path)
        if (why := forbidden(importer, imported))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("tasks.train", "flows.round"),
        ("infra.storage", "flows.names.run_name"),
        ("infra.storage", "tasks.train.train"),
        ("infra.storage", "tasks.serve"),
        ("tasks.pool.take", "boto3"),
        ("tasks.strategies.base", "prefect.task"),
        ("tasks.truth.majority", "infra.settings"),
        ("tasks.campaign.model", "sqlalchemy.exc"),
        ("tasks.errors", "mlflow"),
        ("tasks.features.space", "tasks.matrices"),
        ("flows.round", "tests.conftest"),
    ],
)
def test_the_rules_forbid(importer: str, imported: str) -> None:
    assert forbidden(importer, imported)


def test_imports_inside_functions_and_relative_ones_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "tasks" / "pool" / "take.py"
    path.parent.mkdir(parents=True)
    path.write_text("from ..train import train\ndef f():\n    import boto3\n    from infra import storage\n")
    assert set(imports(path)) == {(1, "tasks.train.train"), (3, "boto3"), (4, "infra.storage")}


@pytest.mark.parametrize("module", [f"tasks.{name}" for name in PURE])
def test_pure_packages_load_without_servers(module: str) -> None:
    assert loaded(f"import {module}", (*SERVICES, "infra", "flows")) == []


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["up", "--help"]], ids=" ".join)
def test_the_command_starts_without_heavy_libraries(arguments: list[str]) -> None:
    run = f"import flows.cli\ntry:\n    flows.cli.cli({arguments!r})\nexcept SystemExit:\n    pass"
    assert loaded(run, HEAVY) == []


def loaded(code: str, unwanted: tuple[str, ...]) -> list[str]:
    """Which of the unwanted top-level modules a fresh interpreter holds after `code`."""
    tell = f"import json, sys\nprint(); print(json.dumps([m for m in {unwanted!r} if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found
