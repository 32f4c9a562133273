"""What a campaign says of a vendor that takes files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from tasks.errors import UsageError

FORMATS = ("jsonl", "csv", "manifest")
_MANIFEST_ONLY = ("source", "label_attribute")


@dataclass(frozen=True)
class FileOptions:
    """The options of ``connector: files``.

    Attributes
    ----------
    uri
        ``s3://bucket/prefix``, of this vendor alone; without a slash at the end.
    format
        In which batches are written, one of `FORMATS`.
    batch
        Most tasks of one file.
    source
        For manifests: the payload column that Ground Truth shows. None takes the only one.
    label_attribute
        For manifests: the labeling job's ``LabelAttributeName``. None takes the only one of a line.
    """

    uri: str
    format: str = "jsonl"
    batch: int = 10_000
    source: str | None = None
    label_attribute: str | None = None


def read_options(given: Mapping[str, Any], vendor: str) -> FileOptions:
    """Check options.

    Raises
    ------
    UsageError
        One is unknown, missing or wrong; the message names vendor and option.
    """
    where = f"vendor {vendor}: options"
    known = [one.name for one in fields(FileOptions)]
    for name in given:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"{where}.{name}: unknown; {hint}there are {', '.join(known)}")
    if "uri" not in given:
        raise UsageError(f"{where}.uri: must be there, such as s3://bucket/{vendor}")
    options = FileOptions(**{**given, "uri": _uri(given["uri"], where)})
    if options.format not in FORMATS:
        raise UsageError(f"{where}.format: {options.format!r} is none of {', '.join(FORMATS)}")
    if isinstance(options.batch, bool) or not isinstance(options.batch, int) or options.batch < 1:
        raise UsageError(f"{where}.batch: {options.batch!r} must be a whole number from 1")
    for name in _MANIFEST_ONLY:
        value = getattr(options, name)
        if value is not None and (not isinstance(value, str) or not value):
            raise UsageError(f"{where}.{name}: {value!r} must be a name")
        if value is not None and options.format != "manifest":
            raise UsageError(f"{where}.{name}: only for format: manifest")
    label = options.label_attribute
    if label is not None and label.endswith(("-metadata", "-ref")):
        raise UsageError(f"{where}.label_attribute: {label!r} must not end in -metadata or -ref")
    return options


def _uri(value: Any, where: str) -> str:
    text = value if isinstance(value, str) else ""
    bucket = text.removeprefix("s3://").partition("/")[0]
    if not text.startswith("s3://") or not bucket:
        raise UsageError(f"{where}.uri: {value!r} must be s3://bucket/prefix")
    return text.rstrip("/")
