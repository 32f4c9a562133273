"""The contract of a strategy as a test, for ours and for others' strategies.

Example
-------
>>> from tasks.strategies import get
>>> from tasks.strategies.testing import check_strategy
>>> check_strategy(get("margin"))
"""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.errors import PoolExhausted, UsageError
from tasks.strategies.base import Strategy, score_needs, stages, wants
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranking import tie_key
from tasks.strategies.samples import make_candidates, special_pools
from tasks.strategies.shortlist import Shortlist

__all__ = ["check_strategy", "make_candidates", "take"]

_SEED = 20
# A batch x pool matrix of float32 would take 40 MB, a pool x pool one of bits 50 MB.
_ROWS, _BATCH, _CEILING = 20_000, 500, 32 * 2**20


def check_strategy(strategy: Strategy) -> None:
    """Check what rounds rely on.

    An error that the strategy raises where it should choose comes through as it is.

    Parameters
    ----------
    strategy : Strategy

    Raises
    ------
    AssertionError
        The strategy breaks the contract; the message says where.
    """
    assert isinstance(strategy, Strategy), "it lacks name, needs, score, select or select_explained"
    fields = set(Candidates.__dataclass_fields__) - {"ids"}
    assert wants(strategy) <= fields, f"unknown fields {set(wants(strategy) - fields)}"
    assert score_needs(strategy) <= wants(strategy), "score_needs names fields that are not in needs or uses"
    for seed in range(2):
        candidates = make_candidates(60, seed=seed, n_classes=3 - seed)
        _check_sizes(strategy, candidates)
        _check_explanation(strategy, candidates)
        _check_order(strategy, candidates, "a pool")
        for stage in stages(strategy):
            _check_chunks(stage, candidates)
        _check_shards(strategy, candidates)
    for name, pool in special_pools(40).items():
        _check_batch(strategy, pool, 11, name)
        _check_order(strategy, pool, name)
    _check_refusals(strategy)
    _check_broken_fields(strategy)
    _check_memory(strategy)


def take(candidates: Candidates, positions: NDArray[np.integer[Any]]) -> Candidates:
    """Take rows of candidates; what is known stays."""
    return candidates.take(positions)


def _rng() -> np.random.Generator:
    return np.random.default_rng(_SEED)


def _select(strategy: Strategy, candidates: Candidates, k: int) -> NDArray[np.int64]:
    return strategy.select(candidates, k, _rng())


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
    for k in (0, 1, 2, 3, 7, len(candidates)):
        _check_batch(strategy, candidates, k, f"k = {k}")


def _check_explanation(strategy: Strategy, candidates: Candidates) -> None:
    explained = strategy.select_explained(candidates, 7, _rng())
    assert np.array_equal(explained.positions, _select(strategy, candidates, 7)), "the explanation differs"
    assert explained.scores.shape == (7,), "one score an item is wanted"
    assert explained.scores.dtype == np.float32, f"the scores are {explained.scores.dtype}, not float32"
    assert np.isfinite(explained.scores).all(), "a score is not finite"
    assert np.array_equal(explained.ranks, np.arange(1, 8)), "ranks go from 1 to k"
    for name in ("clusters", "parts", "drawn"):
        reason = getattr(explained, name)
        assert reason is None or reason.shape == (7,), f"{name}: one for each item is wanted"
    drawn = explained.drawn
    if drawn is not None:
        assert (np.isnan(drawn) | ((drawn > 0) & (drawn <= 1))).all(), "drawn holds no probability"


def _check_order(strategy: Strategy, candidates: Candidates, where: str) -> None:
    shuffled = candidates.take(np.random.default_rng(1).permutation(len(candidates)))
    before = candidates.ids[_select(strategy, candidates, 9)]
    after = shuffled.ids[_select(strategy, shuffled, 9)]
    assert list(before) == list(after), f"{where}: the batch depends on the order of the rows"


def _check_chunks(stage: Strategy, candidates: Candidates) -> None:
    """Check scores row by row, also of candidates that have what `score_needs` names and nothing else."""
    read: dict[str, Any] = {name: getattr(candidates, name) for name in score_needs(stage)}
    for rows in (candidates, Candidates(candidates.ids, **read)):
        whole = stage.score(rows, _rng())
        assert whole.dtype == np.float32, f"score gave {whole.dtype}, not float32"
        assert whole.shape == (len(rows),), f"score gave shape {whole.shape}"
        assert np.isfinite(whole).all(), "a score is not finite"
        assert stage.score(rows.take(np.arange(0)), _rng()).shape == (0,), "no rows have no scores"
        for size in (1, 17):
            chunks = [rows.take(np.arange(s, min(s + size, len(rows)))) for s in range(0, len(rows), size)]
            scores = np.concatenate([stage.score(chunk, _rng()) for chunk in chunks])
            assert np.array_equal(scores, whole), f"scores of chunks of {size} rows differ"


def _check_shards(strategy: Strategy, candidates: Candidates) -> None:
    """Check that shards' shortlists, merged, lead to the batch of one look at the whole."""
    n = len(candidates)
    one, halves, thirds = (
        np.unique(np.concatenate([_shortlisted(stage, candidates, cuts) for stage in stages(strategy)]))
        for cuts in ([], [n // 2], [5, n // 3])
    )
    whole = candidates.ids[one][_select(strategy, candidates.take(one), 9)]
    for rows in (halves, thirds[::-1]):
        batch = candidates.ids[rows][_select(strategy, candidates.take(rows), 9)]
        assert list(batch) == list(whole), "the batch depends on how the pool is cut into shards"


def _shortlisted(stage: Strategy, candidates: Candidates, cuts: list[int]) -> NDArray[np.int64]:
    """Rows of the shortlist that is merged from one of each shard."""
    key = tie_key(_rng())
    merged = Shortlist(30, key)
    for rows in np.split(np.arange(len(candidates)), cuts):
        shard = candidates.take(rows)
        table = pa.table({"row": rows})
        merged.merge(Shortlist(30, key).update(stage.score(shard, _rng()), shard.ids, table))
    result = merged.result()
    assert result is not None
    return np.asarray(result.column("row").to_numpy())


def _check_refusals(strategy: Strategy) -> None:
    few = make_candidates(5)
    _check_raises(PoolExhausted, strategy, few, 6, "k > n")
    _check_raises(PoolExhausted, strategy, few.take(np.arange(0)), 1, "no candidates")
    _check_raises(UsageError, strategy, few, -1, "k < 0")
    _check_batch(strategy, few.take(np.arange(0)), 0, "no candidates, k = 0")
    for name in sorted(strategy.needs):
        nothing: dict[str, Any] = {name: None}
        _check_raises(UsageError, strategy, replace(few, **nothing), 2, f"{name} is missing")


def _check_broken_fields(strategy: Strategy) -> None:
    """Check that NaN is refused in what is read and no matter in what is not."""
    few = make_candidates(5)
    for name in ("proba", "features", "committee_proba"):
        broken = np.array(getattr(few, name))
        broken[..., 2, 0] = np.nan
        with_nan: dict[str, Any] = {name: broken}
        pool = replace(few, **with_nan)
        if name in strategy.needs:
            _check_raises(UsageError, strategy, pool, 2, f"NaN in {name}")
        elif name not in wants(strategy):
            _check_batch(strategy, pool, 2, f"NaN in {name}, which it does not read")


def _check_memory(strategy: Strategy) -> None:
    candidates = make_candidates(_ROWS)
    _select(strategy, candidates, 2)  # what is imported on first use is not what choosing takes
    tracemalloc.start()
    try:
        for stage in stages(strategy):
            stage.score(candidates, _rng())
        _select(strategy, candidates, _BATCH)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < _CEILING, (
        f"choosing {_BATCH} of {_ROWS} took {peak / 2**20:.0f} MiB of memory, more than {_CEILING // 2**20}: "
        "a matrix of pool x pool or of pool x batch?"
    )


def _check_raises(kind: type[Exception], strategy: Strategy, pool: Candidates, k: int, where: str) -> None:
    try:
        _select(strategy, pool, k)
    except kind:
        return
    raise AssertionError(f"{where}: {kind.__name__} is wanted")
