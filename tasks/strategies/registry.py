"""Strategies by name: ours, and others' through the entry point group ``labelrounds.strategies``."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError
from tasks.strategies import uncertainty
from tasks.strategies.base import Strategy
from tasks.strategies.cluster import ClusterCover
from tasks.strategies.ranked import Ranked, uniform

GROUP = "labelrounds.strategies"


def get(name: str) -> Strategy:
    """Find a strategy.

    Parameters
    ----------
    name : str
        One of `names`.

    Raises
    ------
    UsageError
        There is none of that name, or another's does not load.
    """
    for strategy in _built_in():
        if strategy.name == name:
            return strategy
    others = _registered()
    if name in others:
        return _load(others[name])
    known = names()
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(f"There is no strategy {name!r}.{hint} There are: {', '.join(known)}.")


def names() -> tuple[str, ...]:
    """Names of all strategies, ours first."""
    ours = [strategy.name for strategy in _built_in()]
    return (*ours, *sorted(set(_registered()) - set(ours)))


def _built_in() -> tuple[Strategy, ...]:
    return (
        Ranked("random", frozenset(), uniform),
        _unsure("least_confidence", uncertainty.least_confidence),
        _unsure("margin", uncertainty.margin),
        _unsure("entropy", uncertainty.entropy),
        ClusterCover(),
    )


def _unsure(name: str, measure: Callable[[ArrayLike], NDArray[np.float32]]) -> Strategy:
    return Ranked(name, frozenset({"proba"}), lambda candidates, _: measure(np.asarray(candidates.proba)))


def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _load(point: EntryPoint) -> Strategy:
    """Load another's strategy: an object, or a class or function that makes one."""
    try:
        found = point.load()
        strategy = found() if isinstance(found, type) or not isinstance(found, Strategy) else found
    except Exception as error:  # whatever others' code raises while it is imported
        raise UsageError(f"The strategy {point.name!r} ({point.value}) does not load: {error}") from error
    if not isinstance(strategy, Strategy):
        raise UsageError(
            f"The strategy {point.name!r} ({point.value}) lacks one of name, needs, score, select and "
            "select_explained."
        )
    return strategy
