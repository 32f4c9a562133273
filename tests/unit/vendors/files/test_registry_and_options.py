"""Connectors by name; what is wrong with an option or a package is said."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from tasks.errors import UsageError
from tasks.vendors import registry
from tasks.vendors.files import FilesConnector
from tasks.vendors.registry import Tools
from tests.unit.vendors.files.memory import Memory

TOOLS = Tools("acme", "spam", Memory())
HERE = "tests.unit.vendors.files.test_registry_and_options"


def good(options: Any, tools: Tools) -> Any:
    return FilesConnector(options, tools, tools.storage)  # type: ignore[arg-type]


def confused(options: Any, tools: Tools) -> Any:
    return options["address"]


def nothing(options: Any, tools: Tools) -> Any:
    return object()


NOT_CALLABLE = 3


def register(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    found = [EntryPoint(name.rstrip("_"), value, registry.GROUP) for name, value in points.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == registry.GROUP else [])


def test_ours_are_there_and_others_join_them(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, ours=f"{HERE}:good", files=f"{HERE}:nothing")
    assert registry.names() == ("files", "label_studio", "ours")
    assert isinstance(registry.make("ours", {}, TOOLS), FilesConnector)
    made = registry.make("files", {"uri": "s3://vendors/acme/", "format": "csv"}, TOOLS)
    assert isinstance(made, FilesConnector)
    assert made.layout.out == "s3://vendors/acme/out/spam/"


@pytest.mark.parametrize(
    ("points", "name", "message"),
    [
        ({}, "file", "Did you mean files?"),
        ({"a": "no_such_module:x"}, "a", r"'a' \(no_such_module:x\) of the package .* does not load"),
        ({"a": f"{HERE}:missing"}, "a", "does not load"),
        ({"a": f"{HERE}:NOT_CALLABLE"}, "a", "is a int and cannot be called"),
        ({"a": f"{HERE}:good", "a_": f"{HERE}:nothing"}, "a", "Several packages bring a connector 'a'"),
        ({"a": f"{HERE}:confused"}, "a", "vendor acme does not take its options: KeyError: 'address'"),
        ({"a": f"{HERE}:nothing"}, "a", "lacks offer, withdraw, fetch, acknowledge"),
    ],
)
def test_what_is_wrong_with_a_package_is_said(
    monkeypatch: pytest.MonkeyPatch, points: dict[str, str], name: str, message: str
) -> None:
    register(monkeypatch, **points)
    with pytest.raises(UsageError, match=message):
        registry.make(name, {}, TOOLS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"vendor acme: options\.uri: must be there"),
        ({"uri": "vendors/acme"}, r"options\.uri: 'vendors/acme' must be s3://"),
        ({"uri": "s3:///x"}, "must be s3://"),
        ({"uri": 3}, "must be s3://"),
        ({"uri": "s3://b/x", "fromat": "csv"}, r"options\.fromat: unknown; did you mean format\?"),
        ({"uri": "s3://b/x", "format": "xml"}, "'xml' is none of jsonl, csv, manifest"),
        ({"uri": "s3://b/x", "format": ["csv"]}, "is none of"),
        ({"uri": "s3://b/x", "batch": 0}, "whole number from 1"),
        ({"uri": "s3://b/x", "batch": True}, "whole number from 1"),
        ({"uri": "s3://b/x", "source": "text"}, "only for format: manifest"),
        ({"uri": "s3://b/x", "format": "manifest", "source": 3}, "must be a name"),
        ({"uri": "s3://b/x", "format": "manifest", "label_attribute": "x-metadata"}, "must not end in"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        registry.make("files", options, TOOLS)
