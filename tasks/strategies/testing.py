"""The contract of a strategy as a test, for ours and for others' strategies.

Example
-------
>>> from tasks.strategies import get
>>> from tasks.strategies.testing import check_strategy
>>> check_strategy(get("margin"))
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import PoolExhausted, UsageError
from tasks.strategies.base import Strategy
from tasks.strategies.candidates import Candidates

_SEED = 20
_PER_ITEM = ("proba", "features", "leaves", "cost")


def make_candidates(n: int, *, seed: int = 0, n_classes: int = 3, width: int = 4) -> Candidates:
    """Make candidates with every field filled.

    Parameters
    ----------
    n : int
    seed : int
    n_classes, width : int
        Classes, and columns of `features`.
    """
    rng = np.random.default_rng(seed)
    return Candidates(
        ids=np.array([f"item-{number}" for number in range(n)], dtype=object),
        proba=rng.dirichlet(np.ones(n_classes), n).astype(np.float32),
        features=rng.normal(size=(n, width)).astype(np.float32),
        committee_proba=rng.dirichlet(np.ones(n_classes), (4, n)).astype(np.float32),
        leaves=rng.integers(0, 8, (n, 10)),
        cost=rng.uniform(1, 2, n).astype(np.float32),
        known_features=rng.normal(size=(5, width)).astype(np.float32),
    )


def check_strategy(strategy: Strategy) -> None:
    """Check what rounds rely on.

    Parameters
    ----------
    strategy : Strategy

    Raises
    ------
    AssertionError
        The strategy breaks the contract; the message says where.
    """
    assert isinstance(strategy, Strategy), "it lacks name, needs, score, select or select_explained"
    assert strategy.needs <= set(Candidates.__dataclass_fields__), f"unknown needs {set(strategy.needs)}"
    for seed in range(3):
        candidates = make_candidates(60, seed=seed)
        _check_sizes(strategy, candidates)
        _check_order(strategy, candidates)
        _check_chunks(strategy, candidates)
    _check_special_pools(strategy)
    _check_refusals(strategy)


def _select(strategy: Strategy, candidates: Candidates, k: int) -> NDArray[np.int64]:
    return strategy.select(candidates, k, np.random.default_rng(_SEED))


def _check_batch(strategy: Strategy, candidates: Candidates, k: int, where: str) -> None:
    """Check size, type, range and distinctness of a batch, and that a second run repeats it."""
    batch = _select(strategy, candidates, k)
    assert batch.dtype == np.int64, f"{where}: select gave {batch.dtype}, not int64"
    assert batch.shape == (k,), f"{where}: select gave shape {batch.shape} for k = {k}"
    assert len(np.unique(batch)) == k, f"{where}: an item was chosen twice"
    assert k == 0 or (batch.min() >= 0 and batch.max() < len(candidates)), f"{where}: no such position"
    again = _select(strategy, candidates, k)
    assert np.array_equal(batch, again), f"{where}: the same seed gave another batch"


def _check_sizes(strategy: Strategy, candidates: Candidates) -> None:
    for k in (0, 1, 7, len(candidates)):
        _check_batch(strategy, candidates, k, f"k = {k}")
    explained = strategy.select_explained(candidates, 7, np.random.default_rng(_SEED))
    assert np.array_equal(explained.positions, _select(strategy, candidates, 7)), "the explanation differs"
    assert explained.scores.shape == (7,), "one score an item is wanted"
    assert np.isfinite(explained.scores).all(), "a score is not finite"
    assert np.array_equal(explained.ranks, np.arange(1, 8)), "ranks go from 1 to k"
    assert explained.clusters is None or explained.clusters.shape == (7,), "one cluster an item is wanted"


def _check_order(strategy: Strategy, candidates: Candidates) -> None:
    shuffled = take(candidates, np.random.default_rng(1).permutation(len(candidates)))
    before = candidates.ids[_select(strategy, candidates, 9)]
    after = shuffled.ids[_select(strategy, shuffled, 9)]
    assert list(before) == list(after), "the batch depends on the order of the rows"


def _check_chunks(strategy: Strategy, candidates: Candidates) -> None:
    whole = strategy.score(candidates, np.random.default_rng(_SEED))
    assert whole.dtype == np.float32, f"score gave {whole.dtype}, not float32"
    assert whole.shape == (len(candidates),), f"score gave shape {whole.shape}"
    assert np.isfinite(whole).all(), "a score is not finite"
    for size in (1, 17):
        starts = range(0, len(candidates), size)
        chunks = [take(candidates, np.arange(s, min(s + size, len(candidates)))) for s in starts]
        parts = [strategy.score(chunk, np.random.default_rng(_SEED)) for chunk in chunks]
        assert np.array_equal(np.concatenate(parts), whole), f"scores of chunks of {size} rows differ"


def _check_special_pools(strategy: Strategy) -> None:
    plain = make_candidates(40)
    one_class = np.zeros((40, 3), np.float32)
    one_class[:, 1] = 1
    pools = {
        "one class only": replace(plain, proba=one_class, committee_proba=np.stack([one_class] * 4)),
        "constant scores": replace(plain, proba=np.full((40, 3), 1 / 3, np.float32)),
        "duplicates": _copies(take(plain, np.repeat(np.arange(4), 10))),
        "all equal": _copies(take(plain, np.zeros(40, np.int64))),
        "nothing known": replace(plain, known_features=np.zeros((0, 4), np.float32)),
    }
    for name, pool in pools.items():
        _check_batch(strategy, pool, 11, name)
        _check_order(strategy, pool)


def _check_refusals(strategy: Strategy) -> None:
    few = make_candidates(5)
    _check_raises(PoolExhausted, strategy, few, 6, "k > n")
    _check_raises(UsageError, strategy, few, -1, "k < 0")
    for name in sorted(strategy.needs):
        nothing: dict[str, Any] = {name: None}
        _check_raises(UsageError, strategy, replace(few, **nothing), 2, f"{name} is missing")
    for name in ("proba", "features"):
        broken = np.array(getattr(few, name))
        broken[2, 0] = np.nan
        with_nan: dict[str, Any] = {name: broken}
        pool = replace(few, **with_nan)
        if name in strategy.needs:
            _check_raises(UsageError, strategy, pool, 2, f"NaN in {name}")
        else:
            _check_batch(strategy, pool, 2, f"NaN in {name}, which it does not read")


def _check_raises(kind: type[Exception], strategy: Strategy, pool: Candidates, k: int, where: str) -> None:
    try:
        _select(strategy, pool, k)
    except kind:
        return
    raise AssertionError(f"{where}: {kind.__name__} is wanted")


def take(candidates: Candidates, positions: NDArray[np.integer[Any]]) -> Candidates:
    """Take rows of candidates; what is known stays."""
    changes: dict[str, Any] = {"ids": candidates.ids[positions]}
    for name in _PER_ITEM:
        value = getattr(candidates, name)
        changes[name] = None if value is None else value[positions]
    if candidates.committee_proba is not None:
        changes["committee_proba"] = candidates.committee_proba[:, positions]
    return replace(candidates, **changes)


def _copies(candidates: Candidates) -> Candidates:
    """Give rows that repeat an item ids of their own."""
    return replace(candidates, ids=np.array([f"copy-{n}" for n in range(len(candidates))], dtype=object))
