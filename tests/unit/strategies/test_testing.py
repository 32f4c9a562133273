from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tasks.strategies import Candidates, Selection, get
from tasks.strategies.base import Selecting, selection
from tasks.strategies.ranking import check_size, tie_key, top
from tasks.strategies.samples import special_pools
from tasks.strategies.testing import check_strategy, make_candidates, take
from tasks.strategies.uncertainty import margin


@dataclass(frozen=True)
class Sound(Selecting):
    """Margin once more; the offenders below differ from it in one point."""

    name: str = "sound"
    needs: frozenset[str] = frozenset({"proba"})

    def score(self, candidates: Candidates, rng: np.random.Generator) -> Any:
        candidates.require(self.needs, self.name)
        return margin(candidates.proba)

    def select_explained(self, candidates: Candidates, k: int, rng: np.random.Generator) -> Selection:
        check_size(len(candidates), k)
        key = tie_key(rng)
        scores = self.score(candidates, rng)
        positions = top(scores, candidates.ids, k, key)
        return selection(positions, scores[positions])


class LooksAtOthers(Sound):
    def score(self, candidates, rng):
        scores = super().score(candidates, rng)
        return scores / max(scores.max(initial=0), np.float32(1e-3))


class HidesWhatItReads(Sound):
    def score(self, candidates, rng):
        return super().score(candidates, rng) + candidates.cost


class OfOneOrder(Sound):
    def select_explained(self, candidates, k, rng):
        chosen = super().select_explained(candidates, k, rng)
        return replace(chosen, positions=np.arange(k))


class AsksTwice(Sound):
    def select_explained(self, candidates, k, rng):
        chosen = super().select_explained(candidates, k, rng)
        return replace(chosen, positions=np.repeat(chosen.positions[:1], k))


class DropsCopies(Sound):
    def select_explained(self, candidates, k, rng):
        chosen = super().select_explained(candidates, k, rng)
        first = np.sort(np.unique(candidates.content[chosen.positions], return_index=True)[1])
        return selection(chosen.positions[first], chosen.scores[first])


class Forgetful(Sound):
    seed = np.random.default_rng(0)

    def select_explained(self, candidates, k, rng):
        return super().select_explained(candidates, k, self.seed)


class CountsRanksFromZero(Sound):
    def select_explained(self, candidates, k, rng):
        return replace(super().select_explained(candidates, k, rng), ranks=np.arange(k))


class TakesWhatIsLeft(Sound):
    def select_explained(self, candidates, k, rng):
        return super().select_explained(candidates, min(k, len(candidates)), rng)


class SwallowsNan(Sound):
    def score(self, candidates, rng):
        candidates.require(self.needs, self.name)
        return margin(np.nan_to_num(candidates.proba))


class BuildsAMatrix(Sound):
    def select_explained(self, candidates, k, rng):
        distances = np.ones((len(candidates), max(k, 0)), np.float32)
        chosen = super().select_explained(candidates, k, rng)
        return replace(chosen, scores=distances[chosen.positions, np.arange(k)])


class Fails(Sound):
    def select_explained(self, candidates, k, rng):
        raise RuntimeError("the index is gone")


def test_a_sound_strategy_passes():
    check_strategy(Sound())


@pytest.mark.parametrize(
    ("offender", "found"),
    [
        (LooksAtOthers, "scores of chunks of 1 rows differ"),
        (OfOneOrder, "order of the rows"),
        (AsksTwice, "an item was chosen twice"),
        (DropsCopies, "exact duplicates: select gave shape"),
        (Forgetful, "the same seed gave another batch"),
        (CountsRanksFromZero, "ranks go from 1 to k"),
        (TakesWhatIsLeft, "k > n: PoolExhausted is wanted"),
        (SwallowsNan, "NaN in proba: UsageError is wanted"),
        (BuildsAMatrix, "MiB of memory"),
    ],
)
def test_offenders_are_found(offender, found):
    with pytest.raises(AssertionError, match=found):
        check_strategy(offender())


def test_what_a_strategy_raises_comes_through():
    with pytest.raises(RuntimeError, match="the index is gone"):
        check_strategy(Fails())
    with pytest.raises(TypeError, match="NoneType"):
        check_strategy(HidesWhatItReads())
    with pytest.raises(AssertionError, match="lacks name"):
        check_strategy(object())


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_candidates_made_for_tests_are_whole(n_classes):
    candidates = make_candidates(30, n_classes=n_classes)
    assert all(candidates.has(name) for name in Candidates.__dataclass_fields__)
    assert candidates.leaf_table is not None
    assert candidates.leaves is not None
    candidates.leaf_table.check(candidates.leaves)
    assert candidates.n_known == 5
    assert (candidates.known_classes < 0).sum() == 2
    assert list(take(candidates, np.array([4, 2])).ids) == ["item-4", "item-2"]
    again = make_candidates(30, n_classes=n_classes)
    np.testing.assert_array_equal(again.leaves, candidates.leaves)


def test_special_pools_have_the_size_that_was_asked_for():
    pools = special_pools(40)
    assert {len(pool) for pool in pools.values()} == {40}
    assert len(np.unique(pools["exact duplicates"].content)) == 4
    assert pools["nothing known"].n_known == 0
    assert get("margin").select(pools["constant scores"], 3, np.random.default_rng(0)).shape == (3,)
