"""Reading a campaign file and naming every mistake in it, each with its line."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tasks.campaign.model import Campaign
from tasks.campaign.rules import broken_rules
from tasks.campaign.source import InvalidYamlError, Path, Source, dotted, read_source
from tasks.campaign.weak import LabelingFunction
from tasks.errors import CampaignError, NotFound, UsageError
from tasks.grammar import Spec


def load_campaign(
    path: str | FilePath, *, find_strategy: Callable[[Spec, int | None], object] | None = None
) -> Campaign:
    """Read and check a campaign file.

    Parameters
    ----------
    path
        The file.
    find_strategy
        Raises UsageError for a strategy that there is not, as `tasks.strategies.get` does; not checked when None.

    Raises
    ------
    NotFound
        There is no such file.
    CampaignError
        It has mistakes: all of them, each with its line.
    """
    try:
        text = FilePath(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such campaign file") from error
    except UnicodeDecodeError as error:
        raise CampaignError(str(path), ["is not UTF-8 text"]) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    return _placed(parse_campaign(text, path, find_strategy=find_strategy), FilePath(path).resolve().parent)


def _placed(campaign: Campaign, folder: FilePath) -> Campaign:
    """Make paths of modules absolute: a round may go on in another folder than the file's."""

    def placed(one: LabelingFunction) -> LabelingFunction:
        if one.module is None or not one.module.endswith(".py"):
            return one
        return one.model_copy(update={"module": str(folder / one.module)})

    functions = tuple(placed(one) for one in campaign.labeling_functions)
    features, model = campaign.features, campaign.features.text_model
    if model is not None and (folder / model).is_dir():
        features = features.model_copy(update={"text_model": str(folder / model)})
    return campaign.model_copy(update={"labeling_functions": functions, "features": features})


def parse_campaign(
    text: str, path: str | FilePath, *, find_strategy: Callable[[Spec, int | None], object] | None = None
) -> Campaign:
    """Check the text of a campaign file; `path` is what messages call it.

    Raises
    ------
    CampaignError
        It has mistakes: all of them, each with its line.
    """
    try:
        source = read_source(text)
    except InvalidYamlError as error:
        raise CampaignError(str(path), [f"line {error.line}: not valid YAML: {error}"]) from error
    if not isinstance(source.values, dict):
        what = "is empty" if source.values is None else "must be keys and values, such as name: spam"
        raise CampaignError(str(path), [f"line 1: the file {what}"])
    mistakes = list(source.mistakes)
    campaign: Campaign | None = None
    try:
        campaign = Campaign.model_validate(source.values)
    except ValidationError as error:
        details = error.errors()
        mistakes += [_mistake(source, detail) for detail in details if not _follows(detail, details)]
    for place, message in broken_rules(source.values, find_strategy):
        mistakes.append((source.line(place), f"{dotted(place)}: {message}"))
    if mistakes or campaign is None:
        raise CampaignError(str(path), [f"line {line}: {message}" for line, message in sorted(mistakes)])
    return campaign


def _follows(detail: Mapping[str, Any], details: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is called too short only because its entries have mistakes."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in details
    )


def _mistake(source: Source, detail: Mapping[str, Any]) -> tuple[int, str]:
    path: Path = detail["loc"]
    place = path[:-1] if detail["type"] == "missing" else path
    return source.line(place), f"{dotted(path)}: {_message(source, detail)}"


def _message(source: Source, detail: Mapping[str, Any]) -> str:
    path, kind, value = detail["loc"], detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    written = source.texts.get(path)
    if kind == "string_type" and isinstance(value, bool):
        return f"{written} is a boolean in YAML; put it in quotes: '{written}'"
    if kind == "string_type" and value is None:
        return "is empty; put the text in quotes" + (f": '{written}'" if written else "")
    pattern = _LIMITS.get(kind)
    if pattern is None:
        return str(detail["msg"])
    return pattern.format(
        **detail.get("ctx", {}), given=_shown(value) if written is None else written or "empty"
    )


_LIMITS = {
    "greater_than_equal": "must be at least {ge}, not {given}",
    "greater_than": "must be greater than {gt}, not {given}",
    "less_than_equal": "must be at most {le}, not {given}",
    "less_than": "must be less than {lt}, not {given}",
    "literal_error": "must be {expected}, not {given}",
    "int_type": "must be a whole number, not {given}",
    "float_type": "must be a number, not {given}",
    "float_parsing": "must be a number, not {given}",
    "finite_number": "must be a finite number, not {given}",
    "decimal_type": "must be an amount such as 0.10, not {given}",
    "decimal_parsing": "must be an amount such as 0.10, not {given}",
    "decimal_max_places": "must have at most {decimal_places} decimal places, not {given}",
    "string_type": "must be text, not {given}",
    "string_too_short": "must not be empty",
    "too_short": "must have {min_length} or more entries, not {actual_length}",
    "tuple_type": "must be a list, such as [a, b], not {given}",
    "dict_type": "must be keys and values, not {given}",
    "model_type": "must be keys and values, not {given}",
    "model_attributes_type": "must be keys and values, not {given}",
}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list):
        return "a list"
    return "empty" if value is None else str(value)


def _unknown_key(path: Path) -> str:
    known = list(_keys_at(path[:-1]))
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    return "unknown key; " + (f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}")


def _keys_at(path: Path) -> Iterator[str]:
    model: type[BaseModel] = Campaign
    for part in path:
        if isinstance(part, str):
            model = next(_models_in(model.model_fields[part].annotation))
    return iter(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
