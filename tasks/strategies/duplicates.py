"""One of each kind of copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UsageError
from tasks.pool.sampling import hash_ids
from tasks.strategies.assembly import Assembly, Decorator, source_of
from tasks.strategies.base import Selection, Strategy, again
from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import check_needs
from tasks.strategies.geometry import finite, known_rows
from tasks.strategies.ranking import check_scores, check_size, tie_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

COPY = "copy"

_ROWS, _LEADERS = 512, 8192
# float32 products of equal rows end a little below 1.
_SLACK = 1e-6


@dataclass(frozen=True)
class Representatives(Decorator):
    """Another strategy, which chooses among one representative of each group of copies.

    Copies are exact where `Candidates.content` says so, and near where the cosine of two items' features is
    `near` or more. Near copies form groups around leaders (Hartigan, 1975): candidates in the order of the
    inner strategy's first stage, each of which joins the first leader that is near, or becomes one; what is
    equal or near to a known item is a copy of it. Other copies are chosen only when the representatives do not fill
    the batch; they come last, and their part says "copy".

    A uniform draw inside sees representatives only, so no pick carries a probability, and `random` itself is
    refused: its picks must stay a uniform sample of all items.

    Near copies cost candidates x leaders products, in memory that depends on neither: for shortlists, not
    for pools.

    Parameters
    ----------
    inner : Strategy
    near : float, optional
        Cosine above 0 and at most 1; exact copies only where it is left out.
    """

    inner: Strategy
    near: float | None = None
    name: str = "representatives"
    leaves_out: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.inner.name == "random":
            raise UsageError(
                "The strategy 'representatives' cannot go around 'random', whose picks must stay a uniform sample "
                "of all items. Put it around the other parts: 90% representatives(margin) + 10% random."
            )
        if self.near is not None and not 0 < self.near <= 1:
            raise UsageError(f"near must be a cosine above 0 and at most 1, not {self.near!r}.")

    @property
    def needs(self) -> frozenset[str]:
        """What the inner strategy needs, and features for near copies."""
        return self.inner.needs | ({"features"} if self.near is not None else frozenset())

    @property
    def uses(self) -> frozenset[str]:
        """What the inner strategy uses, contents, and known features for near copies."""
        near = {"known_features"} if self.near is not None else set()
        return (super().uses | {"content", "known_content"} | near) - self.needs

    def reach(self, k: int) -> int:
        """Ask for twice what the inner strategy wants: copies fall away."""
        return 2 * super().reach(k)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does; scores, clusters and parts are the inner strategy's."""
        check_size(len(candidates), k)
        check_needs(candidates, self.needs, self.name)
        first = self._representatives(candidates, rng)
        batch = Assembly(candidates, rng)
        chosen = batch.propose(self.inner, min(k, int(first.sum())), np.flatnonzero(first))
        batch.accept(chosen, part=source_of(self.inner))
        parts = chosen.parts is not None
        if batch.size < k:
            rest = np.flatnonzero(batch.free & ~first)
            batch.accept(
                batch.propose(self.inner, k - batch.size, rest), part=source_of(self.inner), note=COPY
            )
            parts = True
        return batch.result(parts=parts)

    def _representatives(self, candidates: Candidates, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Tell which candidates stand for their copies."""
        first = np.ones(len(candidates), np.bool_)
        if candidates.content is not None and candidates.known_content is not None:
            first = np.isin(candidates.content, candidates.known_content, invert=True)
        copied = np.zeros(0, np.int64) if candidates.content is None else _repeated(candidates.content)
        if not len(copied) and self.near is None:
            return first
        scores, key = self.inner.score(candidates, again(rng)), tie_key(again(rng))
        check_scores(scores)
        if len(copied):
            contents = np.asarray(candidates.content)[copied]
            order = np.lexsort((hash_ids(candidates.ids[copied], key), -scores[copied], contents))
            same = np.append(False, np.diff(contents[order]) == 0)
            first[copied[order[same]]] = False
        if self.near is not None:
            rows = np.flatnonzero(first)
            rows = rows[np.lexsort((hash_ids(candidates.ids[rows], key), -scores[rows]))]
            features = finite(candidates.features, "features")
            known = _directions(known_rows(candidates, features.shape[1]))
            first[rows[~leaders(_directions(features[rows]), self.near, known)]] = False
        return first


def leaders(rows: Floats, near: float, known: Floats) -> NDArray[np.bool_]:
    """Tell which rows lead a group: those that are near to no earlier leader and to no known row.

    Parameters
    ----------
    rows : float32 (n, e)
        Of length 1, in order.
    near : float
        Cosine from which on two rows are copies.
    known : float32 (m, e)
        Of length 1.

    Returns
    -------
    bool (n,)
    """
    from threadpoolctl import threadpool_limits

    near -= _SLACK
    leads = np.zeros(len(rows), np.bool_)
    found = np.empty_like(rows)
    size = 0
    with threadpool_limits(limits=1):
        for start in range(0, len(rows), _ROWS):
            block = rows[start : start + _ROWS]
            alone = np.flatnonzero(~(_near_any(block, known, near) | _near_any(block, found[:size], near)))
            alone = alone[_first_of(block[alone], near)]
            leads[start + alone] = True
            found[size : size + len(alone)] = block[alone]
            size += len(alone)
    return leads


def _near_any(rows: Floats, others: Floats, near: float) -> NDArray[np.bool_]:
    """Tell which rows are near to some other row; the matrix of cosines is made in parts."""
    result = np.zeros(len(rows), np.bool_)
    for start in range(0, len(others), _LEADERS):
        cosines = rows @ others[start : start + _LEADERS].T
        result |= cosines.max(axis=1) >= near
    return result


def _first_of(rows: Floats, near: float) -> NDArray[np.bool_]:
    """Tell which rows of a block are near to no earlier leader of it."""
    close = rows @ rows.T >= near
    covered = np.zeros(len(rows), np.bool_)
    leads = np.zeros(len(rows), np.bool_)
    for row in range(len(rows)):
        if not covered[row]:
            leads[row] = True
            covered |= close[row]
    return leads


def _directions(rows: Floats) -> Floats:
    """Scale rows to length 1; those of length 0, which have no direction, get one that they share."""
    # Large or tiny numbers would leave float32 when squared.
    largest = np.abs(rows).max(axis=1, initial=0)
    scaled = rows / np.where(largest > 0, largest, 1)[:, None]
    length = np.sqrt(np.square(scaled).sum(axis=1))
    scaled = scaled / np.where(length > 0, length, 1)[:, None]
    return np.column_stack([scaled, length == 0]).astype(np.float32)


def _repeated(content: NDArray[np.uint64]) -> Ints:
    """Positions of all contents that occur more than once."""
    order = np.argsort(content, kind="stable")
    same = np.diff(content[order]) == 0
    repeats = np.zeros(len(content), np.bool_)
    repeats[1:] |= same
    repeats[:-1] |= same
    return np.asarray(order[repeats], np.int64)
