"""Labeling functions in Python: how they are marked, found and loaded."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, overload

from tasks.errors import UsageError

Function = Callable[[Mapping[str, Any]], str | None]
F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__labeling_function__"


@overload
def labeling_function(function: F) -> F: ...
@overload
def labeling_function(*, name: str) -> Callable[[F], F]: ...
def labeling_function(function: F | None = None, *, name: str | None = None) -> F | Callable[[F], F]:
    """Mark a function as a labeling function.

    It takes a row of the pool, a read-only mapping of column to value, and returns the name of a class, or None
    to abstain. The answer must depend on the row alone.

    Parameters
    ----------
    function : callable
    name : str, optional
        What reports call it; the function's own name by default.

    Examples
    --------
    >>> @labeling_function
    ... def shouting(row):
    ...     return "spam" if row["subject"].isupper() else None
    """

    def mark(function: F) -> F:
        setattr(function, _MARK, name or function.__name__)
        return function

    return mark if function is None else mark(function)


def load_module(module: str, folder: str | None) -> ModuleType:
    """Import a module by its name, or from a ``.py`` file.

    Parameters
    ----------
    module : str
        ``my.rules`` or a path; a relative path starts at `folder`.
    folder : str, optional
        Where the campaign file is; modules there can be imported by name too.
    """
    if folder is not None and folder not in sys.path:
        sys.path.insert(0, folder)
    if not module.endswith(".py"):
        return importlib.import_module(module)
    path = Path(folder or ".", module).resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    # Not under the file's own name: rules.py must not stand for another module called rules.
    name = f"labeling_functions_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be imported")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def find_functions(module: ModuleType, names: Sequence[str]) -> dict[str, Function]:
    """Find the labeling functions of a module.

    Parameters
    ----------
    module : module
    names : sequence of str
        Those wanted, by the name of the function; when empty, all that are marked, in their order in the module.

    Returns
    -------
    dict of str to callable
        By the name that reports use.

    Raises
    ------
    UsageError
        There is none, or not the wanted one.
    """
    if names:
        found = [_named(module, name) for name in names]
    else:
        found = [item for item in vars(module).values() if callable(item) and hasattr(item, _MARK)]
    if not found:
        raise UsageError(
            f"{module.__name__} has no function marked by @labeling_function; mark some or name them in functions"
        )
    return {getattr(item, _MARK, getattr(item, "__name__", "function")): item for item in found}


def _named(module: ModuleType, name: str) -> Function:
    item = getattr(module, name, None)
    if not callable(item) or inspect.isclass(item):
        raise UsageError(f"{module.__name__} has no function {name}")
    function: Function = item
    return function
