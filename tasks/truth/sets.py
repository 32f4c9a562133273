"""What to believe where a label is a set of classes: each class by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from tasks.errors import UsageError
from tasks.truth.answers import Answers, Belief, Doubles, Ints
from tasks.truth.believe import believe
from tasks.truth.labelset import Indicators, check_indicators


@dataclass(frozen=True, eq=False)
class SetBelief:
    """What is believed of the items' sets.

    Attributes
    ----------
    per_label : tuple of Belief (n_labels,)
        Of the two classes *not there* and *there*.
    """

    per_label: tuple[Belief, ...]

    @cached_property
    def proba(self) -> Doubles:
        """The chance that the item has the class, float64 (n_items, n_labels)."""
        return np.column_stack([one.proba[:, 1] for one in self.per_label])

    @property
    def counts(self) -> Ints:
        """Answers of each item, int64 (n_items,)."""
        return self.per_label[0].counts

    @cached_property
    def labels(self) -> Indicators:
        """1 where the class is more probable there than not; all 0 without answers. Ties say no."""
        return ((self.proba > 0.5) & (self.counts > 0)[:, None]).astype(np.int8)

    @cached_property
    def confidence(self) -> Doubles:
        """The least over the classes, float64 (n_items,): a set is as sure as what is least sure of it."""
        sure = np.maximum(self.proba, 1 - self.proba).min(axis=1)
        return np.where(self.counts > 0, sure, 0.0)

    @cached_property
    def accuracy(self) -> Doubles:
        """Of the sources, by class, float64 (n_labels, n_sources)."""
        return np.stack([one.accuracy for one in self.per_label])


def believe_sets(
    item: ArrayLike,
    source: ArrayLike,
    named: ArrayLike,
    *,
    n_items: int,
    n_sources: int,
    method: str = "auto",
    model_proba: ArrayLike | None = None,
) -> SetBelief:
    """Infer sets from answers that are sets.

    Parameters
    ----------
    item, source : int (n,)
        Codes from 0.
    named : int8 (n, n_labels)
        1 where the answer names the class.
    n_items, n_sources : int
    method : str
        As for `tasks.truth.believe`.
    model_proba : float (n_items, n_labels), optional
        The chance that the item has the class, by a model that did not learn from the item; a column with NaN is of a
        class that has no model.

    Raises
    ------
    UsageError
        Arrays that do not fit together.
    """
    sets = check_indicators(named)
    items, sources = np.asarray(item), np.asarray(source)
    if sets.shape[0] != len(items):
        raise UsageError(f"There are {len(items)} items and {sets.shape[0]} sets of answers.")
    chances = None if model_proba is None else np.asarray(model_proba, np.float64)
    if chances is not None and chances.shape != (n_items, sets.shape[1]):
        raise UsageError(
            f"The model's chances must have the shape {(n_items, sets.shape[1])}, not {chances.shape}."
        )
    found = []
    for place, column in enumerate(sets.T):
        answers = Answers(items, sources, column.astype(np.int64), n_items, n_sources, 2)
        found.append(believe(answers, method, None if chances is None else _both(chances[:, place])))
    return SetBelief(tuple(found))


def _both(chance: Doubles) -> Doubles | None:
    return np.column_stack([1 - chance, chance]) if np.isfinite(chance).all() else None
