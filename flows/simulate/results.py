"""What is finished of a simulation, as files: an interrupted one goes on where it was."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.treatment import Treatment

# No strategy is called so: a name has no space.
FULL = "full pool"
# What decides over a result besides data and settings.
_CODE = (
    "tasks.strategies",
    "tasks.models",
    "tasks.features",
    "tasks.evaluation",
    "tasks.truth",
    "tasks.simulation",
)
_LIBRARIES = ("numpy", "scikit-learn", "scipy", "xgboost")


@dataclass(frozen=True)
class Results:
    """The results of one data set and one set of settings below a folder.

    A result is kept under a key of data, settings, strategy, model, labeling and code, so that what no longer holds is
    not found, and several simulations may share a folder.

    Parameters
    ----------
    folder
        Made when it is not there.
    data
        Digest of the data.
    protocol
        Number of repeats and metric may differ: they change no result.
    code
        From `code_digest`.
    """

    folder: Path
    data: str
    protocol: SimulationProtocol
    code: str

    def key(self, arm: Treatment) -> str:
        """Give what tells an arm's results apart: hexadecimal."""
        parts = [self.data, self.protocol.of_a_repeat(), arm.strategy, arm.model, arm.labeling, self.code]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def read(self, arm: Treatment, repeat: int) -> dict[str, Any] | None:
        """Give what a repeat of an arm brought; None when it is not there, or cannot be read."""
        try:
            document = json.loads(self._path(arm, repeat).read_text(encoding="utf-8"))
            return dict(document["result"]) if document["key"] == self.key(arm) else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, arm: Treatment, repeat: int, result: dict[str, Any]) -> None:
        """Keep what a repeat of an arm brought; a reader sees all of it or nothing."""
        path = self._path(arm, repeat)
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {"arm": asdict(arm), "repeat": repeat, "key": self.key(arm), "result": result}
        write_whole(path, json.dumps(document, indent=1).encode())

    def _path(self, arm: Treatment, repeat: int) -> Path:
        name = re.sub(r"[^\w.-]+", "_", str(arm))[:60].strip("_")
        return self.folder / "results" / f"{name}-{self.key(arm)}" / f"{repeat:03d}.json"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that no reader, and no crash, ever sees a part of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


def code_digest() -> str:
    """Digest the code that decides over a result: ours without words about it, and the versions of the libraries."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.name}:{_without_words(path.read_text(encoding='utf-8'))}".encode())
    digest.update(" ".join(version(name) for name in _library_names()).encode())
    return digest.hexdigest()[:16]


def _without_words(source: str) -> str:
    """Leave out comments, layout and docstrings, which change no result."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return ast.dump(tree)


def _sources() -> Iterable[Path]:
    from importlib import import_module

    for name in _CODE:
        for folder in import_module(name).__path__:
            yield from sorted(Path(folder).glob("*.py"))


def _library_names() -> tuple[str, ...]:
    """XGBoost comes from one of two packages: the smaller one knows no GPU."""
    from importlib.metadata import packages_distributions

    known = packages_distributions().get("xgboost", ["xgboost"])
    return tuple(known[0] if name == "xgboost" else name for name in _LIBRARIES)
