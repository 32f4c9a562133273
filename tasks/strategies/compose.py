"""What a campaign adds to its strategy: exploration, one of each kind of copies, quotas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tasks.strategies.base import Strategy
from tasks.strategies.duplicates import Representatives
from tasks.strategies.explore import Explore
from tasks.strategies.quotas import Quotas
from tasks.strategies.ranked import random
from tasks.strategies.shares import Shares


@dataclass(frozen=True)
class Additions:
    """What is added to a strategy.

    Attributes
    ----------
    explore : float
        Share of each batch that is drawn uniformly from all candidates.
    copies : bool
        Whether exact copies of an item may be chosen beside it.
    near : float or None
        Cosine of features from which on two items count as copies too.
    per_class : float
        Largest share of a batch from one predicted class.
    per_group : int or None
        Most items of a batch from one group.
    """

    explore: float = 0.0
    copies: bool = False
    near: float | None = None
    per_class: float = 1.0
    per_group: int | None = None


NEAR = 0.98
"""Cosine from which on texts and embeddings count as copies, where a campaign does not say."""


def compose(strategy: Strategy, additions: Additions) -> Strategy:
    """Add to a strategy what the campaign wants; uniform draws stay uniform."""
    if additions.explore:
        strategy = Explore(strategy, additions.explore)
    if isinstance(strategy, Explore):
        return replace(strategy, inner=compose(strategy.inner, replace(additions, explore=0.0)))
    if not isinstance(strategy, Shares):
        return _decorate(strategy, additions)
    # What is drawn at random is one share; the others together are one more, so that copies are seen across them.
    drawn = sum(share for part, share in _flat(strategy) if part.name == "random")
    chosen = [(part, share) for part, share in _flat(strategy) if part.name != "random"]
    if not chosen:
        return random()
    parts = tuple(part for part, _ in chosen)
    inner = parts[0] if len(parts) == 1 else Shares(*parts, shares=tuple(s / (1 - drawn) for _, s in chosen))
    decorated = _decorate(inner, additions)
    return Shares(decorated, random(), shares=(1 - drawn, drawn)) if drawn else decorated


def _flat(strategy: Strategy) -> Iterator[tuple[Strategy, float]]:
    """Give the parts of shares within shares, each with its share of the whole."""
    if not isinstance(strategy, Shares):
        yield strategy, 1.0
        return
    for part, share in zip(strategy.parts, strategy.shares, strict=True):
        for one, of_part in _flat(part):
            yield one, share * of_part


def _decorate(strategy: Strategy, additions: Additions) -> Strategy:
    if strategy.name == "random":
        return strategy
    if not additions.copies:
        strategy = Representatives(strategy, near=additions.near)
    if additions.per_class < 1 or additions.per_group is not None:
        strategy = Quotas(strategy, per_class=additions.per_class, per_group=additions.per_group)
    return strategy
