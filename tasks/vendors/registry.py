"""Connectors by name: ours, and others' through the entry point group ``labelrounds.connectors``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from tasks.errors import LabelRoundsError, UsageError
from tasks.pool.store import ObjectStore as ReadableStore
from tasks.vendors.connector import Connector

GROUP = "labelrounds.connectors"

# What makes each connector; loaded when it is asked for.
_BUILT_IN = {
    "files": "tasks.vendors.files:connector",
    "label_studio": "tasks.vendors.label_studio:connector",
}
_METHODS = ("offer", "withdraw", "fetch", "acknowledge")


class ObjectStore(ReadableStore, Protocol):
    """What connectors may use of a store of objects; addresses are ``s3://bucket/key``.

    Beside `list` and `open` of `tasks.pool.store.ObjectStore`. All raise ServiceUnavailable when the store does not
    answer.
    """

    def get(self, uri: str) -> bytes:
        """Return an object's content; NotFound when there is none."""
        ...

    def put(self, uri: str, data: bytes) -> None:
        """Write an object whole, over whatever is there."""
        ...

    def put_once(self, uri: str, data: bytes) -> None:
        """Write an object that never changes; RoundError when it is there with other content."""
        ...


@dataclass(frozen=True)
class Tools:
    """What a connector is given beside its options.

    Attributes
    ----------
    vendor, campaign
        Their names.
    storage
        The campaign's S3.
    environment
        Variable to value: secrets are named in the campaign file and stand here.
    """

    vendor: str
    campaign: str
    storage: ObjectStore
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


Factory = Callable[[Mapping[str, Any], Tools], Connector]
"""Makes a connector of the campaign's ``options``; raises UsageError where these are wrong."""


def names() -> tuple[str, ...]:
    """Names of all connectors, ours first."""
    return (*_BUILT_IN, *sorted({point.name for point in _registered()} - set(_BUILT_IN)))


def find(name: str) -> Factory:
    """Find what makes the connectors of a name.

    Raises
    ------
    UsageError
        There is none of that name, two packages bring one, or another's does not load.
    """
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        factory: Factory = getattr(import_module(module), attribute)
        return factory
    points = [point for point in _registered() if point.name == name]
    if len(points) == 1:
        return _load(points[0])
    if points:
        packages = ", ".join(sorted(_package(point) for point in points))
        raise UsageError(
            f"Several packages bring a connector {name!r}: {packages}. Uninstall all but one of them."
        )
    close = get_close_matches(name, names(), n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(f"There is no connector {name!r}.{hint} There are: {', '.join(names())}.")


def make(name: str, options: Mapping[str, Any], tools: Tools) -> Connector:
    """Make a vendor's connector.

    Raises
    ------
    UsageError
        See `find`; or its options are wrong, or what was made is no connector.
    """
    factory = find(name)
    try:
        made = factory(options, tools)
    except LabelRoundsError:
        raise
    except Exception as error:  # whatever others' code raises on options that it does not understand
        raise UsageError(
            f"The connector {name!r} of vendor {tools.vendor} does not take its options: "
            f"{type(error).__name__}: {error}"
        ) from error
    missing = [method for method in _METHODS if not callable(getattr(made, method, None))]
    if missing:
        raise UsageError(
            f"The connector {name!r} of vendor {tools.vendor} lacks {', '.join(missing)}: "
            f"it is a {type(made).__name__}"
        )
    return made


def _registered() -> list[EntryPoint]:
    # A package that stands on the path twice is listed twice.
    return list({(point.name, point.value): point for point in entry_points(group=GROUP)}.values())


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _load(point: EntryPoint) -> Factory:
    where = f"The connector {point.name!r} ({point.value}) of the package {_package(point)}"
    try:
        factory = point.load()
    except Exception as error:  # whatever others' code raises while it is imported
        raise UsageError(f"{where} does not load: {type(error).__name__}: {error}") from error
    if not callable(factory):
        raise UsageError(f"{where} is a {type(factory).__name__} and cannot be called with options and tools")
    made: Factory = factory
    return made
