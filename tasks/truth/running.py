"""Beliefs that take new answers in at the cost of the items that these touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tasks.errors import UsageError
from tasks.truth.answers import Answers, Belief, Doubles, check_model
from tasks.truth.believe import fit, method_of
from tasks.truth.method import Method, Sums

# Rounds over the touched items: their own beliefs and the sources' move little after the second.
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Running:
    """Answers so far, and what is believed; `plus` gives the next state, this one stays as it is.

    What is learnt of sources is kept as sums over items: those of the touched items are taken out, the items are looked
    at again, and their new sums put in. Beliefs of other items stay those of the last look at them, so after many
    answers they lag a little behind what is now known of sources: `refreshed` looks at all of them again.

    Attributes
    ----------
    answers : Answers
    belief : Belief
    model : float64 (n_items, n_classes) or None
    """

    answers: Answers
    belief: Belief
    model: Doubles | None
    method: Method
    learnt: Any
    sums: Sums

    @classmethod
    def of(cls, answers: Answers, method: str = "auto", model_proba: ArrayLike | None = None) -> Running:
        """Begin with a full run.

        Raises
        ------
        UsageError
            As `believe`; or a method other than ``auto``, ``witness`` and ``crowdlab``, which are no sums over items.
        """
        if method not in ("auto", "witness", "crowdlab"):
            raise UsageError(
                f"The truth method {method!r} needs a full run; auto, witness and crowdlab can go on."
            )
        model = check_model(model_proba, answers)
        belief, (state, learnt) = fit(method_of(method, model), answers, model)
        return cls(answers, belief, model, state, learnt, state.sums(answers, belief.proba, model))

    def plus(self, more: Answers, model_proba: ArrayLike | None = None) -> Running:
        """Take answers in.

        Parameters
        ----------
        more : Answers
            Codes as before; new items and sources have codes after the known ones.
        model_proba : float (n_items, n_classes), optional
            A model's, of all items; else what was given before, and even odds for new items.
        """
        answers = self.answers.plus(more)
        model = self._model(answers, model_proba)
        items = np.unique(more.item)
        known = items[items < self.answers.n_items]
        before = self.answers.of_items(known)
        rest = self.sums.plus(
            self.method.sums(before, self.belief.proba[known], _rows(self.model, known)), -1.0
        )
        touched, seen = answers.of_items(items), _rows(model, items)
        found = self.method.posterior(touched, self._grown(answers.n_sources), seen)
        for _ in range(_ROUNDS):
            sums = rest.plus(self.method.sums(touched, found, seen))
            learnt = self.method.learn(sums)
            found = self.method.posterior(touched, learnt, seen)
        proba = self._padded(answers, model)
        proba[items] = found
        sums = rest.plus(self.method.sums(touched, found, seen))
        belief = self.method.belief(answers, proba, learnt)
        return Running(answers, belief, model, self.method, learnt, sums)

    def refreshed(self, model_proba: ArrayLike | None = None) -> Running:
        """Look at all items again: the same as a full run over all answers."""
        given = self.model if model_proba is None else model_proba
        return Running.of(self.answers, self.method.name, given)

    def _model(self, answers: Answers, model_proba: ArrayLike | None) -> Doubles | None:
        if model_proba is not None:
            return check_model(model_proba, answers)
        return None if self.model is None else _padded(self.model, answers)

    def _padded(self, answers: Answers, model: Doubles | None) -> Doubles:
        proba = _padded(self.belief.proba, answers)
        fresh = np.arange(self.answers.n_items, answers.n_items)
        if model is not None:
            proba[fresh] = model[fresh]
        return proba

    def _grown(self, n_sources: int) -> Any:
        """Learn once more, with room for new sources."""
        wider = np.pad(self.sums.of_source, ((0, 0), (0, n_sources - self.answers.n_sources)))
        return self.method.learn(Sums(wider, self.sums.of_class, self.sums.total))


def _rows(model: Doubles | None, items: Any) -> Doubles | None:
    return None if model is None else model[items]


def _padded(rows: Doubles, answers: Answers) -> Doubles:
    fresh = answers.n_items - len(rows)
    even = np.full((fresh, answers.n_classes), 1 / answers.n_classes)
    return np.concatenate([rows, even])
