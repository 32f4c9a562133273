"""Strategies by name: ours, and others' through the entry point group ``labelrounds.strategies``."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import Parameter, signature
from typing import Any

from tasks.errors import UsageError
from tasks.grammar import SHARES, SHORTLIST_THEN, Spec, parse
from tasks.strategies.base import Strategy, walk

GROUP = "labelrounds.strategies"

# What makes each strategy; loaded when it is asked for, so that a command starts fast.
_BUILT_IN = {
    "auto": "auto:auto",
    "random": "ranked:random",
    "least_confidence": "ranked:least_confidence",
    "margin": "ranked:margin",
    "entropy": "ranked:entropy",
    "expected_cost": "ranked:expected_cost",
    "power_margin": "power:PowerMargin",
    "vote_entropy": "ranked:vote_entropy",
    "consensus_entropy": "ranked:consensus_entropy",
    "max_disagreement": "ranked:max_disagreement",
    "bald": "ranked:bald",
    "cold_start": "cold_start:ColdStart",
    "cluster_cover": "cluster:ClusterCover",
    "kcenter": "kcenter:KCenter",
    "kmeans": "kmeans:KMeansCenters",
    "typiclust": "typiclust:TypiClust",
    "facility_location": "facility:FacilityLocation",
    "information_density": "density:InformationDensity",
    "leaf_change": "leaf_change:LeafChange",
    "badge": "badge:Badge",
    "margin_kmeans": "margin_kmeans:MarginKMeans",
    "cluster_margin": "cluster_margin:ClusterMargin",
    "margin_kcenter": "shortlist_then:margin_kcenter",
    "class_balanced": "balance:ClassBalanced",
    "positives": "positives:Positives",
    "galaxy": "galaxy:Galaxy",
    "direct": "direct:Direct",
    "bandit": "bandit:Bandit",
}
# What only makes sense with strategies inside it.
_COMPOSED = {
    SHORTLIST_THEN: "shortlist_then:ShortlistThen",
    SHARES: "shares:Shares",
    "explore": "explore:Explore",
    "quotas": "quotas:Quotas",
    "representatives": "duplicates:Representatives",
}


def get(strategy: str | Spec, n_classes: int | None = None) -> Strategy:
    """Make a strategy.

    Parameters
    ----------
    strategy : str or Spec
        One of `names`, or anything that `tasks.grammar` reads, for example
        ``"margin > kcenter"`` or ``"90% margin_kmeans(beta=5) + 10% random"``.
    n_classes : int, optional
        Classes that it will choose for, where they are known already.

    Raises
    ------
    UsageError
        There is none of that name, it has no such parameter, another's does not load, or it is made for another
        number of classes.
    """
    spec = parse(strategy) if isinstance(strategy, str) else strategy
    made = _get(spec)
    for part in walk(made) if n_classes is not None else ():
        wanted = getattr(part, "n_classes", None)
        if wanted is not None and wanted != n_classes:
            raise UsageError(
                f"The strategy {part.name!r} is made for {wanted} classes, and there are {n_classes}."
            )
    return made


def _get(spec: Spec) -> Strategy:
    parts = [_get(part) for part in spec.parts]
    path = _BUILT_IN.get(spec.name) or _COMPOSED.get(spec.name)
    if path is not None:
        module, _, attribute = path.partition(":")
        maker = getattr(import_module(f"tasks.strategies.{module}"), attribute)
        return _make(maker, spec, parts)
    others = _registered()
    if spec.name in others:
        return _load(others[spec.name], spec, parts)
    known = names()
    close = get_close_matches(spec.name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(f"There is no strategy {spec.name!r}.{hint} There are: {', '.join(known)}.")


def names() -> tuple[str, ...]:
    """Names of all strategies that stand alone, ours first."""
    return (*_BUILT_IN, *sorted(set(_registered()) - set(_BUILT_IN) - set(_COMPOSED)))


def _make(maker: Any, spec: Spec, parts: list[Strategy]) -> Strategy:
    """Call what makes a strategy, after a look at what it takes."""
    takes = signature(maker).parameters
    several = any(one.kind is Parameter.VAR_POSITIONAL for one in takes.values())
    inside = [
        name for name, one in takes.items() if one.kind is not Parameter.VAR_POSITIONAL and _is_part(one)
    ]
    settable = [
        name
        for name, one in takes.items()
        if name not in (*inside, "name", "needs") and one.kind is not Parameter.VAR_POSITIONAL
    ]
    for name in spec.params:
        if name not in settable:
            known = f"It has {', '.join(settable)}." if settable else "It has none."
            raise UsageError(f"The strategy {spec.name!r} has no parameter {name!r}. {known}")
    required = [name for name in inside if takes[name].default is Parameter.empty]
    if len(parts) < len(required) or (len(parts) > len(inside) and not several):
        wanted = str(len(required)) if len(required) == len(inside) else f"{len(required)} to {len(inside)}"
        raise UsageError(f"The strategy {spec.name!r} takes {wanted} strategies inside it, not {len(parts)}.")
    try:
        made: Strategy = maker(*parts, **dict(spec.params))
    except TypeError as error:
        raise UsageError(f"The strategy {spec} has a parameter of the wrong type: {error}.") from error
    return made


def _is_part(parameter: Parameter) -> bool:
    """Whether a parameter is a strategy: their types are written as text, as everywhere here."""
    return "Strategy" in str(parameter.annotation)


def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint, spec: Spec, parts: list[Strategy]) -> Strategy:
    """Load another's strategy: an object, or a class or function that makes one."""
    try:
        found = point.load()
        made = isinstance(found, Strategy) and not isinstance(found, type)
        strategy = found if made else None if spec.params or parts else found()
    except Exception as error:  # whatever others' code raises while it is imported
        raise UsageError(f"The strategy {point.name!r} ({point.value}) does not load: {error}") from error
    if strategy is None:
        strategy = _make(found, spec, parts)
    elif made and (spec.params or parts):
        raise UsageError(f"The strategy {point.name!r} ({point.value}) is an object and takes no parameters.")
    if not isinstance(strategy, Strategy):
        raise UsageError(
            f"The strategy {point.name!r} ({point.value}) lacks one of name, needs, score, select and "
            "select_explained."
        )
    return strategy
