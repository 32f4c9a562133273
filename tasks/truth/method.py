"""What the methods have in common that learn of sources by sums over items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tasks.truth.answers import Answers, Belief, Doubles


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over items; those of some items can be taken out and put in again.

    Attributes
    ----------
    of_source : float64 (k, n_sources)
    of_class : float64 (n_classes,)
    total : float64 (m,)
    """

    of_source: Doubles
    of_class: Doubles
    total: Doubles

    def plus(self, other: Sums, sign: float = 1.0) -> Sums:
        """Add another's sums, or with -1 take them out; the other may know more sources."""
        wider = other.of_source.shape[1] - self.of_source.shape[1]
        ours = np.pad(self.of_source, ((0, 0), (0, max(0, wider))))
        theirs = np.pad(other.of_source, ((0, 0), (0, max(0, -wider))))
        return Sums(
            ours + sign * theirs,
            self.of_class + sign * other.of_class,
            self.total + sign * other.total,
        )


class Method(Protocol):
    """A method: what it sums up, what it learns from the sums, and what it believes then.

    Between calls it keeps nothing, so that a few items can be looked at again without the others.
    """

    @property
    def name(self) -> str:
        """As a campaign writes it."""

    def sums(self, answers: Answers, proba: Doubles, model: Doubles | None) -> Sums:
        """Sum up what is believed of the items and what their sources said."""

    def learn(self, sums: Sums) -> Any:
        """Give what is learnt of the sources, and of the model."""

    def stepped(self, learnt: Any) -> Method:
        """Go on from what was learnt."""

    def posterior(self, answers: Answers, learnt: Any, model: Doubles | None) -> Doubles:
        """Give what is then believed of the items, float64 (n_items, n_classes); rows sum to 1."""

    def belief(self, answers: Answers, proba: Doubles, learnt: Any) -> Belief:
        """Put it together."""


def shares(answers: Answers, model: Doubles | None) -> Doubles:
    """Give the shares of the votes, and the model's or even ones where there are none.

    The model breaks ties, but cannot turn a majority over.
    """
    even = np.full((answers.n_items, answers.n_classes), 1 / answers.n_classes) if model is None else model
    # A vote more outweighs whatever the model says.
    pull = np.where(answers.counts > 0, 1e-6, 1.0)[:, None]
    mixed = answers.votes + pull * even
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True))


def normal(logits: Doubles) -> Doubles:
    """Turn logarithms of odds into probabilities, row by row."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def slopes(power: float, logs: Doubles, proba: Doubles) -> tuple[float, float]:
    """Give the slope of the expected log-likelihood in the model's power, and how fast it falls."""
    raised = normal(power * logs)
    mean = (raised * logs).sum(axis=1)
    bend = (raised * np.square(logs)).sum(axis=1) - np.square(mean)
    return float(((proba * logs).sum(axis=1) - mean).sum()), float(bend.sum())
