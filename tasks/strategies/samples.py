"""Made-up candidates, plain and awkward, for tests of strategies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tasks.models.leaves import LeafTable
from tasks.strategies.candidates import Candidates


def make_candidates(n: int, *, seed: int = 0, n_classes: int = 3, width: int = 4) -> Candidates:
    """Make candidates with every field filled.

    Parameters
    ----------
    n : int
    seed : int
    n_classes, width : int
        Classes, and columns of `features`.

    Returns
    -------
    Candidates
        With five known items, two of them in flight.
    """
    rng = np.random.default_rng(seed)
    table = _make_leaf_table(rng.spawn(1)[0], n_classes)
    return Candidates(
        ids=np.array([f"item-{number}" for number in range(n)], dtype=object),
        proba=rng.dirichlet(np.ones(n_classes), n).astype(np.float32),
        features=rng.normal(size=(n, width)).astype(np.float32),
        committee_proba=rng.dirichlet(np.ones(n_classes), (4, n)).astype(np.float32),
        leaves=rng.integers(0, table.value.shape[1], (n, table.n_trees)).astype(np.int32),
        leaf_table=table,
        cost=rng.uniform(1, 2, n).astype(np.float32),
        content=rng.integers(0, 2**63, n).astype(np.uint64),
        groups=np.array([f"group-{number}" for number in range(4)], dtype=object)[rng.integers(0, 4, n)],
        known_features=rng.normal(size=(5, width)).astype(np.float32),
        known_proba=rng.dirichlet(np.ones(n_classes), 5).astype(np.float32),
        known_classes=np.array([0, 1, -1, 0, -1]),
        known_sources=np.array(["", "margin", "random", "margin", ""], dtype=object),
        known_content=np.arange(5, dtype=np.uint64) + np.uint64(10**6),
    )


def special_pools(n: int) -> dict[str, Candidates]:
    """Make pools of n candidates on which strategies have failed, by what is special in them."""
    plain = make_candidates(n)
    one_class = np.zeros((n, 3), np.float32)
    one_class[:, 1] = 1
    equal = np.full((n, 3), 1 / 3, np.float32)
    few = np.arange(n) % 4
    return {
        "one class only": replace(
            plain,
            proba=one_class,
            committee_proba=np.stack([one_class] * 4),
            known_proba=one_class[:5],
            known_classes=np.ones(5, np.int64),
        ),
        "constant scores": replace(
            plain,
            proba=equal,
            committee_proba=np.stack([equal] * 4),
            features=np.zeros_like(plain.features),
            leaves=np.zeros_like(plain.leaves),
        ),
        "exact duplicates": _copies(plain.take(few)),
        "all equal": _copies(plain.take(np.zeros(n, np.int64))),
        "all known items in flight": replace(plain, known_classes=np.full(5, -1)),
        "nothing known": replace(plain, **_known_of(plain, 0)),
        "nothing said of what is known": replace(plain, **_known_of(plain, None)),
    }


def _copies(candidates: Candidates) -> Candidates:
    """Give rows that repeat an item ids of their own."""
    return replace(candidates, ids=np.array([f"copy-{n}" for n in range(len(candidates))], dtype=object))


def _known_of(candidates: Candidates, size: int | None) -> dict[str, Any]:
    """Give the known items' fields cut to a size, or None each."""
    names = [name for name in Candidates.__dataclass_fields__ if name[:6] == "known_"]
    return {name: None if size is None else getattr(candidates, name)[:size] for name in names}


def _make_leaf_table(rng: np.random.Generator, n_classes: int) -> LeafTable:
    """Make four rounds of trees whose eight nodes are all leaves."""
    outputs, rounds, nodes = 1 if n_classes == 2 else n_classes, 4, 8
    trees = outputs * rounds
    return LeafTable(
        value=rng.normal(0, 0.3, (trees, nodes)),
        hessian=rng.uniform(0.5, 20, (trees, nodes)),
        group=np.tile(np.arange(outputs), rounds),
        round=np.repeat(np.arange(rounds), outputs),
        base_margin=np.zeros(outputs),
        learning_rate=0.1,
        reg_lambda=1.0,
        min_child_weight=0.5,
        class_weight=np.ones(n_classes),
        n_classes=n_classes,
    )
