"""YAML with the line of every key, so that a mistake can be pointed at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

Path = tuple[str | int, ...]

_MOST_NODES = 10_000
_DEEPEST = 20
_ANY = object()

# Numbers and dates that stand where names are expected are taken as their text: class 007 is "007".
_TEXT_PLACES: tuple[tuple[Any, ...], ...] = (
    ("name",),
    ("description",),
    ("classes", _ANY),
    ("pool", "id"),
    ("pool", "payload", _ANY),
    ("pool", "columns", _ANY, _ANY),
    ("labeling_functions", _ANY, "name"),
    ("labeling_functions", _ANY, "label"),
    ("labeling_functions", _ANY, "equals"),
    ("labeling_functions", _ANY, "equals", _ANY),
    ("seed_labels", "id"),
    ("seed_labels", "label"),
    ("holdout", "id"),
    ("predictions", "id"),
    ("predictions", "proba"),
    ("predictions", "columns", _ANY),
    ("holdout", "label"),
    ("vendors", _ANY, "name"),
)


@dataclass
class Source:
    """A YAML document as plain values, with its lines.

    Attributes
    ----------
    values
        Mappings, lists, strings, ints, `Decimal` (never float), booleans, None.
    lines
        Line of every key and list entry by its path, from 1.
    texts
        Every scalar as it is written.
    mistakes
        (line, message) of what YAML lets pass and a campaign file must not have.
    """

    values: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Line of the nearest existing place at or above `path`."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class InvalidYamlError(ValueError):
    """The text is not YAML.

    Attributes
    ----------
    line
        Where, from 1.
    """

    def __init__(self, line: int, problem: str) -> None:
        self.line = line
        super().__init__(problem)


def read_source(text: str) -> Source:
    """Parse YAML text.

    Raises
    ------
    InvalidYamlError
        It is not one YAML document.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidYamlError(mark.line + 1 if mark else 1, error.problem or "not valid YAML") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidYamlError(line, "a character that YAML does not allow") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidYamlError(1, str(error).splitlines()[0]) from error
    source = Source()
    if node is not None:
        source.values = _Walker(source).walk(node, ())
    return source


class _Walker:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes = 0

    def walk(self, node: yaml.Node, path: Path) -> Any:
        self.nodes += 1
        line = node.start_mark.line + 1
        if self.nodes > _MOST_NODES or len(path) > _DEEPEST:  # an anchor that contains itself has no end
            raise InvalidYamlError(line, "too large or too deep for a campaign file")
        self.source.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.walk(child, (*path, position)) for position, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # YAML has no fourth kind
        self.source.texts[path] = node.value
        return _scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> Mapping[str, Any]:
        values: dict[str, Any] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.source.mistakes.append((line, f"{dotted(path)}: a key must be plain text"))
                continue
            key = key_node.value
            here = (*path, key)
            if key in values:
                first = self.source.lines[here]
                self.source.mistakes.append((line, f"{dotted(here)}: is given twice, first in line {first}"))
                continue
            self.source.lines[here] = line
            values[key] = self.walk(child, here)
        return values


def _scalar(node: yaml.ScalarNode, path: Path) -> Any:
    kind = node.tag.rsplit(":", 1)[-1]
    if kind == "bool":
        return node.value.lower() in ("yes", "true", "on")
    if kind == "null":
        return None
    if kind in ("int", "float") and not _is_text_place(path):
        return _number(node)
    return node.value


def _number(node: yaml.ScalarNode) -> int | Decimal | str:
    try:
        if node.tag.endswith(":int"):
            return int(yaml.SafeLoader("").construct_yaml_int(node))
        return Decimal(node.value.replace("_", ""))
    except (ValueError, InvalidOperation):  # 1:30.5 and .inf are YAML numbers, and none of ours
        return str(node.value)


def _is_text_place(path: Path) -> bool:
    return any(
        len(place) == len(path)
        and all(want is _ANY or want == have for want, have in zip(place, path, strict=True))
        for place in _TEXT_PLACES
    )


def dotted(path: Path) -> str:
    """Path as people write it: ``vendors[0].price``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "file"
