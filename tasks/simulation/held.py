"""The answers that a simulated campaign holds, what it believes of them, and which it buys next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.simulation.choice import Labelled
from tasks.simulation.labeling import Labeling
from tasks.simulation.vendors import Desk, Ints
from tasks.truth import Answers, Belief, Plan, believe, doubt, plan, teaching

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Held:
    """Items with answers.

    Attributes
    ----------
    rows : int64 (m,)
        Rows of the data, in the order in which they were first answered.
    sources : object (m,)
        Which part of a strategy chose each.
    answers : Answers
        Of items numbered as in `rows`.
    """

    rows: Ints
    sources: NDArray[Any]
    answers: Answers

    @classmethod
    def nothing(cls, desk: Desk) -> Held:
        """Begin."""
        none = np.zeros(0, np.int64)
        return cls(none, np.zeros(0, object), Answers(none, none, none, 0, desk.n_vendors, desk.n_classes))

    def first(self, rows: Ints, sources: NDArray[Any], overlap: int, desk: Desk) -> Held:
        """Buy so many answers for fresh items."""
        known = len(self.rows)
        grown = Held(np.concatenate([self.rows, rows]), np.concatenate([self.sources, sources]), self.answers)
        items = np.arange(known, known + len(rows))
        for n in range(overlap):
            grown = grown._answered(items, np.full(len(items), n), desk)
        return grown

    def again(self, items: Ints, desk: Desk) -> Held:
        """Buy one answer more for items that have some."""
        return self._answered(items, self.answers.counts[items], desk)

    def _answered(self, items: Ints, nth: Ints, desk: Desk) -> Held:
        label, vendor = np.zeros(len(items), np.int64), np.zeros(len(items), np.int64)
        for n in np.unique(nth):
            here = nth == n
            labels, vendors = desk.nth(int(n))
            label[here], vendor[here] = labels[self.rows[items[here]]], vendors[self.rows[items[here]]]
        more = Answers(items, vendor, label, len(self.rows), desk.n_vendors, desk.n_classes)
        return Held(self.rows, self.sources, self.answers.plus(more))

    def believed(self, labeling: Labeling, model: Floats | None) -> Belief:
        """Infer labels; `model` is what models that did not learn from an item say of it, float (m, n_classes)."""
        return believe(self.answers, labeling.method, model)

    def labelled(self, belief: Belief) -> Labelled:
        """Give what strategies see and models learn from."""
        return Labelled(self.rows, belief.labels, self.sources, teaching(self.answers, belief))

    def planned(self, belief: Belief, fresh: Floats, k: int, labeling: Labeling) -> Plan:
        """Share k answers between these items and fresh ones, of which the model says `fresh`."""
        counts = self.answers.counts
        return plan(doubt(belief, fresh), counts, k, labeling.relabel, at_most=labeling.max_answers)
