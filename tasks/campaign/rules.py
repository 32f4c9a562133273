"""What must hold between keys of a campaign file, beyond each key's own type and limits.

The rules look at the plain values of the file and pass over whatever has the wrong type, so that a mistake in
one key does not hide another's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeGuard

from pydantic import ValidationError

from tasks.campaign.measuring import broken_audit
from tasks.campaign.predictions import broken_predictions
from tasks.campaign.source import Path
from tasks.campaign.strategy import NOT_KNOWN, StrategyChoice
from tasks.campaign.values import METRICS_OF_TASK
from tasks.campaign.vendors import broken_vendors
from tasks.campaign.weak import broken_labeling_functions
from tasks.errors import UsageError
from tasks.grammar import Spec

Broken = Iterator[tuple[Path, str]]

_KINDS = ("text", "numeric", "categorical", "embedding", "date", "tags", "ignore")


def broken_rules(
    values: Mapping[str, Any], find_strategy: Callable[[Spec, int | None], object] | None
) -> Broken:
    """Rules that do not hold, each with its place.

    Parameters
    ----------
    values
        The file's keys.
    find_strategy
        Raises UsageError for a strategy that there is not; not checked when None.
    """
    yield from _repeats(("classes",), _texts(values, "classes"), "class")
    yield from _repeats(("pool", "payload"), _texts(values, "pool", "payload"), "column")
    yield from _column_rules(values)
    yield from _label_file_rules(values)
    yield from _vendor_rules(values)
    yield from _strategy_rules(values, find_strategy)
    yield from _task_rules(values)
    yield from broken_audit(values)
    yield from broken_labeling_functions(values)
    yield from broken_predictions(values)


def _get(values: Any, *path: str) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _texts(values: Any, *path: str) -> list[tuple[int, str]]:
    items = _get(values, *path)
    return [
        (at, item)
        for at, item in enumerate(items if isinstance(items, list) else ())
        if isinstance(item, str)
    ]


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _column_rules(values: Mapping[str, Any]) -> Broken:
    roles = {str(_get(values, "pool", "id") or "id"): "the id column"}
    for kind in _KINDS:
        for position, name in _texts(values, "pool", "columns", kind):
            if name in roles:
                yield ("pool", "columns", kind, position), f"{name} is already {roles[name]}"
            roles.setdefault(name, f"in pool.columns.{kind}")


def _label_file_rules(values: Mapping[str, Any]) -> Broken:
    pool = _get(values, "pool", "uri")
    for key in ("seed_labels", "holdout"):
        uri = _get(values, key, "uri")
        if isinstance(pool, str) and isinstance(uri, str) and f"{uri}/".startswith(pool.rstrip("/") + "/"):
            yield (key, "uri"), "lies under pool.uri, so its rows would be sent to vendors; move it elsewhere"


def _vendor_rules(values: Mapping[str, Any]) -> Broken:
    vendors = values.get("vendors")
    if not isinstance(vendors, list):
        return
    names = [(at, _get(vendor, "name")) for at, vendor in enumerate(vendors)]
    for place, message in _repeats(
        ("vendors",), [item for item in names if isinstance(item[1], str)], "vendor"
    ):
        yield (*place, "name"), message
    yield from broken_vendors(values)


def _strategy_rules(values: Mapping[str, Any], find: Callable[[Spec, int | None], object] | None) -> Broken:
    strategy = values.get("strategy")
    if find is not None and strategy is not None:
        try:
            classes = values.get("classes")
            n_classes = len(classes) if isinstance(classes, list) else None
            found = find(StrategyChoice.model_validate(strategy).spec, n_classes)
            _check_task(values, found)
            yield from _needs(found, _get(strategy, "quotas", "group"))
        except UsageError as error:
            yield ("strategy",), str(error)
        except ValidationError:
            pass  # said elsewhere
    shortlist, size = _get(strategy, "shortlist"), _get(values, "batch", "size")
    if _is_count(shortlist) and _is_count(size) and shortlist < size:
        yield ("strategy", "shortlist"), f"must be at least batch.size, {size}, not {shortlist}"


def _needs(strategy: object, group: Any) -> Broken:
    """Name what a strategy cannot do without, and a campaign does not tell it."""
    needs: frozenset[str] = getattr(strategy, "needs", frozenset())
    if "groups" in needs and group is None:
        yield (
            ("strategy",),
            "needs strategy.quotas.group, the column that says which group an item belongs to",
        )
    unknown = sorted(needs & NOT_KNOWN)
    if unknown:
        yield ("strategy",), f"needs {', '.join(unknown)} of each item, which a campaign does not know"


def _check_task(values: Mapping[str, Any], strategy: Any) -> None:
    """Raise UsageError for a strategy that does not go with the task."""
    if values.get("task") == "multilabel":
        # Whoever found the strategy has loaded its package already.
        from tasks.strategies.multilabel import check_strategy_of_sets

        check_strategy_of_sets(strategy)
    if values.get("predictions") is not None:
        from tasks.strategies.given import check_strategy_of_predictions

        several = _get(values, "predictions", "aggregate") is not None
        check_strategy_of_predictions(strategy, several=several)


def _task_rules(values: Mapping[str, Any]) -> Broken:
    task = values.get("task", "classification")
    metrics = METRICS_OF_TASK.get(task) if isinstance(task, str) else None
    if metrics is None:
        return
    for place in (("metric",), ("stop", "target", "metric"), ("stop", "plateau", "metric")):
        metric = _get(values, *place)
        if any(metric in known for known in METRICS_OF_TASK.values()) and metric not in metrics:
            yield place, f"of task {task} must be one of {', '.join(metrics)}, not {metric}"
    if task == "multilabel":
        if _get(values, "strategy", "quotas", "per_class") is not None:
            yield (
                ("strategy", "quotas", "per_class"),
                "is of classification: an item of task multilabel has no one class",
            )
        if values.get("labeling_functions"):
            yield ("labeling_functions",), "are of classification: each votes for one class"
    elif _get(values, "strategy", "aggregate") is not None:
        yield ("strategy", "aggregate"), "is of task multilabel: with one class there is nothing to join"


def _repeats(place: Path, items: Iterable[tuple[int, str]], what: str) -> Broken:
    seen: set[str] = set()
    for position, value in items:
        if value in seen:
            yield (*place, position), f"{what} {value} is given twice"
        seen.add(value)
