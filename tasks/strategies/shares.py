"""Several strategies, each with its share of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.errors import PoolExhausted, UsageError
from tasks.strategies import base
from tasks.strategies.apportion import by_lot, in_turn, largest_remainder
from tasks.strategies.assembly import Assembly, source_of
from tasks.strategies.base import Selecting, Selection, Strategy, again
from tasks.strategies.candidates import Candidates
from tasks.strategies.classes import check_needs
from tasks.strategies.ranking import check_size, tie_key

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, init=False)
class Shares(Selecting):
    """Shares of a batch, each chosen by a strategy of its own.

    Whole numbers come by largest remainder. Parts named ``random`` draw first, from all candidates, so that
    their picks are a uniform sample of them; then the others choose from what is left, in the order
    written, each seeing the earlier picks as in flight. A part that cannot fill its share leaves it to the
    others. Ranks go round the parts, so that a batch that is cut short keeps the shares.

    Parameters
    ----------
    *strategies : Strategy
    shares : sequence of float
        One for each part, above 0, adding up to 1.
    """

    parts: tuple[Strategy, ...]
    shares: tuple[float, ...]

    def __init__(
        self,
        *strategies: Strategy,
        shares: Sequence[float] = (0.6, 0.3, 0.1),
        parts: tuple[Strategy, ...] = (),
    ) -> None:
        parts = strategies or parts  # by name where `dataclasses.replace` passes them
        if len(parts) != len(shares):
            raise UsageError(
                f"Each strategy needs its share: {len(parts)} strategies and {len(shares)} shares are given."
            )
        if not parts or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
            raise UsageError(f"Shares must be above 0 and add up to 1, not {tuple(shares)}.")
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "shares", tuple(float(share) for share in shares))

    @property
    def name(self) -> str:
        """Shares and names, ``60% margin + 30% kcenter + 10% random``."""
        names = [source_of(part) for part in self.parts]
        texts = [f"({name})" if {"+", ">"} & set(name) else name for name in names]
        return " + ".join(
            f"{share * 100:.6g}% {text}" for share, text in zip(self.shares, texts, strict=True)
        )

    @property
    def needs(self) -> frozenset[str]:
        """What the parts need."""
        return frozenset[str]().union(*(part.needs for part in self.parts))

    @property
    def uses(self) -> frozenset[str]:
        """What the parts use."""
        return frozenset[str]().union(*(base.wants(part) for part in self.parts)) - self.needs

    @property
    def score_needs(self) -> frozenset[str]:
        """What `score` reads."""
        return base.score_needs(self._largest)

    @property
    def stages(self) -> tuple[Strategy, ...]:
        """The first stages of all parts."""
        return tuple(stage for part in self.parts for stage in base.stages(part))

    @property
    def _largest(self) -> Strategy:
        return self.parts[int(np.argmax(self.shares))]

    def reach(self, k: int) -> int:
        """Tell what the part that wants most candidates wants."""
        return max(base.reach(part, k) for part in self.parts)

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Floats:
        """Score as the part with the largest share does; scores of several do not compare (see `stages`)."""
        return self._largest.score(candidates, rng)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        """Choose as `select` does; parts are the strategies' names, or their own parts' where they have some."""
        check_size(len(candidates), k)
        check_needs(candidates, self.needs, self.name)
        return choose_counts(self.parts, self._counts(k, rng), candidates, rng, deeper=True)

    def _counts(self, k: int, rng: np.random.Generator) -> Ints:
        """Divide the places: as near to the shares as can be, and by lot where a share is less than a place."""
        if k * min(self.shares) >= 1:
            return largest_remainder(k, self.shares)
        lot = again(rng)
        tie_key(lot)
        return by_lot(k, self.shares, lot.random())


def choose_counts(
    parts: Sequence[Strategy], counts: Ints, candidates: Candidates, rng: np.random.Generator, *, deeper: bool
) -> Selection:
    """Let each strategy choose its number of candidates.

    Parameters
    ----------
    parts : sequence of Strategy
    counts : int64 (len(parts),)
        At most as many as candidates in all.
    candidates : Candidates
    rng : numpy.random.Generator
        Each strategy begins from a copy.
    deeper : bool
        Where a strategy tells parts of its own, give those, not its name.

    Returns
    -------
    Selection
        `drawn` is set where a pick is a uniform draw from all candidates.

    Raises
    ------
    PoolExhausted
        No strategy can fill what is missing.
    """
    k, batch = int(counts.sum()), Assembly(candidates, rng)
    turn = sorted(range(len(parts)), key=lambda number: parts[number].name != "random")
    failed: PoolExhausted | None = None
    # The second time round fills what a part could not.
    for number, refill in [(number, False) for number in turn] + [(number, True) for number in turn]:
        wanted = k - batch.size if refill else int(counts[number])
        if not wanted:
            continue
        try:
            chosen = batch.propose(parts[number], wanted)
        except PoolExhausted as error:
            failed = failed or error
            continue
        batch.accept(
            chosen if deeper else replace(chosen, parts=None),
            part=source_of(parts[number]) if deeper else parts[number].name,
        )
    if batch.size < k and failed is not None:
        raise failed
    return batch.result(in_turn(batch.sizes), drawn=True)
