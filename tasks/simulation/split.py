"""What the arms of one repeat share: who measures, which labels are known first, which are answered wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.pool.sampling import purpose_key
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.vendors import Desk

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """One repeat's parts; positions are rows of the data.

    Attributes
    ----------
    pool, test : int64
        Rows to choose from, and rows that only measure.
    first : int64
        Rows of the pool whose labels are known before the first choice.
    answers : int64 (n,)
        The class that the first answer for each row says: the true one, or a wrong one.
    desk : Desk
        Gives these and further answers.
    seed : int
        Of the repeat's models and choices.
    """

    pool: Ints
    test: Ints
    first: Ints
    answers: Ints
    desk: Desk
    seed: int


def split(y: Ints, n_classes: int, protocol: SimulationProtocol, repeat: int) -> Split:
    """Split the data for one repeat; the strategy has no say in it.

    Test part: of each class the same share, rounded; of a class with two items or more at least one lies on
    each side, a single one in the pool.

    Parameters
    ----------
    y : int64 (n,)
    n_classes : int
    protocol : SimulationProtocol
    repeat : int

    Raises
    ------
    UsageError
        The pool is too small for the first labels and one batch.
    """
    seed = purpose_key(protocol.seed, f"simulation:{repeat}")
    test = _test_part(y, n_classes, protocol.test_fraction, _draws(seed, "test"))
    pool = np.setdiff1d(np.arange(len(y)), test)
    protocol.fitted(len(pool))
    first = np.sort(_draws(seed, "first labels").permutation(pool)[: protocol.seed_labels])
    desk = Desk.of(y, n_classes, protocol.noise, protocol.vendors, seed)
    return Split(pool, test, first, desk.nth(0)[0], desk, seed)


def _draws(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng(purpose_key(seed, purpose))


def _test_part(y: Ints, n_classes: int, share: float, rng: np.random.Generator) -> Ints:
    order = rng.permutation(len(y))
    parts = []
    for code in range(n_classes):
        own = order[y[order] == code]
        size = int(np.clip(round(share * len(own)), min(1, len(own) - 1), max(0, len(own) - 1)))
        parts.append(own[: max(0, size)])
    return np.sort(np.concatenate(parts))
