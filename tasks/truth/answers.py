"""What was answered, and what is believed of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.errors import UsageError

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Answers:
    """Who said what of which item; the order of the answers tells nothing.

    Attributes
    ----------
    item, source, label : int64 (n,)
        Codes from 0. A source is whoever errs in a way of its own: a vendor, or an annotator.
    n_items, n_sources, n_classes : int

    Raises
    ------
    UsageError
        A code is out of range, or the arrays differ in length.
    """

    item: Ints
    source: Ints
    label: Ints
    n_items: int
    n_sources: int
    n_classes: int

    def __post_init__(self) -> None:
        if self.n_classes < 2:
            raise UsageError(f"Answers need at least two classes to choose from, not {self.n_classes}.")
        for name, most in (
            ("item", self.n_items),
            ("source", self.n_sources),
            ("label", self.n_classes),
        ):
            object.__setattr__(self, name, _codes(getattr(self, name), most, name))
        if not len(self.item) == len(self.source) == len(self.label):
            lengths = f"{len(self.item)} items, {len(self.source)} sources, {len(self.label)} labels"
            raise UsageError(f"Each answer needs an item, a source and a label, not {lengths}.")

    def __len__(self) -> int:
        return len(self.item)

    @cached_property
    def counts(self) -> Ints:
        """Answers of each item, int64 (n_items,)."""
        return np.bincount(self.item, minlength=self.n_items)

    @cached_property
    def votes(self) -> Doubles:
        """Answers of each item for each class, float64 (n_items, n_classes)."""
        return self.tally(np.ones(self.n_sources))

    def tally(self, weight: Doubles) -> Doubles:
        """Add up weighted answers of each item for each class.

        Parameters
        ----------
        weight : float64 (n_sources,)
            What an answer of each source counts.

        Returns
        -------
        float64 (n_items, n_classes)
        """
        size = self.n_items * self.n_classes
        return _sums(self.item * self.n_classes + self.label, weight[self.source], size).reshape(
            self.n_items, self.n_classes
        )

    def per_item(self, weight: Doubles) -> Doubles:
        """Add up the weights of each item's sources, float64 (n_items,)."""
        return _sums(self.item, weight[self.source], self.n_items)

    def per_source(self, value: Doubles) -> Doubles:
        """Add up a value of each answer by its source, float64 (n_sources,)."""
        return _sums(self.source, value, self.n_sources)

    def of_items(self, items: Ints) -> Answers:
        """Give the answers of some items, which are numbered in the order given.

        Parameters
        ----------
        items : int64 (k,)
            Codes, all different.
        """
        place = np.full(self.n_items, -1, np.int64)
        place[items] = np.arange(len(items))
        found = place[self.item]
        kept = found >= 0
        return Answers(
            found[kept], self.source[kept], self.label[kept], len(items), self.n_sources, self.n_classes
        )

    def plus(self, more: Answers) -> Answers:
        """Add answers; items and sources may be new, with codes after the known ones."""
        if more.n_classes != self.n_classes:
            raise UsageError(f"Answers of {self.n_classes} and {more.n_classes} classes do not mix.")
        return Answers(
            np.concatenate([self.item, more.item]),
            np.concatenate([self.source, more.source]),
            np.concatenate([self.label, more.label]),
            max(self.n_items, more.n_items),
            max(self.n_sources, more.n_sources),
            self.n_classes,
        )


def _sums(code: Ints, value: Doubles, size: int) -> Doubles:
    return np.asarray(np.bincount(code, weights=value, minlength=size), np.float64)


def _codes(values: ArrayLike, most: int, name: str) -> Ints:
    found = np.asarray(values)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise UsageError(f"The {name}s of answers must be whole numbers in one row, not {found.dtype}.")
    if found.size and (found.min() < 0 or found.max() >= most):
        raise UsageError(
            f"The {name}s of answers must be 0 to {most - 1}, not {found.min()} to {found.max()}."
        )
    return found.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of each item, and of each source.

    Attributes
    ----------
    method : str
        Who inferred it, of `tasks.truth.METHODS` without ``auto``.
    proba : float64 (n_items, n_classes)
        Rows sum to 1; of an item without answers what is believed before one came.
    counts : int64 (n_items,)
        Answers of each item.
    accuracy : float64 (n_sources,)
        The estimated chance that an answer of the source is right; what is usual where too little is known.
    weight : float64 (n_sources,)
        What an answer counts, in the method's own unit: log odds with one_coin, 0 to 1 with crowdlab. With
        dawid_skene, which knows no single weight, the accuracy.
    model_weight : float
        What the model counts in the same unit; 0 where there was none.
    """

    method: str
    proba: Doubles
    counts: Ints
    accuracy: Doubles
    weight: Doubles
    model_weight: float = 0.0

    @cached_property
    def labels(self) -> Ints:
        """The most probable class, the first at a tie; -1 where an item has no answer."""
        return np.where(self.counts > 0, self.proba.argmax(axis=1), -1)

    @cached_property
    def confidence(self) -> Doubles:
        """The label's probability; 0 where an item has no answer."""
        return np.where(self.counts > 0, self.proba.max(axis=1), 0.0)


def check_model(model_proba: ArrayLike | None, answers: Answers) -> Doubles | None:
    """Give the model's probabilities as float64 with rows that sum to 1; None where there are none.

    Raises
    ------
    UsageError
        Another shape than (n_items, n_classes), or values that are no probabilities.
    """
    if model_proba is None:
        return None
    found = np.asarray(model_proba, np.float64)
    wanted = (answers.n_items, answers.n_classes)
    if found.shape != wanted:
        raise UsageError(f"The model's probabilities must have the shape {wanted}, not {found.shape}.")
    if not (np.isfinite(found).all() and (found >= 0).all() and (found.sum(axis=1) > 0).all()):
        raise UsageError("The model's probabilities must be finite, not negative, and not all 0 for an item.")
    return np.asarray(found / found.sum(axis=1, keepdims=True))
