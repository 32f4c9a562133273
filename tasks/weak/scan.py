"""One pass of labeling functions over the pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.errors import UsageError
from tasks.pool.sampling import BottomK, IdSet, purpose_key
from tasks.weak.runner import Failure, Runner
from tasks.weak.votes import MOST_PATTERNS, VoteCounter, VoteCounts, Votes, abstain, plurality

SAMPLE = 2_000
"""Items with votes that weak examples are made of, at most."""

_FEWEST = 20
_ID, _VOTES = "id", "votes"


@dataclass(frozen=True)
class Scan:
    """What the functions said of a pool. Disabled functions abstain everywhere.

    Attributes
    ----------
    names, kinds : tuple of str (m,)
        The functions, and whether each is a ``rule`` or ``python``.
    counts : VoteCounts
        Of all items.
    ids : tuple of str (s,)
        A hashed sample of the items with votes, about as many of each class that most votes name.
    votes : int16 (s, m)
        Their votes.
    failures : mapping of str to Failure
        What went wrong, by function.
    broken : tuple of str
        Functions that are disabled.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    counts: VoteCounts
    ids: tuple[str, ...]
    votes: Votes
    failures: Mapping[str, Failure]
    broken: tuple[str, ...]

    def settle(self, votes: Votes) -> Votes:
        """Let the disabled functions abstain in votes (n, m) of other items."""
        return abstain(votes, [self.names.index(name) for name in self.broken])


def scan(
    tables: Iterable[pa.Table],
    runner: Runner,
    *,
    id: str,
    n_classes: int,
    seed: int,
    sample: int = SAMPLE,
    exclude: IdSet | None = None,
    patterns: int = MOST_PATTERNS,
) -> Scan:
    """Ask all labeling functions about all items, in memory that does not depend on their number.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        Chunks of the pool with all columns that the functions read. The result does not depend on how items are
        spread over them, or on their order, as far as functions look at nothing but their row and stay within
        their time.
    runner : Runner
        A fresh one, so that failures are of these tables.
    id : str
        The id column.
    n_classes : int
    seed : int
        Of the campaign.
    sample : int
        Items to make weak examples of, at most; with more than a hundred classes twenty a class.
    exclude : IdSet, optional
        Items that give no weak examples: those with a label, and the audit's.
    patterns : int
        Distinct votes to keep, about; beyond that votes are counted on a sample of the items.

    Raises
    ------
    UsageError
        The runner was used before, or `sample` is negative.
    """
    if runner.rows:
        raise UsageError("The runner was used before; a scan needs a fresh one.")
    if sample < 0:
        raise UsageError(f"sample must be at least 0, not {sample}.")
    m = len(runner.names)
    counter = VoteCounter(m, seed=seed, limit=patterns)
    share = max(_FEWEST, -(-sample // n_classes)) if sample else 0
    drawn = [BottomK(share, purpose_key(seed, "weak"), exclude=exclude) for _ in range(n_classes)]
    for table in tables:
        if table.num_rows:
            ids = table.column(id).cast(pa.string()).combine_chunks()
            votes = runner.votes(table, ids.to_pylist())
            counter.update(votes, ids)
            _draw(drawn, ids, votes, n_classes)
    return _settled(runner, counter.result(), _joined(drawn, m))


def _draw(drawn: list[BottomK], ids: pa.Array, votes: Votes, n_classes: int) -> None:
    ids = pa.concat_arrays(ids.chunks) if isinstance(ids, pa.ChunkedArray) else ids
    most = plurality(votes, n_classes)
    for label, sketch in enumerate(drawn):
        rows = np.flatnonzero(most == label)
        if len(rows):
            some = ids.take(pa.array(rows))
            cells = pa.array(np.ascontiguousarray(votes[rows]).ravel())
            lists = pa.FixedSizeListArray.from_arrays(cells, votes.shape[1])
            sketch.update(some, pa.table({_ID: some, _VOTES: lists}))


def _joined(drawn: list[BottomK], m: int) -> tuple[tuple[str, ...], Votes]:
    tables = [rows for sketch in drawn if (rows := sketch.result()) is not None and rows.num_rows]
    if not tables:
        return (), np.empty((0, m), np.int16)
    rows = pa.concat_tables(tables).combine_chunks()
    rows = rows.take(pc.sort_indices(rows.column(_ID)))
    cells = rows.column(_VOTES).combine_chunks()
    flat = (
        cells.flatten()
        if isinstance(cells, pa.Array)
        else pa.concat_arrays([c.flatten() for c in cells.chunks])
    )
    votes = np.asarray(flat.to_numpy(zero_copy_only=False), np.int16).reshape(-1, m)
    return tuple(rows.column(_ID).to_pylist()), votes


def _settled(runner: Runner, counts: VoteCounts, sampled: tuple[tuple[str, ...], Votes]) -> Scan:
    """Take the votes of disabled functions out, whichever rows they were cast on."""
    broken = runner.broken
    columns = [runner.names.index(name) for name in broken]
    ids, votes = sampled[0], abstain(sampled[1], columns)
    voted = np.flatnonzero((votes >= 0).any(axis=1))
    return Scan(
        names=runner.names,
        kinds=runner.kinds,
        counts=counts.without(columns),
        ids=tuple(ids[row] for row in voted),
        votes=votes[voted],
        failures=runner.failures,
        broken=broken,
    )
