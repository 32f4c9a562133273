"""SageMaker Ground Truth: input manifests out, augmented output manifests in.

Ground Truth gives all keys of a line back unchanged and adds two: the label attribute and its ``-metadata``. So
``assignment_id`` passes through and comes home. The forms are those of its developer guide, "Labeling job output data".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.errors import UsageError
from tasks.vendors.connector import Offer
from tasks.vendors.files.problems import BAD_TYPE, MISSING_FIELD, Unreadable

_METADATA = "-metadata"


def manifest_line(offer: Offer, source: str | None) -> dict[str, Any]:
    """Give a task as a line of an input manifest.

    Parameters
    ----------
    source
        The payload column that is shown; None takes the only one. ``source-ref`` where its value is an object in S3.

    Raises
    ------
    UsageError
        The payload has no such column, or several and none was named.
    """
    columns = ", ".join(offer.payload)
    if source is None and len(offer.payload) != 1:
        raise UsageError(f"options.source: say which payload column Ground Truth shows; there are {columns}")
    name = next(iter(offer.payload)) if source is None else source
    if name not in offer.payload:
        raise UsageError(f"options.source: there is no payload column {name!r}; there are {columns}")
    key = "source-ref" if name in offer.urls else "source"
    value = offer.payload[name]
    return {
        key: value if isinstance(value, str) else str(value),
        "assignment_id": offer.assignment_id,
        "item": offer.item,
        "priority": offer.priority,
        "payload": {other: content for other, content in offer.payload.items() if other != name},
    }


def label_categories(classes: tuple[str, ...]) -> dict[str, Any]:
    """Give the classes as the job's ``LabelCategoryConfigS3Uri`` wants them."""
    return {"document-version": "2018-11-28", "labels": [{"label": name} for name in classes]}


def output_fields(line: Mapping[str, Any], attribute: str | None) -> dict[str, Any]:
    """Give the fields of an answer that a line of an augmented manifest holds.

    The class is taken from the metadata's ``class-name`` or ``class-map``; the index beside it depends on the order in
    the job's own label file.

    Parameters
    ----------
    attribute
        The job's label attribute; None takes the only one.

    Raises
    ------
    Unreadable
    """
    name = _attribute(line) if attribute is None else attribute
    metadata = line.get(name + _METADATA)
    if not isinstance(metadata, dict):
        raise Unreadable(MISSING_FIELD, f"there is no {name + _METADATA}", name + _METADATA)
    if "failure-reason" in metadata:
        raise Unreadable(MISSING_FIELD, f"the job failed on it: {metadata['failure-reason']}", name)
    fields: dict[str, Any] = {"assignment_id": line.get("assignment_id")}
    fields["label"] = _classes(line, name, metadata)
    fields["confidence"] = metadata.get("confidence")
    fields["finished_at"] = _in_utc(metadata.get("creation-date"))
    if metadata.get("human-annotated") == "no":
        fields["annotator"] = "automated"
    return fields


def _attribute(line: Mapping[str, Any]) -> str:
    found = [key.removesuffix(_METADATA) for key in line if key.endswith(_METADATA)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Unreadable(MISSING_FIELD, "there is no label: no key that ends in -metadata")
    raise Unreadable(
        MISSING_FIELD, f"several labels: {', '.join(found)}; the option label_attribute names one"
    )


def _classes(line: Mapping[str, Any], name: str, metadata: Mapping[str, Any]) -> Any:
    if "class-map" not in metadata:
        if "class-name" not in metadata:
            raise Unreadable(MISSING_FIELD, "the metadata has no class-name", "class-name")
        return metadata["class-name"]
    indices, names = line.get(name), metadata["class-map"]
    if not isinstance(indices, list) or not isinstance(names, dict):
        raise Unreadable(BAD_TYPE, f"{name} must be a list and class-map an object", name)
    missing = [index for index in indices if str(index) not in names]
    if missing:
        raise Unreadable(MISSING_FIELD, f"class-map has no {missing[0]!r}", "class-map")
    return [names[str(index)] for index in indices]


def _in_utc(time: Any) -> Any:
    """Say that a time is UTC, which Ground Truth leaves out."""
    if isinstance(time, str) and len(time) > 10 and not time.endswith("Z") and "+" not in time[10:]:
        return time + "+00:00"
    return time
