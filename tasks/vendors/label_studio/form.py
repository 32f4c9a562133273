"""The labeling interface: what an annotator sees of an item, and the question with its choices."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from tasks.errors import UsageError
from tasks.vendors.label_studio.names import CHOICES, FIELDS, choice_of, key_of, none_choice

Kind = Literal["text", "image", "audio", "video", "link", "table"]
KINDS: tuple[str, ...] = get_args(Kind)
MANY_CHOICES = 20
_SHORT, _FEW = 60, 6
_TAGS = {"text": "Text", "image": "Image", "audio": "Audio", "video": "Video", "link": "HyperText"}
_SUFFIXES = {
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "webp", "bmp", "svg"), "image"),
    **dict.fromkeys(("wav", "mp3", "ogg", "flac", "m4a"), "audio"),
    **dict.fromkeys(("mp4", "webm"), "video"),
}
_FOOT = (
    "position: sticky; bottom: -16px; padding: 4px 0 16px; background: var(--color-neutral-background, white)"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ][\d:.]+(Z|[+-]\d\d:?\d\d)?)?")
_COMMENT = re.compile(r"<!--\s*labelrounds (\{.*?\})\s*-->", re.DOTALL)


@dataclass(frozen=True)
class Form:
    """A labeling interface.

    Attributes
    ----------
    task
        ``classification`` or ``multilabel``.
    classes
        Of the campaign, in its order.
    version
        Of the label schema.
    columns
        Column to how it is shown; those of kind ``table`` share one table.
    """

    task: str
    classes: tuple[str, ...]
    version: int
    columns: Mapping[str, str] = field(default_factory=dict)

    def to_xml(self) -> str:
        """Write it in Label Studio's language, and behind it how to read it again."""
        view = ET.Element("View")
        names = []
        for column, kind in self.columns.items():
            if kind != "table":
                names.append(key_of(column))
                _show(view, column, kind)
        if not names or "table" in self.columns.values():
            names.append(FIELDS)
            ET.SubElement(view, "Table", name=FIELDS, value=f"${FIELDS}")
        several = self.task == "multilabel"
        # A long text must not push the choices out of sight.
        foot = ET.SubElement(view, "View", style=_FOOT)
        question = ET.SubElement(foot, "Choices", name=CHOICES, toName=names[0], required="true")
        question.set("choice", "multiple" if several else "single-radio")
        choices = [choice_of(name) for name in self.classes] + [none_choice(self.classes)] * several
        if len(choices) > MANY_CHOICES:
            question.set("layout", "select")
        else:
            question.set("showInline", "true")
        for choice in choices:
            ET.SubElement(question, "Choice", value=choice)
        # A comment holds no two dashes.
        told = json.dumps(asdict(self)).replace("-", "\\u002d")
        return f"{ET.tostring(view, encoding='unicode')}\n<!-- labelrounds {told} -->"

    def data(self, payload: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
        """Give the task's data: every column that is shown has a value, since Label Studio refuses a missing one."""
        shown: dict[str, Any] = {key_of(c): "" for c, kind in self.columns.items() if kind != "table"}
        table: dict[str, Any] = {}
        for column, value in {**payload, **urls}.items():
            if self.columns.get(column, "table") == "table":
                table[column] = value
            else:
                shown[key_of(column)] = _shown(column, self.columns[column], value)
        return {**shown, FIELDS: table}


@dataclass(frozen=True)
class Question:
    """The choices of a labeling interface that asks for a campaign's classes, ours or somebody else's.

    Attributes
    ----------
    name, to_name
        As results name the control and the object.
    choices
        What stands in results.
    """

    name: str
    to_name: str
    choices: tuple[str, ...]


def form_of(xml: str) -> Form | None:
    """Read an interface back; None where it is not of `Form.to_xml`."""
    found = _COMMENT.search(xml)
    try:
        told = json.loads(found[1]) if found else {}
        return Form(told["task"], tuple(told["classes"]), int(told["version"]), dict(told["columns"]))
    except (ValueError, KeyError, TypeError):
        return None


def question_of(xml: str, classes: Sequence[str]) -> Question | None:
    """Find the control that asks for the classes: that whose choices have most of them; None without any."""
    try:
        controls = ET.fromstring(xml).iter("Choices")
    except ET.ParseError:
        return None
    found, most = None, 0
    for control in controls:
        values = tuple(one.get("alias") or one.get("value") or "" for one in control.iter("Choice"))
        shared = len({choice_of(name) for name in classes} & set(values))
        if shared > most:
            found = Question(control.get("name", ""), control.get("toName", "").split(",")[0], values)
            most = shared
    return found


def kinds_of(
    rows: Iterable[Mapping[str, Any]], urls: Mapping[str, str], told: Mapping[str, str]
) -> dict[str, str]:
    """Decide how each column is shown, by what stands in some payloads.

    Parameters
    ----------
    rows
        Payloads; a column's kind is decided over all of them.
    urls
        Column to an address of its object, of one of them.
    told
        Column to kind, where the campaign says it.
    """
    values: dict[str, list[str]] = {}
    for row in rows:
        for column, value in row.items():
            if value is not None and value != "":
                values.setdefault(column, []).append(value if isinstance(value, str) else "0")
            else:
                values.setdefault(column, [])
    kinds = {column: _kind(found, urls.get(column)) for column, found in values.items()}
    kinds |= {column: _kind([], url) for column, url in urls.items() if column not in kinds}
    short = [c for c, kind in kinds.items() if kind == "text" and _all_short(values[c])]
    if len(short) > _FEW:
        kinds |= dict.fromkeys(short, "table")
    return kinds | {column: kind for column, kind in told.items() if column in kinds}


def check_kinds(told: Mapping[str, str]) -> None:
    """Check kinds that a campaign tells; raises `UsageError`."""
    for column, kind in told.items():
        if kind not in KINDS:
            raise UsageError(f"columns: {column} cannot be shown as {kind!r}: one of {', '.join(KINDS)}")


def _kind(values: Sequence[str], url: str | None) -> str:
    if url is not None:
        return _by_suffix(url) or (_by_suffix(values[0]) if values else None) or "link"
    links = [value for value in values if value.startswith(("https://", "http://"))]
    if values and len(links) == len(values) and not any(" " in value for value in values):
        return _by_suffix(links[0]) or "link"
    return "table" if all(_is_value(value) for value in values) else "text"


def _by_suffix(address: str) -> str | None:
    return _SUFFIXES.get(urlsplit(address).path.rpartition(".")[2].lower())


def _is_value(value: str) -> bool:
    """Tell a number, a date, a truth value or JSON from words."""
    if value.lower() in ("true", "false") or (value[0] in "[{" and value[-1] in "]}"):
        return True
    if _DATE.fullmatch(value):
        return True
    try:
        float(value)
    except ValueError:
        return False
    return True


def _all_short(values: Sequence[str]) -> bool:
    return all(len(value) <= _SHORT and "\n" not in value for value in values)


def _show(view: ET.Element, column: str, kind: str) -> None:
    key = key_of(column)
    ET.SubElement(view, "Header", value=choice_of(column), size="5")
    shown = ET.SubElement(view, _TAGS[kind], name=key, value=f"${key}")
    if kind == "text":
        shown.set("valueType", "text")  # never fetch what looks like an address


def _shown(column: str, kind: str, value: Any) -> Any:
    if kind == "link":
        address = str(value or "")
        if urlsplit(address).scheme not in ("http", "https"):
            return html.escape(address)
        return f'<a href="{html.escape(address)}" target="_blank" rel="noreferrer">{html.escape(column)}</a>'
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
