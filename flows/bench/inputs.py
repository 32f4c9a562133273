"""Candidates to measure strategies on: made up, but seen through a real model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tasks.models.boosting import BoostedModel
    from tasks.strategies import Candidates

CLASSES, LABELLED = 5, 500
# Five trees a round: a model of 100 trees.
ROUNDS = 20


@dataclass(frozen=True)
class Inputs:
    """A pool of rows, and what is labelled.

    Attributes
    ----------
    X : float32 (n, d)
    known_X : float32 (500, d)
    known_y : int64 (500,)
    model : BoostedModel
        Trained on what is labelled.
    """

    X: NDArray[np.float32]
    known_X: NDArray[np.float32]
    known_y: NDArray[np.int64]
    model: BoostedModel

    def candidates(self, fields: frozenset[str]) -> Candidates:
        """Describe the pool by the fields that a strategy reads."""
        from tasks.features.content import content_hash
        from tasks.models import train_committee
        from tasks.models.leaves import leaf_table
        from tasks.strategies import Candidates

        n, known = len(self.X), len(self.known_X)
        training: dict[str, Any] = {
            "X": self.known_X, "y": self.known_y, "n_classes": CLASSES, **_columns(self.X.shape[1]),
        }  # fmt: skip
        makers: dict[str, Callable[[], Any]] = {
            "proba": lambda: self.model.predict(self.X),
            "features": lambda: self.X,
            "leaves": lambda: self.model.leaves(self.X),
            "leaf_table": lambda: leaf_table(self.model),
            "committee_proba": lambda: train_committee(
                "bagged", **training, device="cpu", seed=0, params={"num_boost_round": ROUNDS, "nthread": 1}
            ).predict(self.X),
            "content": lambda: content_hash(self.X),
            "known_features": lambda: self.known_X,
            "known_proba": lambda: self.model.predict(self.known_X),
            "known_classes": lambda: self.known_y,
            "known_sources": lambda: np.full(known, "", object),
            "groups": lambda: np.arange(n) % 1000,
            "cost": lambda: np.ones(n, np.float32),
        }
        ids = np.array([f"item-{row}" for row in range(n)], dtype=object)
        return Candidates(ids=ids, **{name: makers[name]() for name in fields})


def make_inputs(rows: int, features: int, seed: int = 0) -> Inputs:
    """Make normally distributed rows of five classes by a noisy linear rule, and train a model on 500 of them."""
    from tasks.models.boosting import train

    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows + LABELLED, features), dtype=np.float32)
    known_X = X[rows:]
    noise = rng.gumbel(size=(LABELLED, CLASSES))
    known_y = (2 * known_X @ rng.standard_normal((features, CLASSES)) + noise).argmax(axis=1).astype(np.int64)
    model = train(
        known_X, known_y, n_classes=CLASSES, **_columns(features), device="cpu", seed=0,
        params={"num_boost_round": ROUNDS, "nthread": 1},
    )  # fmt: skip
    return Inputs(X[:rows], known_X, known_y, model)


def _columns(features: int) -> dict[str, Any]:
    return {"names": tuple(f"f{number}" for number in range(features)), "types": ("q",) * features}
